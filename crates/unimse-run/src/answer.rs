//! What `predict` says of one row: fields in a fixed order, then the row's own columns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ByName, RestsOn};

/// One answer. Its JSON is an object of these fields; fields that the run does not speak are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The utterance, as it came.
    pub text: String,
    /// The most probable polarity.
    pub polarity: Classes,
    /// The score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// Emotion in the taxonomy of MELD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meld: Option<Classes>,
    /// Emotion in the taxonomy of IEMOCAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iemocap: Option<Classes>,
    /// Where fields do not agree, why.
    pub disagreements: Vec<String>,
    /// Feature values of the row that were read as 0, if any.
    #[serde(default, skip_serializing_if = "NonFinite::is_empty")]
    pub non_finite: NonFinite,
    /// Of a row of a clip, what the answer rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<RestsOn>,
    /// The row's own columns, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    /// Those of its columns that have the name of a field of the answer, as they came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub input: Map<String, Value>,
}

impl Answer {
    /// Names of the answer's own fields.
    pub const FIELDS: [&str; 9] = [
        "text",
        "polarity",
        "intensity",
        "meld",
        "iemocap",
        "disagreements",
        "non_finite",
        "rests_on",
        "input",
    ];
}

/// A class and the probability of every class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classes {
    /// Canonical name.
    pub label: String,
    /// By class in canonical order; they sum to 1.
    pub probabilities: ByName<f32>,
}

/// A score and the middle of its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Intensity {
    /// In [-3, 3], as the run's readout takes it.
    pub value: f32,
    /// 10 % of the distribution lie below.
    pub low: f32,
    /// 10 % of the distribution lie above.
    pub high: f32,
}

/// Numbers of feature values that were NaN, infinite or beyond the range of f32, and were read as 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NonFinite {
    /// Of the audio features.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio: usize,
    /// Of the video features.
    #[serde(skip_serializing_if = "is_zero")]
    pub video: usize,
}

impl NonFinite {
    /// Whether all values were finite.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}
