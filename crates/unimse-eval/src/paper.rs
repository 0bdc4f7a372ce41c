//! Published numbers as data, and what a run may say about them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Convention, Metric};

/// The results of one publication and how they were obtained (`data/paper/*.toml`).
///
/// What the publication does not say (`None`) is not compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// What is cited.
    pub citation: String,
    /// Pretrained text model, as the Hub names it.
    pub backbone: String,
    /// What writes the label: `t5` for the checkpoint's own decoder, `label` for a closed vocabulary.
    pub decoder: Option<String>,
    /// Whether fusion adds the hidden state to the fused one.
    pub fusion_skip: Option<bool>,
    /// Text form of a label: `triple` or `fields`.
    pub label_form: Option<String>,
    /// Whether rows of the test splits donated labels.
    pub leaky: Option<bool>,
    /// The corpora that were trained on together.
    pub corpora: Vec<String>,
    /// Convention of the sentiment metrics.
    pub convention: Convention,
    /// Inputs beside the text, of every corpus.
    pub features: Features,
    /// The numbers.
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// The features of each modality; `None` where the modality is not used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Audio.
    pub audio: Option<Extraction>,
    /// Video.
    pub video: Option<Extraction>,
}

/// How the features of one modality were made, as far as somebody says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extraction {
    /// The extractor, such as `mel-spectrogram` or `efficientnet`; letter case does not matter.
    pub tool: String,
    /// Version of the tool or of its weights.
    pub version: Option<String>,
    /// Settings by name. Those of a publication must be a run's too; a run may say more.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Features a step.
    pub dimension: Option<usize>,
    /// Steps a second.
    pub rate_hz: Option<f64>,
}

/// One published number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Corpus whose test split it is measured on.
    pub corpus: String,
    /// The metric, by its key.
    pub metric: Metric,
    /// The value; accuracies and F1 as fractions.
    pub value: f64,
    /// `false` where the number as published is in doubt. Default: true.
    #[serde(default = "yes")]
    pub confirmed: bool,
}

fn yes() -> bool {
    true
}

/// A table that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PaperError {
    /// Not TOML, or not of the form of [`PaperTable`].
    #[error("{path}: not a table of published results")]
    Toml {
        /// The file.
        path: String,
        /// Line, key and what was expected.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A cell makes no sense.
    #[error("{path}: cell {corpus} {metric}: {problem}")]
    Cell {
        /// The file.
        path: String,
        /// Corpus of the cell.
        corpus: String,
        /// Its metric.
        metric: Metric,
        /// What was found and what was expected.
        problem: String,
    },
}

/// How a run obtained its value. What the run did not record (`None`) equals nothing that was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Whether any corpus of the run is synthetic.
    pub synthetic: bool,
    /// Pretrained text model.
    pub backbone: Option<String>,
    /// `t5` or `label`.
    pub decoder: Option<String>,
    /// Whether fusion adds the hidden state.
    pub fusion_skip: Option<bool>,
    /// `triple` or `fields`.
    pub label_form: Option<String>,
    /// Whether rows of the test splits donated labels.
    pub leaky: Option<bool>,
    /// Features of the corpus of the cell.
    pub features: Features,
    /// The corpora that were trained on together.
    pub corpora: Vec<String>,
    /// Convention of the sentiment metrics.
    pub convention: Convention,
}

/// What a value says about a published one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// At least as good, in the same setting.
    Reached,
    /// Worse, in the same setting.
    Below,
    /// Obtained in another setting: the two numbers say nothing about each other.
    NotComparable {
        /// Every difference of the settings, joined by `; `.
        reason: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("reached"),
            Self::Below => f.write_str("below"),
            Self::NotComparable { reason } => write!(f, "not comparable: {reason}"),
        }
    }
}

impl PaperTable {
    /// Reads a table; `path` names it in errors.
    ///
    /// # Errors
    /// Text of another form, a value that is not finite, two cells of the same corpus and metric.
    pub fn parse(path: &str, text: &str) -> Result<Self, PaperError> {
        let toml = |source| PaperError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let table: Self = toml::from_str(text).map_err(toml)?;
        let mut seen = HashSet::new();
        for cell in &table.cells {
            let problem = if !cell.value.is_finite() {
                format!("value {}, expected a finite number", cell.value)
            } else if !seen.insert((&cell.corpus, cell.metric)) {
                "occurs twice, expected once".to_owned()
            } else {
                continue;
            };
            let (corpus, metric) = (cell.corpus.clone(), cell.metric);
            return Err(PaperError::Cell {
                path: path.to_owned(),
                corpus,
                metric,
                problem,
            });
        }
        Ok(table)
    }

