//! `checkpoints/model.json`: what the weights beside it are of and how to read their answers, with the SHA-256 of every file that an answer
//! needs. It is written after the weights that it names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use unimse_labels::Field;
use unimse_model::config::FeatureDims;
use unimse_run::{ByName, FeatureCards, Readout, artefact};

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::reader::Speakers;
use crate::data::voice::Voice;

/// Version of the card's form; older ones are refused.
pub const SCHEMA: u32 = 2;
/// Name of the card in its folder.
pub const NAME: &str = "model.json";
/// The files beside the card that an answer needs: weights, feature scales, the backbone's configuration and tokenizer.
pub const FILES: [&str; 4] = [
    "model.safetensors",
    "features.json",
    "config.json",
    "tokenizer.json",
];

/// What a saved model needs to be built again and to answer as its run does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Seed of the training.
    pub seed: u64,
    /// Epoch, from 0, whose weights dev selected.
    pub epoch: usize,
    /// `model_type` of the backbone, as its `config.json` names it, whatever `config` says; empty in cards of before there was a choice.
    #[serde(default)]
    pub backbone: String,
    /// Fields of the labels it speaks, each once.
    pub fields: Vec<Field>,
    /// Feature dimensions it has an input projection for.
    pub dims: FeatureDims,
    /// How the features that it was trained on were made, by corpus; empty in cards of before that was kept.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub features: ByName<FeatureCards>,
    /// With `model.speakers`, the names that training knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speakers: Option<Speakers>,
    /// With `model.voice_in_words`, where the train rows are cut between the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// How dev of that epoch chose to read the answers.
    pub readout: Readout,
    /// SHA-256 in hexadecimal of each of [`FILES`].
    pub files: BTreeMap<String, String>,
    /// The whole merged configuration of the training.
    pub config: RunConfig,
}

impl Card {
    /// Completes the card with the digests of the files in `folder`, and writes it there.
    ///
    /// # Errors
    /// [`TrainError::Io`] with the path.
    pub fn save(mut self, folder: &Path) -> Result<(), TrainError> {
        self.files = digests(folder)?;
        Ok(artefact::write_json(&folder.join(NAME), &self)?)
    }

    /// Reads the card in `folder`.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Artefact`] with the path: a card of another version, a key or value that no model has.
    pub fn load(folder: &Path) -> Result<Self, TrainError> {
        /// All that is asked of a card of any version.
        #[derive(Deserialize)]
        struct Version {
            schema: Option<u32>,
        }
        let path = folder.join(NAME);
        let bytes = std::fs::read(&path).map_err(TrainError::io(&path, "reading"))?;
        let version: Version = parse(&path, &bytes)?;
        if version.schema != Some(SCHEMA) {
            let found = version
                .schema
                .map_or_else(|| "none".to_owned(), |s| s.to_string());
            return Err(TrainError::artefact(
                path,
                format!(
                    "schema: expected {SCHEMA}, found {found}: another version of unimse trained this model; train it again"
                ),
            ));
        }
        let card: Self = parse(&path, &bytes)?;
        let wrong = |message: String| TrainError::artefact(&path, message);
        let mut fields = card.fields.clone();
        fields.sort();
        fields.dedup();
        if fields.len() != card.fields.len() {
            return Err(wrong(format!(
                "fields: expected each once, found {:?}",
                card.fields
            )));
        }
        Ok(card)
    }

    /// Compares the files in `folder` with what the card says of them.
    ///
    /// # Errors
    /// [`TrainError::Io`] for a file that cannot be read, [`TrainError::Artefact`] for one whose bytes are others.
    pub fn check_files(&self, folder: &Path) -> Result<(), TrainError> {
        for (name, found) in digests(folder)? {
            let path = folder.join(&name);
            match self.files.get(&name) {
                Some(expected) if *expected == found => {}
                expected => {
                    let expected = expected.map_or("none", String::as_str);
                    return Err(TrainError::artefact(
                        path,
                        format!(
                            "SHA-256: expected {expected} as {NAME} beside it says, found {found}: the file was changed, or a training was stopped in between (`unimse train --resume`)"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn digests(folder: &Path) -> Result<BTreeMap<String, String>, TrainError> {
    let digest = |name: &str| Ok((name.to_owned(), artefact::sha256(&folder.join(name))?));
    FILES.into_iter().map(digest).collect()
}

/// `bytes`, the content of the JSON file `path`; the message names the key at fault.
fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, TrainError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let (key, message) = (e.path().to_string(), unimse_run::in_words(e.inner()));
        TrainError::artefact(path, format!("{key}: {message}"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn folder() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for name in FILES {
            std::fs::write(place.path().join(name), name).unwrap();
        }
        let card = Card {
            schema: SCHEMA,
            seed: 7,
            epoch: 1,
            backbone: "bert".to_owned(),
            fields: Field::ALL.to_vec(),
            dims: FeatureDims::default(),
            features: ByName::default(),
            speakers: None,
            voice: None,
            readout: Readout::TRAINING,
            files: BTreeMap::new(),
            config: RunConfig::default(),
        };
        card.save(place.path()).unwrap();
        place
    }

    #[test]
    fn reads_back_and_notices_changed_files() {
        let place = folder();
        let card = Card::load(place.path()).unwrap();
        assert_eq!((card.seed, card.epoch), (7, 1));
        assert_eq!(card.config, RunConfig::default());
        card.check_files(place.path()).unwrap();
        for name in FILES {
            std::fs::write(place.path().join(name), "other").unwrap();
            let error = card.check_files(place.path()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("SHA-256"), "{error}");
            std::fs::write(place.path().join(name), name).unwrap();
        }
    }

    #[test]
    fn a_card_of_before_there_was_a_choice_of_backbones_is_read() {
        let place = folder();
        let path = place.path().join(NAME);
        let whole = std::fs::read_to_string(&path).unwrap();
        let (recorded, choice) = ("  \"backbone\": \"bert\",\n", "\"backbone\": \"auto\"");
        assert!(whole.contains(recorded) && whole.contains(choice));
        let old = whole
            .replace(recorded, "")
            .replace(choice, "\"backbone\": \"minilm\"");
        std::fs::write(&path, old).unwrap();
        let card = Card::load(place.path()).unwrap();
        assert_eq!(card.backbone, "");
        assert_eq!(card.config.model.backbone, "bert".parse().unwrap());
    }

    #[test]
    fn a_card_that_no_model_has_is_refused_by_name() {
        let place = folder();
        let path = place.path().join(NAME);
        let whole = std::fs::read_to_string(&path).unwrap();
        for (from, to, words) in [
            (
                "\"schema\": 2",
                "\"schema\": 1",
                "schema: expected 2, found 1",
            ),
            ("\"schema\": 2,", "", "schema: expected 2, found none"),
            (
                "\"hidden\": 64",
                "\"hidden\": 0",
                "lstm.hidden: expected a number from 1 to 16384, found 0",
            ),
            ("\"hidden\": 64", "\"hidden\": 1e30", "config.lstm.hidden: "),
            (
                "\"hidden\": 64",
                "\"hidden\": -1",
                "expected a whole number",
            ),
            ("\"decimals\": 1", "\"decimals\": 9", "labels.decimals"),
            ("\"seed\": 7", "\"sead\": 7", "sead"),
            ("\"meld\"", "\"intensity\"", "fields: expected each once"),
        ] {
            assert!(whole.contains(from), "{from}");
            std::fs::write(&path, whole.replacen(from, to, 1)).unwrap();
            let error = Card::load(place.path()).unwrap_err().to_string();
            assert!(error.contains(NAME) && error.contains(words), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
