//! The clips below a folder, and the tables beside them, by their endings; what the files hold is not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use unimse_run::FileError;

use super::part::{self, Parts};
use crate::{Fault, MediaError, Span};

/// Endings of clips, in lower case. What no decoder here reads is among them: it is told of, not passed over.
pub const ENDINGS: [&str; 16] = [
    "wav", "flac", "mp3", "ogg", "oga", "m4a", "mp4", "m4v", "mov", "aac", "opus", "webm", "mkv",
    "avi", "wmv", "3gp",
];
/// Endings of tables and transcripts, which extraction leaves as they are.
const OTHERS: [&str; 5] = ["csv", "jsonl", "parquet", "toml", "txt"];
/// Folders deeper than this are not searched: a link in circles ends there.
const DEPTH: usize = 8;
/// Folders of the features, within that of a corpus.
pub(super) const AUDIO: &str = "audio";
pub(super) const VIDEO: &str = "video";
/// The mark of generated data.
const SYNTHETIC: &str = "SYNTHETIC";

/// One clip, or the part of it that an utterance takes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Name below the folder, with `/`.
    pub(super) name: String,
    /// Folder of its corpus, `""` for the folder itself.
    pub(super) corpus: String,
    /// Where the features of its sound go, below the output, with `/`.
    pub(super) target: String,
    /// Where those of its pictures go.
    pub(super) video: String,
    pub(super) span: Span,
    /// Row and id of the utterance that takes this part; `None`: the clip is described as a whole.
    pub(super) asked: Option<(String, String)>,
    /// What is wrong with it before it is opened.
    pub(super) fault: Option<Fault>,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Clips {
    /// Whole clips sorted by name, then parts.
    pub(super) found: Vec<Found>,
    /// Names of tables and transcripts.
    pub(super) others: Vec<String>,
}

impl Clips {
    /// The folders below the one of features that are written to, that one (`""`) among them.
    pub(super) fn folders(&self) -> BTreeSet<&Path> {
        let targets = self
            .found
            .iter()
            .flat_map(|clip| [&clip.target, &clip.video]);
        let targets = targets.map(Path::new);
        let files = targets.chain(self.others.iter().map(Path::new));
        let corpora = self.corpora().into_iter().map(Path::new);
        let folders = files.filter_map(Path::parent).chain(corpora);
        folders.chain([Path::new("")]).collect()
    }

    /// The folders that hold features: a corpus each, or `""` for clips that lie in the folder itself.
    pub(super) fn corpora(&self) -> Vec<&str> {
        let corpora = self.found.iter().map(|clip| clip.corpus.as_str());
        let corpora: BTreeSet<&str> = corpora.collect();
        corpora.into_iter().collect()
    }
}

/// All clips, parts of clips and tables of `data`, but what lies in `out`.
pub(super) fn find(data: &Path, parts: &Parts, out: &Path) -> Result<Clips, MediaError> {
    let mut names = Vec::new();
    let out = fs::canonicalize(out).ok();
    let whole = fs::canonicalize(data).ok();
    let out = out.filter(|out| Some(out) != whole.as_ref());
    walk(data, "", DEPTH, out.as_deref(), &mut names)?;
    names.sort();
    let mut clips = Clips::default();
    let mut targets: BTreeMap<String, String> = BTreeMap::new();
    for name in names {
        let ending = Path::new(&name).extension();
        let ending = ending
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if parts.cut.contains(&name) {
            continue;
        }
        if ENDINGS.contains(&ending.as_str()) {
            let clip = Found {
                path: data.join(&name),
                corpus: split(&name).0.to_owned(),
                target: target(AUDIO, &name),
                video: target(VIDEO, &name),
                name,
                span: Span::default(),
                asked: None,
                fault: None,
            };
            clips.found.push(clip.claim(&mut targets));
        } else if name == SYNTHETIC || (OTHERS.contains(&ending.as_str()) && !super::is_ours(&name))
        {
            clips.others.push(name);
        }
    }
    clips.found.extend(part::found(data, parts, &mut targets));
    let known: BTreeSet<String> = clips.others.into_iter().collect();
    clips.others = known.union(&parts.sources).cloned().collect();
    Ok(clips)
}

impl Found {
    /// Takes the place of its features; what comes second to one has none.
    pub(super) fn claim(mut self, targets: &mut BTreeMap<String, String>) -> Self {
        match targets.get(&self.target) {
            Some(first) => {
                let first = first.clone();
                self.fault = Some(Fault::Twice { first });
            }
            None => {
                targets.insert(self.target.clone(), self.name.clone());
            }
        }
        self
    }
}

/// The corpus of a name, and the name within it.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("", name))
}

fn target(modality: &str, name: &str) -> String {
    let (corpus, inner) = split(name);
    let inner = inner.rsplit_once('.').map_or(inner, |(stem, _)| stem);
    match corpus {
        "" => format!("{modality}/{inner}.npy"),
        corpus => format!("{corpus}/{modality}/{inner}.npy"),
    }
}

/// Collects the names of files below `folder`; names that are no UTF-8 and those that begin with a dot are passed over.
fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    out: Option<&Path>,
    names: &mut Vec<String>,
) -> Result<(), MediaError> {
    let listing = || FileError::at(folder, "listing");
    for entry in fs::read_dir(folder).map_err(listing())? {
        let entry = entry.map_err(listing())?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        if !path.is_dir() {
            names.push(name);
            continue;
        }
        let is_out = out.is_some_and(|out| fs::canonicalize(&path).is_ok_and(|path| path == out));
        if depth > 0 && !is_out {
            walk(&path, &format!("{name}/"), depth - 1, out, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_lie_where_ingest_seeks_them() {
        for (name, expected) in [
            ("a.wav", "audio/a.npy"),
            (
                "meld/train_splits/dia0_utt0.mp4",
                "meld/audio/train_splits/dia0_utt0.npy",
            ),
            ("own/a.b.wav", "own/audio/a.b.npy"),
        ] {
            assert_eq!(target(AUDIO, name), expected);
            let video = expected.replacen(AUDIO, VIDEO, 1);
            assert_eq!(target(VIDEO, name), video);
        }
    }
}
