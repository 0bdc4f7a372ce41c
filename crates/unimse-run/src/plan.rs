//! What `unimse plan` says of itself and of a data folder: all that whoever runs the stages must know of the product.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ByName;

/// Presets, versions of the stages' code, and what a data folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The shipped presets, the one for a first run first.
    pub presets: ByName<PresetFacts>,
    /// By stage, a digest of the sources that decide what it writes: a stage is done again when its own changes.
    pub code: BTreeMap<String, String>,
    /// The entries of the data folder that `ingest` reads; empty where none was asked about.
    #[serde(default)]
    pub data: Vec<String>,
}

/// What must be known of a preset before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresetFacts {
    /// Whether it needs a data folder; one that does not makes synthetic data.
    pub needs_data: bool,
}
