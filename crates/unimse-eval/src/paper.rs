//! Published numbers as data, and what a run may say about them.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Convention;
use crate::scores::higher_is_better;

/// The results of one publication and how they were obtained (`data/paper/*.toml`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// What is cited.
    pub citation: String,
    /// Pretrained text model, as the Hub names it.
    pub backbone: String,
    /// The corpora that were trained on together.
    pub corpora: Vec<String>,
    /// Convention of the sentiment metrics.
    pub convention: Convention,
    /// Inputs beside the text.
    pub features: Features,
    /// The numbers.
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// Names of the features of each modality; `None` where the modality is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Audio, such as `mel-spectrogram`.
    pub audio: Option<String>,
    /// Video, such as `efficientnet`.
    pub video: Option<String>,
}

/// One published number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Corpus whose test split it is measured on.
    pub corpus: String,
    /// Key of the metric, as in [`Scores`](crate::Scores).
    pub metric: String,
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
        metric: String,
        /// What was found and what was expected.
        problem: String,
    },
}

/// How a run obtained its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Whether any corpus of the run is synthetic.
    pub synthetic: bool,
    /// Pretrained text model.
    pub backbone: String,
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
            } else if !seen.insert((&cell.corpus, &cell.metric)) {
                "occurs twice, expected once".to_owned()
            } else {
                continue;
            };
            let (corpus, metric) = (cell.corpus.clone(), cell.metric.clone());
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
    pub fn cell(&self, corpus: &str, metric: &str) -> Option<&Cell> {
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
        if context.backbone != self.backbone {
            reasons.push(format!(
                "other backbone: {}, the paper has {}",
                context.backbone, self.backbone
            ));
        }
        let (ours, theirs) = (&context.features, &self.features);
        for (modality, ours, theirs) in [
            ("audio", &ours.audio, &theirs.audio),
            ("video", &ours.video, &theirs.video),
        ] {
            if ours != theirs {
                let name = |features: &Option<String>| {
                    features.clone().unwrap_or_else(|| "none".to_owned())
                };
                reasons.push(format!(
                    "other {modality} features: {}, the paper has {}",
                    name(ours),
                    name(theirs)
                ));
            }
        }
        let missing: Vec<_> = self
            .corpora
            .iter()
            .filter(|corpus| !context.corpora.contains(corpus))
            .cloned()
            .collect();
        let added: Vec<_> = context
            .corpora
            .iter()
            .filter(|corpus| !self.corpora.contains(corpus))
            .cloned()
            .collect();
        if !missing.is_empty() {
            reasons.push(format!("subset of corpora: without {}", missing.join(", ")));
        }
        if !added.is_empty() {
            reasons.push(format!("further corpora: {}", added.join(", ")));
        }
        let sentiment = Convention::ALL
            .into_iter()
            .any(|convention| convention.has(&cell.metric));
        if sentiment && context.convention != self.convention {
            reasons.push(format!(
                "other convention: {}, the paper has {}",
                context.convention, self.convention
            ));
        }
        if value.is_nan() {
            reasons.push("the value is undefined".to_owned());
        }
        let reached = if higher_is_better(&cell.metric) {
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
}
