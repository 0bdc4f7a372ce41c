//! `ablation.json`: what each part of the method is worth, as `cargo xtask ablate` writes it above the runs.

use serde::{Deserialize, Serialize};

use crate::ComparedRun;

/// Version of `ablation.json`: whoever reads another refuses it.
pub const ABLATION_SCHEMA: u64 = 1;

/// Runs that lack one part of the method each, beside the one that has all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// [`ABLATION_SCHEMA`].
    pub schema: u64,
    /// The preset of all rows.
    pub preset: String,
    /// The seeds of every row.
    pub seeds: Vec<u64>,
    /// Configuration values of the whole method over the preset.
    pub values: Vec<String>,
    /// Whether a generator made any of the corpora.
    pub synthetic: bool,
    /// Resamples behind every interval and p-value.
    pub resamples: usize,
    /// Their seed.
    pub resampling_seed: u64,
    /// How often test was opened, over all rows and seeds.
    pub test_openings: usize,
    /// The rows, the whole method first.
    pub rows: Vec<AblationRow>,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AblationRow {
    /// Its name.
    pub name: String,
    /// What it shows, in words.
    pub shows: String,
    /// Configuration values over those of the whole method.
    pub values: Vec<String>,
    /// Why it has no numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// One run, of models trained apart one for each corpus; differences are to the whole method.
    pub runs: Vec<ComparedRun>,
}