    /// The published number for a corpus and metric.
    pub fn cell(&self, corpus: &str, metric: Metric) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.corpus == corpus && cell.metric == metric)
    }

    /// Compares a value with `cell` of this table, if the settings allow it. A tie is reached.
    pub fn verdict(&self, cell: &Cell, value: f64, context: &Context) -> Verdict {
        let mut reasons = Vec::new();
        if context.synthetic {
            reasons.push("synthetic corpora".to_owned());
        }
        self.compare_model(context, &mut reasons);
        compare_features(
            "audio",
            &context.features.audio,
            &self.features.audio,
            &mut reasons,
        );
        compare_features(
            "video",
            &context.features.video,
            &self.features.video,
            &mut reasons,
        );
        self.compare_corpora(&context.corpora, &mut reasons);
        let sentiment = Convention::ALL
            .into_iter()
            .any(|convention| convention.metrics().contains(&cell.metric));
        if sentiment {
            let (ours, theirs) = (Some(context.convention), Some(self.convention));
            differ("convention", ours, theirs, &mut reasons);
        }
        if value.is_nan() {
            reasons.push("the value is undefined".to_owned());
        }
        let reached = if cell.metric.higher_is_better() {
            value >= cell.value
        } else {
            value <= cell.value
        };
        match (reasons.is_empty(), reached) {
            (false, _) => Verdict::NotComparable {
                reason: reasons.join("; "),
            },
            (true, true) => Verdict::Reached,
            (true, false) => Verdict::Below,
        }
    }

    fn compare_model(&self, ours: &Context, reasons: &mut Vec<String>) {
        let backbone = Some(self.backbone.as_str());
        differ("backbone", ours.backbone.as_deref(), backbone, reasons);
        differ(
            "decoder",
            ours.decoder.as_ref(),
            self.decoder.as_ref(),
            reasons,
        );
        let skip = |skip: bool| {
            if skip {
                "with the hidden state added"
            } else {
                "without it"
            }
        };
        differ(
            "fusion",
            ours.fusion_skip.map(skip),
            self.fusion_skip.map(skip),
            reasons,
        );
        differ(
            "label form",
            ours.label_form.as_ref(),
            self.label_form.as_ref(),
            reasons,
        );
        let donors = |leaky: bool| {
            if leaky {
                "test rows too (leaky)"
            } else {
                "train rows only"
            }
        };
        differ(
            "donors of labels",
            ours.leaky.map(donors),
            self.leaky.map(donors),
            reasons,
        );
    }

    fn compare_corpora(&self, ours: &[String], reasons: &mut Vec<String>) {
        let without = |all: &[String], some: &[String]| {
            let rest = all.iter().filter(|corpus| !some.contains(corpus));
            rest.cloned().collect::<Vec<_>>().join(", ")
        };
        let missing = without(&self.corpora, ours);
        if !missing.is_empty() {
            reasons.push(format!("subset of corpora: without {missing}"));
        }
        let added = without(ours, &self.corpora);
        if !added.is_empty() {
            reasons.push(format!("further corpora: {added}"));
        }
    }
}

/// Adds a reason unless the publication is silent or the run says the same.
fn differ<T: PartialEq + fmt::Display>(
    what: &str,
    ours: Option<T>,
    theirs: Option<T>,
    reasons: &mut Vec<String>,
) {
    if let Some(theirs) = theirs.filter(|theirs| ours.as_ref() != Some(theirs)) {
        let ours = ours.map_or_else(|| "not recorded".to_owned(), |ours| ours.to_string());
        reasons.push(format!("other {what}: {ours}, the paper has {theirs}"));
    }
}

fn compare_features(
    modality: &str,
    ours: &Option<Extraction>,
    theirs: &Option<Extraction>,
    reasons: &mut Vec<String>,
) {
    let tool = |extraction: &Option<Extraction>| {
        extraction
            .as_ref()
            .map_or("none".to_owned(), |e| e.tool.to_lowercase())
    };
    if tool(ours) != tool(theirs) {
        let what = format!("{modality} features");
        return differ(&what, Some(tool(ours)), Some(tool(theirs)), reasons);
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return;
    };
    let what = |attribute: &str| format!("{attribute} of {modality} features");
    differ(
        &what("version"),
        ours.version.as_ref(),
        theirs.version.as_ref(),
        reasons,
    );
    differ(
        &what("dimension"),
        ours.dimension,
        theirs.dimension,
        reasons,
    );
    differ(&what("rate"), ours.rate_hz, theirs.rate_hz, reasons);
    for (name, value) in &theirs.settings {
        differ(&what(name), ours.settings.get(name), Some(value), reasons);
    }
}
