//! In what the configurations of runs differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use unimse_run::{FileError, Setting, dotted};

use super::run::Run;
use crate::TrainError;

/// The keys of `config.toml` whose values differ between `runs`, in order. Files are read as they are: one of an older version may lack keys.
///
/// # Errors
/// A `config.toml` that cannot be read or is no TOML.
pub(super) fn differing(runs: &[Run]) -> Result<Vec<Setting>, TrainError> {
    let all: Vec<Values> = runs.iter().map(of_seeds).collect::<Result<_, _>>()?;
    let keys: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let settings = keys.into_iter().map(|key| Setting {
        key: key.clone(),
        values: all.iter().map(|values| values.get(key).cloned()).collect(),
    });
    let differs = |setting: &Setting| setting.values.iter().any(|v| *v != setting.values[0]);
    Ok(settings.filter(differs).collect())
}

/// Values as TOML writes them, by dotted key.
type Values = BTreeMap<String, String>;

fn of_seeds(run: &Run) -> Result<Values, TrainError> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seed in &run.seeds {
        for (key, value) in read(&seed.folder.config())? {
            let known = all.entry(key).or_default();
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }
    let joined = all.into_iter();
    Ok(joined.map(|(key, all)| (key, all.join(" | "))).collect())
}

fn read(path: &Path) -> Result<Values, TrainError> {
    let text = std::fs::read_to_string(path).map_err(FileError::at(path, "reading"))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e| {
        TrainError::artefact(path, format!("expected TOML, found: {}", e.message()))
    })?;
    Ok(dotted(&table))
}
