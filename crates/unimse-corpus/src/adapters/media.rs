//! Features with one file an utterance: `.npy` arrays, and wave files, whose log-mel features are computed.
//!
//! A `.npy` file's modality is a word of its path (`audio`; `video`, `visual`, `vision`), a wave file's is audio; the split is a word of
//! its path (`train_splits`, `dev_splits_complete`, `test` ...), where ids do not tell it. Wave files are used where nothing else gives audio.

use super::dicts::modality_of;
use crate::{
    Code, CorpusError, Split, Utterance,
    draft::{Draft, Modality},
    feature::Feature,
    finding::Findings,
    folder::Folder,
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};
use unimse_formats::FormatError;

/// How a data set names such files.
pub(super) struct Naming {
    /// Key of a file by the name of its folder and its own without the ending; `None` for a file that belongs to no utterance.
    pub(super) key_of: fn(&str, &str) -> Option<String>,
    /// Key of an utterance.
    pub(super) key: fn(&Utterance) -> String,
    /// Whether keys repeat from split to split, so that the path must name the split.
    pub(super) by_split: bool,
    /// Utterances whose media are broken in the release itself.
    pub(super) known_bad: &'static [&'static str],
}

impl Naming {
    /// Key of a file.
    pub(super) fn key_of_path(&self, path: &Path) -> Option<String> {
        let word = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let above = path.parent().and_then(Path::file_name);
        (self.key_of)(&word(above), &word(path.file_stem()))
    }

    fn is_broken(&self, utterance: &Utterance) -> bool {
        (self.known_bad).contains(&utterance.utterance_id.as_str())
    }
}

/// What is said of media that are broken in the release itself.
const BROKEN: &str = "broken in the release: absent here";

type Files = HashMap<(Option<Split>, String), PathBuf>;

/// Gives every utterance that lacks a modality the features of its file.
pub(super) fn join(folder: &Folder, draft: &mut Draft, naming: &Naming, findings: &mut Findings) {
    for (modality, ending) in [
        (Modality::Audio, "npy"),
        (Modality::Video, "npy"),
        (Modality::Audio, "wav"),
    ] {
        if draft.dim(modality).is_some() {
            continue;
        }
        let files = collect(folder, modality, ending, naming, findings);
        if !files.is_empty() {
            assign(folder, draft, modality, files, naming, findings);
        }
    }
}

fn collect(
    folder: &Folder,
    modality: Modality,
    ending: &str,
    naming: &Naming,
    findings: &mut Findings,
) -> Files {
    let mut files = Files::new();
    for path in folder.with_extension(&[ending]) {
        let name = folder.relative(path);
        let Some(key) = naming.key_of_path(path) else {
            continue;
        };
        if ending == "npy" && modality_of(&name) != Some(modality) {
            if modality_of(&name).is_none() && modality == Modality::Audio {
                let message =
                    "expected audio, video, visual or vision in the path, found none: left out";
                findings.warn(Code::UnusedFile, &name, None, message);
            }
            continue;
        }
        let split = split_of(path.strip_prefix(folder.root()).unwrap_or(path));
        if naming.by_split && split.is_none() {
            let message = "expected train, dev or test in the path, found none: left out";
            findings.warn(Code::UnusedFile, &name, None, message);
            continue;
        }
        let split = split.filter(|_| naming.by_split);
        if let Some(other) = files.insert((split, key), path.to_owned()) {
            let message = format!(
                "expected one {} file an utterance, found {} too",
                modality.name(),
                folder.relative(&other)
            );
            findings.add(Code::AmbiguousFeatures, &name, None, message);
        }
    }
    files
}

/// The split that some folder or file of the path names.
fn split_of(path: &Path) -> Option<Split> {
    let parts = path
        .iter()
        .map(|part| part.to_string_lossy().to_lowercase());
    parts.into_iter().find_map(|part| {
        part.split(|c: char| !c.is_ascii_alphabetic())
            .find_map(|word| word.parse().ok())
    })
}

/// Gives every utterance the features of its file.
fn assign(
    folder: &Folder,
    draft: &mut Draft,
    modality: Modality,
    mut files: Files,
    naming: &Naming,
    findings: &mut Findings,
) {
    let mut sources = Vec::new();
    for row in &mut draft.rows {
        let u = &row.utterance;
        let key = (naming.by_split.then_some(u.split), (naming.key)(u));
        let Some(path) = files.remove(&key) else {
            let id = Some(u.utterance_id.clone());
            if naming.is_broken(u) {
                findings.add(Code::KnownBadMedia, &folder.name, id, BROKEN);
            } else {
                let message = format!("no {} file for this utterance", modality.name());
                findings.info(Code::UnmatchedId, &folder.name, id, message);
            }
            continue;
        };
        let name = folder.relative(&path);
        let Some(feature) = open(&path, &name, u, naming, findings) else {
            continue;
        };
        sources.push((path, name.clone()));
        if feature.steps == 0 {
            let message = format!("no sample: {} is absent", modality.name());
            findings.add(Code::EmptyMedia, &name, None, message);
            continue;
        }
        *row.slot(modality) = Some(feature);
    }
    for (path, name) in sources {
        draft.add_source(&path, &name);
    }
    let mut left: Vec<_> = files.into_values().collect();
    left.sort();
    for path in left {
        let message = "no such utterance: left out";
        findings.info(Code::UnmatchedId, &folder.relative(&path), None, message);
    }
}

/// The features of an utterance's file; a broken one is reported.
fn open(
    path: &Path,
    name: &str,
    u: &Utterance,
    naming: &Naming,
    findings: &mut Findings,
) -> Option<Feature> {
    let is_wave = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("wav"));
    let feature = match is_wave {
        true => Feature::wave(path),
        false => Feature::npy(path),
    };
    match feature {
        Ok(feature) => return Some(feature),
        Err(_) if naming.is_broken(u) => {
            let id = Some(u.utterance_id.clone());
            findings.add(Code::KnownBadMedia, name, id, BROKEN);
        }
        Err(error) => findings.add(Code::Unreadable, name, None, detail(&error)),
    }
    None
}

/// The message of an error, without the path that the finding names already.
pub(super) fn detail(error: &CorpusError) -> String {
    match error {
        CorpusError::Format(error) => FormatError::detail(error),
        CorpusError::Media(error) => error.detail(),
        CorpusError::Table { message, .. } => message.clone(),
        CorpusError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_in_paths() {
        let check = |path: &str, split| assert_eq!(split_of(Path::new(path)), split, "{path}");
        check("train_splits/dia0_utt0.wav", Some(Split::Train));
        check("dev_splits_complete/dia0_utt0.wav", Some(Split::Dev));
        check(
            "output_repeated_splits_test/dia0_utt0.wav",
            Some(Split::Test),
        );
        check("audio/valid/0_1.npy", Some(Split::Dev));
        check("attestation/dia0_utt0.wav", None);
    }
}
