//! The options of `unimse score`, and what they ask for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use unimse_corpus::INTENSITIES;
use unimse_eval::{Convention, Metric};
use unimse_labels::{Field, Form, Grammar, Taxonomy};
use unimse_run::ScoredTask;

use super::measure::{Scoring, available, chosen};
use super::spec::Spec;
use super::table::Columns;
use crate::commands::columns::extension;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is compared: scores, one class a row, or several emotions a row that are each there or not.
    #[arg(long, value_name = "sentiment|emotion|presence")]
    task: ScoredTask,
    /// Convention of the metrics of scores: mmsa, mult or mag.
    #[arg(long, default_value = "mmsa", value_name = "mmsa|mult|mag")]
    pub(super) convention: Convention,
    /// The class list, comma separated, in the order of indices, lists and the confusion matrix; `meld`, `iemocap` and `mosei` stand for theirs.
    /// Default: meld for one class a row, mosei for several emotions.
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    labels: Vec<String>,
    /// Column of the truth: a score; a class or its index; a list with a number an emotion, there where it is above 0.
    #[arg(long, value_name = "COLUMN", default_value = "truth")]
    truth_column: String,
    /// Column of the prediction: as the truth, but emotions are there from --threshold on.
    #[arg(long, value_name = "COLUMN", default_value = "prediction")]
    prediction_column: String,
    /// The truths where FILE is an .npy file of predictions, both of shape [n], or [n, k] for k emotions.
    #[arg(long, value_name = "FILE.npy")]
    truth: Option<PathBuf>,
    /// From where on an emotion counts as predicted.
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    threshold: f64,
    /// Predictions are generated labels of these columns, as in `polarity,intensity,meld,iemocap` or `polarity,intensity,emotion`; repairs are
    /// counted.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    generated: Vec<String>,
    /// What a generated label without the value scored counts as, a score or a class; without this it is an error.
    #[arg(
        long,
        value_name = "VALUE",
        allow_hyphen_values = true,
        requires = "generated"
    )]
    unparsed: Option<String>,
    /// Column of lists with the probability of every class: adds ece, brier, nll.
    #[arg(long, value_name = "COLUMN")]
    probabilities: Option<String>,
    /// Four columns, the quantiles 0.05, 0.25, 0.75, 0.95 of every score: adds coverage and width of the central 50 % and 90 %.
    #[arg(long, value_name = "Q05,Q25,Q75,Q95", value_delimiter = ',')]
    quantiles: Vec<String>,
    /// Only rows with this value in this column; may be given again.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    only: Vec<String>,
    /// The scores of the rows of each value of this column, of at most 10,000 values, too.
    #[arg(long, value_name = "COLUMN")]
    pub(super) group_by: Option<String>,
    /// Resample values of this column whole, as the rows of one video or dialogue are alike; default every row by itself.
    #[arg(long, value_name = "COLUMN")]
    pub(super) cluster: Option<String>,
    /// Another system on the same rows, a file of the same columns: differences with intervals and p-values.
    #[arg(long, value_name = "OTHER")]
    pub(super) against: Option<PathBuf>,
    /// Column that joins the rows of both files; default their order.
    #[arg(long, value_name = "COLUMN", requires = "against")]
    id: Option<String>,
    /// Only these metrics, by their keys, as in `mae,acc2_non0`; default all of the task and convention.
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    metrics: Vec<Metric>,
    /// Resamples behind intervals and draws behind p-values; 0 for none, which is faster.
    #[arg(long, value_name = "N", default_value_t = 1000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=10_000_000))]
    pub(super) resamples: usize,
    /// Seed of resamples and draws.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// JSON instead of tables; docs/schema/scored.schema.json has its schema.
    #[arg(long)]
    pub(super) json: bool,
    /// CSV (errors count its lines from 1, the header among them), JSON lines, Parquet (errors count its rows from 1), or .npy with --truth.
    pub(super) file: PathBuf,
}

impl Args {
    /// What is asked of truths and predictions.
    pub(super) fn spec(&self) -> Result<Spec> {
        let task = self.task;
        let labels = self.class_list(task)?;
        if !self.threshold.is_finite() {
            bail!(
                "--threshold: expected a finite number, found {}",
                self.threshold
            );
        }
        let generated = match (&self.generated[..], task) {
            ([], _) => None,
            (_, ScoredTask::Presence) => bail!("--generated: a label has one emotion, not several"),
            (columns, _) => Some(grammar(columns, &labels)?),
        };
        let unparsed = match (&self.unparsed, task) {
            (None, _) => None,
            (Some(text), ScoredTask::Sentiment) => {
                let score = text.parse::<f64>().ok().filter(|score| score.is_finite());
                Some(
                    score
                        .with_context(|| format!("--unparsed: expected a score, found {text:?}"))?,
                )
            }
            (Some(text), _) => {
                let class = labels.iter().position(|label| label == text);
                let expected = || {
                    format!(
                        "--unparsed: expected one of {}, found {text:?}",
                        labels.join(", ")
                    )
                };
                Some(class.with_context(expected)? as f64)
            }
        };
        Ok(Spec {
            task,
            labels,
            threshold: self.threshold,
            generated,
            unparsed,
        })
    }

