//! `representations.json`: where utterances lie before and after fusion, in the two directions in which they differ most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of `representations.json`.
pub const REPRESENTATIONS_SCHEMA: u32 = 1;

/// Dev and test utterances of a run as points. `docs/protocol.md` says what was computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Representations {
    /// [`REPRESENTATIONS_SCHEMA`].
    pub schema: u32,
    /// Dimensions that a representation has.
    pub dim: usize,
    /// What the first fused layer reads.
    pub before: Plane,
    /// What the last fused layer gives.
    pub after: Plane,
    /// How well classes are apart in all dimensions, of the corpora and splits that have two classes.
    pub separation: Vec<Separation>,
    /// At most 400 utterances of each corpus and split, drawn by the seed, dev before test.
    pub rows: Vec<RepresentedRow>,
}

/// The two principal axes of the representations at one place in the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plane {
    /// Number of the fused layer in the encoder, from 0.
    pub layer: usize,
    /// Share of the variance of all rows that lies along each axis; the larger one first.
    pub variance: [f64; 2],
}

/// Mean silhouette (Rousseeuw, 1987) by Euclidean distance: from -1 (every utterance nearer to another class) to 1 (classes far apart).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Separation {
    /// Name of the corpus.
    pub corpus: String,
    /// `dev` or `test`.
    pub split: String,
    /// Rows with a class.
    pub n: usize,
    /// Before fusion.
    pub before: f64,
    /// After fusion.
    pub after: f64,
}

/// One utterance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RepresentedRow {
    /// Name of its corpus.
    pub corpus: String,
    /// `dev` or `test`.
    pub split: String,
    /// Its id in the corpus.
    pub utterance_id: String,
    /// Gold emotion, or gold polarity in a sentiment corpus; absent without gold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Place along the axes before fusion.
    pub before: [f32; 2],
    /// Place along the axes after fusion.
    pub after: [f32; 2],
    /// Place among its neighbours before fusion (t-SNE); absent in a run of an older version and where there are too few rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_before: Option<[f32; 2]>,
    /// The same after fusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_after: Option<[f32; 2]>,
}
