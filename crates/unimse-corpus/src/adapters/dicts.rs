//! Feature pickles of MELD and IEMOCAP: dicts from an utterance's key to an array `[steps, dim]` or `[dim]`.
//!
//! The modality is a word of the file's name (`audio`; `video`, `visual`, `vision`) or a top-level key. Below it the
//! dicts of the splits are keyed `train, dev, test`, or `0, 1, 2`, or are the three elements of a list or tuple; a
//! flat dict of ids that are unique over all splits is accepted too.

use super::PICKLES;
use crate::{
    Code, Split,
    draft::{Draft, Modality},
    feature::Feature,
    finding::Findings,
    folder::Folder,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_formats::{FormatError, Item, Pickle, PickleErrorKind};

/// Features by split (`None`: any) and key.
type Features = HashMap<(Option<Split>, String), Feature>;

/// Finds the feature files of a folder and gives every utterance its features. `key` names an utterance within its
/// split as the pickles do.
pub(super) fn join(
    folder: &Folder,
    chosen: &[PathBuf],
    draft: &mut Draft,
    key: impl Fn(&crate::Utterance) -> String,
    findings: &mut Findings,
) {
    let paths: Vec<PathBuf> = if chosen.is_empty() {
        folder.with_extension(&PICKLES).map(PathBuf::from).collect()
    } else {
        chosen.to_vec()
    };
    let mut owner: HashMap<Modality, String> = HashMap::new();
    for path in paths {
        let name = folder.relative(&path);
        for (modality, mut features) in open(&path, &name, !chosen.is_empty(), findings) {
            if let Some(other) = owner.insert(modality, name.clone()) {
                let message = format!(
                    "expected one {} file, found {other} and {name}; choose with --features {}=FILE",
                    modality.name(),
                    folder.name
                );
                findings.add(Code::AmbiguousFeatures, &folder.name, None, message);
                continue;
            }
            draft.add_source(&path, &name);
            for row in &mut draft.rows {
                let u = &row.utterance;
                let found = (features.remove(&(Some(u.split), key(u))))
                    .or_else(|| features.remove(&(None, u.utterance_id.clone())))
                    .or_else(|| features.remove(&(Some(u.split), u.utterance_id.clone())));
                if found.is_none() {
                    let message = format!("no {} for this utterance", modality.name());
                    findings.info(
                        Code::UnmatchedId,
                        &name,
                        Some(u.utterance_id.clone()),
                        message,
                    );
                }
                *row.slot(modality) = found.filter(|feature| feature.steps > 0);
            }
            if !features.is_empty() {
                let mut keys: Vec<_> = features.into_keys().map(|(_, key)| key).collect();
                keys.sort();
                for key in keys {
                    findings.info(
                        Code::UnmatchedId,
                        &name,
                        Some(format!("key {key}")),
                        "no such utterance: left out",
                    );
                }
            }
        }
    }
}

/// The modality that a name tells of.
pub(super) fn modality_of(word: &str) -> Option<Modality> {
    let word = word.to_lowercase();
    if word.contains("audio") {
        Some(Modality::Audio)
    } else if ["video", "visual", "vision"]
        .iter()
        .any(|name| word.contains(name))
    {
        Some(Modality::Video)
    } else {
        None
    }
}

fn open(
    path: &Path,
    name: &str,
    chosen: bool,
    findings: &mut Findings,
) -> Vec<(Modality, Features)> {
    let by_name = modality_of(&path.file_stem().unwrap_or_default().to_string_lossy());
    let pickle = match Pickle::open(path) {
        Ok(pickle) => Arc::new(pickle),
        Err(FormatError::Pickle {
            kind: kind @ PickleErrorKind::Global { .. },
            ..
        }) if by_name.is_none() && !chosen => {
            findings.warn(Code::UnusedFile, name, None, kind.to_string());
            return Vec::new();
        }
        Err(error) => {
            findings.add(Code::Unreadable, name, None, error.detail());
            return Vec::new();
        }
    };
    let parts: Vec<(Modality, Item<'_>)> = match by_name {
        Some(modality) => vec![(modality, pickle.root())],
        None => (pickle.root().entries().into_iter().flatten())
            .filter_map(|(key, part)| Some((modality_of(&key.as_str()?)?, part)))
            .collect(),
    };
    if parts.is_empty() {
        let message =
            "expected audio, video, visual or vision in the file's name or among its keys";
        if chosen {
            findings.add(Code::Layout, name, None, message);
        } else {
            findings.warn(Code::UnusedFile, name, None, message);
        }
    }
    (parts.into_iter())
        .map(|(modality, part)| (modality, read(&pickle, part, name, findings)))
        .collect()
}

fn read(pickle: &Arc<Pickle>, part: Item<'_>, name: &str, findings: &mut Findings) -> Features {
    let mut features = Features::new();
    let mut add = |split: Option<Split>, dict: Item<'_>| {
        let Some(entries) = dict.entries() else {
            let message = format!(
                "expected a dict from utterance to array, found a {}",
                dict.type_name()
            );
            findings.add(
                Code::Layout,
                name,
                split.map(|split| format!("key {split}")),
                message,
            );
            return;
        };
        for (key, value) in entries {
            let key = key.as_str().map_or_else(
                || format!("a {}", key.type_name()),
                |key| key.trim().to_owned(),
            );
            match value
                .as_array()
                .and_then(|array| Feature::whole(pickle, &array))
            {
                Some(feature) => drop(features.insert((split, key), feature)),
                None => {
                    let found = value.as_array().map_or_else(
                        || value.type_name().to_owned(),
                        |array| format!("shape {:?} of {}", array.shape(), array.dtype()),
                    );
                    let message = format!("expected an array [steps, dim] or [dim], found {found}");
                    findings.add(Code::Field, name, Some(format!("key {key}")), message);
                }
            }
        }
    };
    let in_order = part.items().filter(|items| items.len() == 3);
    if let Some(items) = in_order {
        Split::ALL
            .into_iter()
            .zip(items)
            .for_each(|(split, dict)| add(Some(split), dict));
        return features;
    }
    let by_split: Vec<(Split, Item<'_>)> = (part.entries().into_iter().flatten())
        .filter_map(|(key, dict)| Some((split_of(key)?, dict)))
        .collect();
    if by_split.is_empty() {
        add(None, part);
    } else {
        by_split
            .into_iter()
            .for_each(|(split, dict)| add(Some(split), dict));
    }
    features
}

/// `train`, `dev`, `test` by name or as 0, 1, 2.
fn split_of(key: Item<'_>) -> Option<Split> {
    if let Some(index) = key.as_i64() {
        return Split::ALL.get(usize::try_from(index).ok()?).copied();
    }
    let word = key.as_str()?;
    word.parse()
        .ok()
        .or_else(|| Split::ALL.get(word.parse::<usize>().ok()?).copied())
}
