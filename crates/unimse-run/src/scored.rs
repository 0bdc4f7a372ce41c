//! What `unimse score --json` says: the metrics of a file of truths and predictions, of any system.

use std::collections::BTreeMap;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{ClassScores, Convention, Difference, Interval, Metric};
use unimse_labels::UnknownName;

use crate::ByName;

/// Version of a score: whoever reads another refuses it.
pub const SCORED_SCHEMA: u64 = 1;

/// A file of truths and predictions, scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored {
    /// [`SCORED_SCHEMA`].
    pub schema: u64,
    /// What was scored.
    pub task: ScoredTask,
    /// Convention of the metrics of scores; absent for other tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convention: Option<Convention>,
    /// The class list; empty for scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Resamples behind every interval and draws behind every p-value.
    pub resamples: usize,
    /// Seed of both.
    pub seed: u64,
    /// The column whose values are resampled whole; absent where every row stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What was read from generated labels; absent where predictions were no labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// The same of the system compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_against: Option<Generated>,
    /// All rows.
    #[serde(flatten)]
    pub all: ScoredRows,
    /// The rows of each value of the grouping column, values in order.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub groups: ByName<ScoredRows>,
}

/// What `unimse score` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScoredTask {
    /// Scores.
    Sentiment,
    /// One class a row.
    Emotion,
    /// Several emotions a row, each there or not.
    Presence,
}

impl ScoredTask {
    /// Every task.
    pub const ALL: [Self; 3] = [Self::Sentiment, Self::Emotion, Self::Presence];

    /// `sentiment`, `emotion` or `presence`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Emotion => "emotion",
            Self::Presence => "presence",
        }
    }
}

impl FromStr for ScoredTask {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.into_iter().find(|task| task.name() == text);
        known.ok_or_else(|| UnknownName::new("task", text, &Self::ALL.map(Self::name)))
    }
}

/// The scores of some rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoredRows {
    /// Their number.
    pub n: usize,
    /// The clusters among them.
    pub clusters: usize,
    /// Groups that the clusters were dealt into at random, to be resampled whole; absent where clusters were resampled one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealt: Option<usize>,
    /// The values; of several emotions the means over them.
    pub metrics: BTreeMap<Metric, f64>,
    /// The metrics without a value, with the reason.
    pub undefined: BTreeMap<Metric, String>,
    /// Their 95 % intervals; empty without resamples.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<Metric, Intervals>,
    /// The system compared with, and what sets them apart; empty where there is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub against: BTreeMap<Metric, Against>,
    /// Rows whose predicted class has not the largest of their probabilities, which calibration takes for the answer; absent without probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlike_probabilities: Option<usize>,
    /// One entry a class, in the order of the class list; empty for scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_class: Vec<ClassScores>,
    /// Counts [truth, prediction], in the order of the class list; empty for scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion_rows_truth: Vec<Vec<u64>>,
    /// The same of each of several emotions, in the order of the class list.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub emotions: ByName<ScoredRows>,
}

/// Two intervals of one value, from the same resamples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Intervals {
    /// The percentile interval.
    pub percentile: Interval,
    /// The bias-corrected and accelerated interval.
    pub bca: Interval,
    /// Resamples on which the metric has no value: they are left out, and the interval holds for the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A metric of another system on the same rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Against {
    /// Its value; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// This system less the other, with its percentile interval and bootstrap p-value.
    pub difference: Difference,
    /// The BCa interval of the difference.
    pub bca: Interval,
    /// Two-sided p-value of approximate randomisation, whole clusters exchanged; absent without resamples or without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_randomisation: Option<f64>,
}

/// What was made of generated labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// Labels read.
    pub labels: usize,
    /// Labels that had to be repaired to be read.
    pub repaired: usize,
    /// Repairs by their kind.
    pub repairs: BTreeMap<String, usize>,
    /// Labels without the value that is scored, which count as what `--unparsed` says.
    pub unparsed: usize,
}
