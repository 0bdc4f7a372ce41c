//! What `features.toml` says of a file of features: that of the nearest folder above it, as `unimse extract` lays them.

use std::path::Path;

use serde::Deserialize as _;
use toml::{Table, Value};
use unimse_run::FeatureCard;

use crate::extract::DESCRIPTION;

/// Folders above a file that are looked at.
const DEPTH: usize = 8;

/// The card of the features in `file`, of `dimension` numbers a step, by the section `modality` (`audio` or `video`) of the nearest `features.toml` above it; `None`
/// where nobody says what made them. What is wrong with a description is the matter of `unimse ingest`.
#[must_use]
pub fn card_beside(file: &Path, modality: &str, dimension: usize) -> Option<FeatureCard> {
    let file = std::path::absolute(file).ok()?;
    let folders = file.ancestors().skip(1).take(DEPTH);
    let mut texts = folders.map(|folder| std::fs::read_to_string(folder.join(DESCRIPTION)));
    let text = texts.find_map(Result::ok)?;
    let mut table: Table = toml::from_str(&text).ok()?;
    let mut section = match table.remove(modality)? {
        Value::Table(section) => section,
        _ => return None,
    };
    section.insert("dimension".to_owned(), (dimension as i64).into());
    if let Some(Value::Table(settings)) = section.get_mut("settings") {
        for (_, value) in settings.iter_mut().filter(|(_, value)| !value.is_str()) {
            *value = value.to_string().into();
        }
    }
    FeatureCard::deserialize(Value::Table(section)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_nearest_description_above_a_file_speaks_of_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("audio/deep");
        std::fs::create_dir_all(&folder).unwrap();
        let card = || card_beside(&folder.join("a.npy"), "audio", 74);
        assert_eq!(card(), None);
        let text = "[audio]\ntool = \"covarep\"\nsettings = { hop = 160 }\n";
        std::fs::write(place.path().join(DESCRIPTION), text).unwrap();
        let found = card().unwrap();
        assert_eq!((found.tool.as_str(), found.dimension), ("covarep", 74));
        assert_eq!(found.settings["hop"], "160");
        assert_eq!(card_beside(&folder.join("a.npy"), "video", 74), None);
        std::fs::write(folder.join(DESCRIPTION), "[audio]\ntool = 5\n").unwrap();
        assert_eq!(card(), None);
    }
}
