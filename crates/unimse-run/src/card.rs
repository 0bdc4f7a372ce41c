//! How the features of a modality were made: what two runs must share before their numbers may be compared.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tool, version, settings, dimension and rate of the features of one modality of one corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// `covarep, 74 features a step`, then version, rate and settings as far as they are known.
impl fmt::Display for FeatureCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tool)?;
        if let Some(version) = &self.version {
            write!(f, " ({version})")?;
        }
        write!(f, ", {} features a step", self.dimension)?;
        if let Some(rate) = self.rate_hz {
            write!(f, ", {rate} steps a second")?;
        }
        for (name, value) in &self.settings {
            write!(f, ", {name} = {value}")?;
        }
        Ok(())
    }
}

/// The cards of one corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureCards {
    /// Audio; `None` where no utterance has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<FeatureCard>,
    /// Video; `None` where no utterance has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<FeatureCard>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn cards_are_words_and_json() {
        let mut audio = FeatureCard::new("mel-spectrogram", 64);
        assert_eq!(audio.to_string(), "mel-spectrogram, 64 features a step");
        audio.version = Some("librosa 0.11".to_owned());
        audio.rate_hz = Some(100.0);
        audio.settings.insert("hop".to_owned(), "160".to_owned());
        assert_eq!(
            audio.to_string(),
            "mel-spectrogram (librosa 0.11), 64 features a step, 100 steps a second, hop = 160"
        );
        let cards = FeatureCards {
            audio: Some(audio),
            video: None,
        };
        let json = serde_json::to_string(&cards).unwrap();
        assert_eq!(
            json,
            r#"{"audio":{"tool":"mel-spectrogram","version":"librosa 0.11","settings":{"hop":"160"},"dimension":64,"rate_hz":100.0}}"#
        );
        assert_eq!(serde_json::from_str::<FeatureCards>(&json).unwrap(), cards);
        assert_eq!(
            serde_json::from_str::<FeatureCards>("{}").unwrap(),
            FeatureCards::default()
        );
    }
}
