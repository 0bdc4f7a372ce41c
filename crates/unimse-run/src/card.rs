//! How the features of a modality were made: what two runs must share before their numbers may be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tool, version, settings, dimension and rate of the features of one modality of one corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureCard {
    /// The extractor, such as `mel-spectrogram`, `opensmile`, `covarep` or `efficientnet`; `unknown` where nobody said.
    pub tool: String,
    /// Version of the tool or of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Settings by name, such as `n_mels = "64"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Features a step.
    pub dimension: usize,
    /// Steps a second; `None` where steps have no fixed length (words, whole utterances) or nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<f64>,
}

impl FeatureCard {
    /// The tool of features whose maker is not known.
    pub const UNKNOWN: &'static str = "unknown";

    /// A card that says the tool and the dimension.
    #[must_use]
    pub fn new(tool: &str, dimension: usize) -> Self {
        Self {
            tool: tool.to_owned(),
            version: None,
            settings: BTreeMap::new(),
            dimension,
            rate_hz: None,
        }
    }
}
