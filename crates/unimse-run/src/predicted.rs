//! A row of `predictions.parquet`: what the model says of a dev or test utterance, beside gold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The columns of `predictions.parquet`, in their order. Numbers are 32-bit floats; every column may be null where it may be absent here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictedRow {
    /// Name of the corpus.
    pub corpus: String,
    /// `dev` or `test`.
    pub split: String,
    /// Id of the utterance in its corpus.
    pub utterance_id: String,
    /// Dialogue or video that it is of; absent in files of version 2.
    pub dialogue_id: Option<String>,
    /// The most probable polarity.
    pub polarity: String,
    /// The score in [-3, 3], as the run's readout takes it; absent where the run has no intensities.
    pub intensity: Option<f32>,
    /// Emotion in the taxonomy of MELD; absent where the run has none.
    pub meld: Option<String>,
    /// Emotion in the taxonomy of IEMOCAP; absent where the run has none.
    pub iemocap: Option<String>,
    /// Why fields do not agree; absent where they do.
    pub disagreements: Option<String>,
    /// The label as it was generated.
    pub raw: String,
    /// Gold score.
    pub truth_score: Option<f32>,
    /// Gold polarity.
    pub truth_polarity: Option<String>,
    /// Gold emotion, in the taxonomy of the corpus.
    pub truth_emotion: Option<String>,
    /// Of negative, neutral, positive.
    pub polarity_probabilities: Option<Vec<f32>>,
    /// Of every score that the labels of the run can print, ascending from -3 to 3.
    pub intensity_probabilities: Option<Vec<f32>>,
    /// Of the emotions of MELD in canonical order.
    pub meld_probabilities: Option<Vec<f32>>,
    /// Of the emotions of IEMOCAP in canonical order.
    pub iemocap_probabilities: Option<Vec<f32>>,
}

impl PredictedRow {
    /// Version of the columns, in the file's metadata as `schema_version`.
    pub const SCHEMA: u32 = 3;
    /// The oldest version that is read.
    pub const OLDEST: u32 = 2;
}