    /// The class list; empty for scores.
    fn class_list(&self, task: ScoredTask) -> Result<Vec<String>> {
        let list: Vec<&str> = self.labels.iter().map(|label| label.trim()).collect();
        let named = match (task, &list[..]) {
            (ScoredTask::Sentiment, []) => &[],
            (ScoredTask::Sentiment, _) => bail!("--labels: a file of scores has no classes"),
            (ScoredTask::Emotion, []) | (_, ["meld"]) => Taxonomy::Meld.labels(),
            (ScoredTask::Presence, []) | (_, ["mosei"]) => &INTENSITIES,
            (_, ["iemocap"]) => Taxonomy::Iemocap.labels(),
            (_, own) => own,
        };
        let mut rest = named.iter().enumerate();
        if let Some((_, twice)) =
            rest.find(|(at, label)| label.is_empty() || named[..*at].contains(label))
        {
            bail!("--labels: expected different names, found {twice:?} twice or empty");
        }
        Ok(named.iter().map(|&label| label.to_owned()).collect())
    }

    /// How rows are scored.
    pub(super) fn scoring(&self, spec: &Spec) -> Result<Scoring> {
        let further = self.probabilities.is_some() || !self.quantiles.is_empty();
        let available = available(spec.task, self.convention, further);
        Ok(Scoring {
            task: spec.task,
            convention: self.convention,
            labels: spec.labels.clone(),
            metrics: chosen(&self.metrics, available)?,
            resamples: self.resamples,
            seed: self.seed,
        })
    }

    /// Which columns are read.
    pub(super) fn columns(&self, spec: &Spec) -> Result<Columns> {
        if self.truth_column == self.prediction_column {
            bail!(
                "--prediction-column: expected another column than that of the truth, found {} for both",
                self.truth_column
            );
        }
        if self.probabilities.is_some() && spec.task != ScoredTask::Emotion {
            bail!("--probabilities: only --task emotion has the probability of every class");
        }
        match (self.quantiles.len(), spec.task) {
            (0, _) | (4, ScoredTask::Sentiment) => {}
            (4, _) => bail!("--quantiles: only --task sentiment has the distribution of a score"),
            (n, _) => bail!("--quantiles: expected four columns, found {n}"),
        }
        let pair = |text: &String| {
            let (column, value) = text
                .split_once('=')
                .with_context(|| format!("--where: expected COLUMN=VALUE, found {text:?}"))?;
            Ok((column.trim().to_owned(), value.trim().to_owned()))
        };
        let columns = Columns {
            truth: self.truth_column.clone(),
            prediction: self.prediction_column.clone(),
            probabilities: self.probabilities.clone(),
            quantiles: self.quantiles.clone(),
            id: self.id.clone(),
            cluster: self.cluster.clone(),
            group: self.group_by.clone(),
            only: self.only.iter().map(pair).collect::<Result<_>>()?,
        };
        if extension(&self.file) == "npy" && columns.has_more() {
            bail!(
                "{}: expected a table for --probabilities, --quantiles, --id, --cluster, --group-by and --where, found an array",
                self.file.display()
            );
        }
        Ok(columns)
    }

    /// The truths of `.npy` files.
    pub(super) fn truth(&self) -> Result<Option<&Path>> {
        let array = |path: &Path| extension(path) == "npy";
        let files = [Some(&self.file), self.against.as_ref(), self.truth.as_ref()];
        let files: Vec<&PathBuf> = files.into_iter().flatten().collect();
        match &self.truth {
            Some(truth) if files.iter().all(|file| array(file)) => Ok(Some(truth)),
            None if !files.iter().any(|file| array(file)) => Ok(None),
            Some(truth) => bail!(
                "--truth {}: expected .npy files alone: tables have a column of truths",
                truth.display()
            ),
            None => bail!(
                "{}: expected --truth FILE.npy beside an .npy file of predictions",
                self.file.display()
            ),
        }
    }
}

impl Columns {
    /// Those of the system compared with: clusters and groups are read once.
    pub(super) fn of_other(&self) -> Self {
        Self {
            cluster: None,
            group: None,
            ..self.clone()
        }
    }

    /// Whether there are others than truth and prediction.
    fn has_more(&self) -> bool {
        let named = [&self.probabilities, &self.id, &self.cluster, &self.group];
        named.into_iter().any(Option::is_some)
            || !self.quantiles.is_empty()
            || !self.only.is_empty()
    }
}

/// The grammar of generated labels and the field that is scored: the intensity for scores, else the one with these classes.
fn grammar(columns: &[String], labels: &[String]) -> Result<(Grammar, Field)> {
    let columns: Vec<&str> = columns.iter().map(|column| column.trim()).collect();
    let triple = columns.contains(&"emotion");
    let mut fields = Vec::new();
    for &column in &columns {
        match column {
            "emotion" => fields.extend([Field::Meld, Field::Iemocap]),
            name => fields.push(name.parse::<Field>().context("--generated")?),
        }
    }
    let in_order =
        fields.is_sorted_by_key(|field| Field::ALL.iter().position(|known| known == field));
    let twice = (fields.iter().enumerate()).any(|(at, field)| fields[..at].contains(field));
    if fields.first() != Some(&Field::Polarity) || !in_order || twice {
        bail!(
            "--generated: expected polarity, then of intensity, meld, iemocap (or emotion for both) those that there are, in this order, found {}",
            columns.join(",")
        );
    }
    let scored = fields.iter().copied().find(|field| match field.classes() {
        Some(classes) => classes == labels,
        None => labels.is_empty(),
    });
    let expected = if labels.is_empty() {
        "intensity".to_owned()
    } else {
        format!("a column of the classes {}", labels.join(", "))
    };
    let field = scored.with_context(|| {
        format!(
            "--generated: expected {expected}, found {}",
            columns.join(",")
        )
    })?;
    let form = if triple { Form::Triple } else { Form::Fields };
    Ok((
        Grammar {
            form,
            ..Grammar::new(&fields)
        },
        field,
    ))
}
