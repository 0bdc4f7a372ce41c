//! `features.toml` of every corpus: ingest reads from it how the features were made (`docs/datasets.md`).

use std::path::Path;

use serde::Deserialize as _;
use toml::{Table, Value};
use unimse_run::{FeatureCard, FileError, artefact};

use super::clips::Clips;
use crate::{Features, MediaError};

/// Name of the description, in a corpus folder.
pub(crate) const FILE: &str = "features.toml";

/// Writes what made the features into every corpus folder; what is said there of a modality that nothing is made of stays.
pub(super) fn describe(
    out: &Path,
    clips: &Clips,
    features: &Features<'_>,
) -> Result<(), MediaError> {
    for corpus in clips.corpora() {
        let path = out.join(corpus).join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(FileError::at(&path, "reading"))?,
        };
        let wrong = |message: String| MediaError::Folder {
            path: path.clone(),
            message,
        };
        let mut table: Table =
            toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        let known = table.len();
        for (modality, card) in features.cards() {
            match table.get(modality) {
                Some(known) if is_of(known, &card) => {}
                Some(known) => {
                    let tool = known.get("tool").and_then(Value::as_str);
                    let tool = tool.unwrap_or("unknown");
                    return Err(wrong(format!(
                        "expected no {modality} features of another maker, found those of {tool:?}; name another folder, or remove [{modality}]"
                    )));
                }
                None => {
                    let made = Value::try_from(&card).map_err(|error| wrong(error.to_string()))?;
                    table.insert(modality.to_owned(), made);
                }
            }
        }
        if table.len() > known {
            let text = toml::to_string(&table).map_err(|error| wrong(error.to_string()))?;
            artefact::write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Whether a section is that of a card.
fn is_of(section: &Value, card: &FeatureCard) -> bool {
    let known = FeatureCard::deserialize(section.clone());
    known.is_ok_and(|known| known.is_known() && known.difference(card).is_none())
}
