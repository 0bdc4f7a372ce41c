//! How the features of a modality were made: what two runs must share before their numbers may be compared.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tool, version, settings, dimension, rate, weights and columns of the features of one modality of one corpus.
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
    /// SHA-256, in hexadecimal, of the files of weights of the networks that made them; empty where there is no network or nobody said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, String>,
    /// Names of the features of a step, in their order; empty where they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
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
            weights: BTreeMap::new(),
            columns: Vec::new(),
        }
    }

    /// Whether somebody said what made the features.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.tool != Self::UNKNOWN
    }

    /// Tool, version and dimension: what messages call the features, as in `covarep, 74 features a step`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.tool.clone();
        if let Some(version) = &self.version {
            name += &format!(" ({version})");
        }
        name + &format!(", {} features a step", self.dimension)
    }

    /// The first thing in which the features of `other` were made in another way, and both its values; `None` where nothing speaks against
    /// their being the same. What only one of the cards says is not compared, of an unknown tool only the dimension is.
    ///
    /// ```
    /// use unimse_run::FeatureCard;
    ///
    /// let (trained, mut found) = (FeatureCard::new("covarep", 74), FeatureCard::new("opensmile", 74));
    /// assert_eq!(trained.difference(&found).as_deref(), Some("tool covarep, found opensmile"));
    /// found.tool = FeatureCard::UNKNOWN.to_owned();
    /// assert_eq!(trained.difference(&found), None);
    /// ```
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let differ = |what: &str, one: &dyn fmt::Display, found: &dyn fmt::Display| {
            Some(format!("{what} {one}, found {found}"))
        };
        if self.dimension != other.dimension {
            return differ("dimension", &self.dimension, &other.dimension);
        }
        if !(self.is_known() && other.is_known()) {
            return None;
        }
        if self.tool != other.tool {
            return differ("tool", &self.tool, &other.tool);
        }
        if let Some((one, found)) = both(&self.version, &other.version) {
            return differ("version", one, found);
        }
        if let Some((one, found)) = both(&self.rate_hz, &other.rate_hz) {
            return differ("rate_hz", one, found);
        }
        for (ours, theirs) in [
            (&self.weights, &other.weights),
            (&self.settings, &other.settings),
        ] {
            for (name, one) in ours {
                if let Some(found) = theirs.get(name).filter(|found| *found != one) {
                    return differ(name, one, found);
                }
            }
        }
        let columns = self.columns.iter().zip(&other.columns).zip(1..);
        let mut others = columns.filter(|((one, found), _)| one != found);
        others
            .next()
            .and_then(|((one, found), at)| differ(&format!("column {at}"), one, found))
    }
}

/// Two values that are both said and differ.
fn both<'a, T: PartialEq>(one: &'a Option<T>, other: &'a Option<T>) -> Option<(&'a T, &'a T)> {
    one.as_ref().zip(other.as_ref()).filter(|(a, b)| a != b)
}

/// [`FeatureCard::name`], then rate, settings and weights as far as they are known.
impl fmt::Display for FeatureCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        if let Some(rate) = self.rate_hz {
            write!(f, ", {rate} steps a second")?;
        }
        for (name, value) in &self.settings {
            write!(f, ", {name} = {value}")?;
        }
        for (file, hash) in &self.weights {
            write!(f, ", {file} {hash}")?;
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

    #[test]
    fn features_differ_by_what_both_cards_say() {
        let mut mel = FeatureCard::new("mel-spectrogram", 64);
        mel.version = Some("1".to_owned());
        mel.rate_hz = Some(100.0);
        mel.settings.insert("hop".to_owned(), "160".to_owned());
        mel.weights.insert("net.pt".to_owned(), "01".to_owned());
        mel.columns = vec!["a".to_owned(), "b".to_owned()];
        let same = |edit: &dyn Fn(&mut FeatureCard), expected: Option<&str>| {
            let mut other = mel.clone();
            edit(&mut other);
            assert_eq!(mel.difference(&other).as_deref(), expected);
        };
        same(&|_| {}, None);
        same(&|c| c.dimension = 60, Some("dimension 64, found 60"));
        same(
            &|c| c.tool = "opensmile".to_owned(),
            Some("tool mel-spectrogram, found opensmile"),
        );
        same(
            &|c| c.version = Some("2".to_owned()),
            Some("version 1, found 2"),
        );
        same(&|c| c.version = None, None);
        same(&|c| c.rate_hz = Some(50.0), Some("rate_hz 100, found 50"));
        same(
            &|c| c.weights = [("net.pt".to_owned(), "ab".to_owned())].into(),
            Some("net.pt 01, found ab"),
        );
        same(&|c| c.weights.clear(), None);
        same(
            &|c| drop(c.settings.insert("hop".to_owned(), "80".to_owned())),
            Some("hop 160, found 80"),
        );
        same(
            &|c| drop(c.settings.insert("pad".to_owned(), "1".to_owned())),
            None,
        );
        same(&|c| c.columns.swap(0, 1), Some("column 1 a, found b"));
        same(&|c| c.columns.clear(), None);
        same(&|c| c.tool = FeatureCard::UNKNOWN.to_owned(), None);
    }
}
