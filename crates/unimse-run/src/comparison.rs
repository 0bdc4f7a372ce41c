//! What `unimse compare --json` says: runs beside a reference, over their seeds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{Difference, Metric};

use crate::pooled::mean_and_deviation;
use crate::{ByName, Clusters, Task};

/// Version of a comparison: whoever reads another refuses it. Since 2, runs may hold different rows: every number is of those that all hold.
pub const COMPARISON_SCHEMA: u64 = 2;

/// Runs scored on the same test rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: u64,
    /// Resamples behind every interval and p-value: `evaluate.resamples` of the reference.
    pub resamples: usize,
    /// Seed of the resampling: `evaluate.seed` of the reference.
    pub seed: u64,
    /// The runs as they were given, the reference first; then the ways to read the reference.
    pub runs: Vec<ComparedRun>,
    /// The keys of `config.toml` whose values differ between the runs, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
}

/// A key of the configuration whose values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The key, as in `train.epochs`.
    pub key: String,
    /// The value of each run as TOML writes it, in the order in which runs were given; those of seeds that differ are joined by ` | `. Null where a run
    /// does not know the key.
    pub values: Vec<Option<String>>,
}

/// One run, or one way to read the answers of the reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// Its folder as it was given.
    pub run: String,
    /// How its answers are read, where not as dev chose: `intensity: median`, `emotion: text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<String>,
    /// The preset that its configuration started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Corpora with train rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trained_on: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Whether rows of the test splits donated labels to training.
    #[serde(default)]
    pub leaky: bool,
    /// Whether a generator made any of the corpora.
    #[serde(default)]
    pub synthetic: bool,
    /// Openings of the test splits, over all seeds.
    #[serde(default)]
    pub test_openings: usize,
    /// The corpora compared.
    pub corpora: ByName<ComparedCorpus>,
    /// Corpora of the reference or of this run that are not compared, with the reason.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub left_out: ByName<String>,
}

/// The test rows of one corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedCorpus {
    /// Its task.
    pub task: Task,
    /// Rows with gold that every run compared on this corpus holds. All that follows is of them.
    pub n: usize,
    /// Rows with gold that this run holds and another one does not, by utterance id; they are in no number here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unshared: Vec<String>,
    /// What is resampled.
    pub resampled: Clusters,
    /// How many of them.
    pub clusters: usize,
    /// The main metrics: those of [`Task::compared`].
    pub metrics: BTreeMap<Metric, ComparedMetric>,
}

/// One metric of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ComparedMetric {
    /// Mean over the seeds; absent where a seed has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Sample standard deviation over the seeds; absent for one seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// The value of each seed, in the order of the seeds; null where it is undefined.
    pub per_seed: Vec<Option<f64>>,
    /// Mean over the run's seeds minus mean over the reference's; absent for the reference itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

impl ComparedMetric {
    /// Of the values of the seeds.
    #[must_use]
    pub fn of_seeds(per_seed: Vec<Option<f64>>) -> Self {
        let values: Option<Vec<f64>> = per_seed.iter().copied().collect();
        let values = values.filter(|values| !values.is_empty());
        let over = values.map(|values| mean_and_deviation(&values));
        Self {
            mean: over.map(|over| over.0),
            sd: over.and_then(|over| over.1),
            per_seed,
            difference: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_sample_standard_deviation() {
        let metric = ComparedMetric::of_seeds(vec![Some(1.0), Some(2.0), Some(6.0)]);
        assert_eq!(metric.mean, Some(9.0 / 3.0));
        assert_eq!(metric.sd, Some(((4.0 + 1.0 + 9.0_f64) / 2.0).sqrt()));
        let one = ComparedMetric::of_seeds(vec![Some(2.0)]);
        assert_eq!((one.mean, one.sd), (Some(2.0), None));
        let none = ComparedMetric::of_seeds(vec![Some(2.0), None]);
        assert_eq!((none.mean, none.sd), (None, None));
    }
}
