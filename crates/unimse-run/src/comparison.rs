//! What `unimse compare --json` says: runs beside a reference, over their seeds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{Difference, Metric};

use crate::{ByName, Clusters, Task};

/// Version of a comparison: whoever reads another refuses it.
pub const COMPARISON_SCHEMA: u64 = 1;

/// Runs scored on the same test rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: u64,
    /// Resamples behind every interval and p-value: `evaluate.resamples` of the reference.
    pub resamples: usize,
    /// Seed of the resampling: `evaluate.seed` of the reference.
    pub seed: u64,
    /// The runs as they were given, the reference first.
    pub runs: Vec<ComparedRun>,
}

/// One run, or one way to read the answers of the reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// Its folder as it was given.
    pub run: String,
    /// How its answers are read, where not as dev chose: `intensity: median`, `emotion: text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<String>,
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
    /// Rows with gold.
    pub n: usize,
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
        let values = values.unwrap_or_default();
        let n = values.len() as f64;
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / n);
        let sd = mean.filter(|_| values.len() > 1).map(|mean| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        });
        Self {
            mean,
            sd,
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
