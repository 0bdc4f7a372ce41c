//! What a run has to beat: baselines on the same rows, with the paired difference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{Interval, Metric};

/// A baseline on the same rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Baseline {
    /// Its metrics.
    pub metrics: BTreeMap<Metric, f64>,
    /// Its metrics without a value, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub undefined: BTreeMap<Metric, String>,
    /// What dev chose for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// Interval of ours minus the baseline's; each seed of an aggregate has its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub difference: BTreeMap<Metric, Interval>,
}

/// Hyperparameters of a baseline, those that it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Chosen {
    /// Strength of the ridge or of the logistic regression's L2 penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Nearest neighbours asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// Epoch, from 1, of the fine-tuned model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
}
