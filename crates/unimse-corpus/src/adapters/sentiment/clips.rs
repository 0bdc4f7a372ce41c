//! Clips of MOSI and MOSEI: cut ones are told by their names, and whole videos are cut by the times of the SDK's label file.

use super::super::{
    media::Naming,
    segments::{Sequences, is_sequence},
};
use super::labels::{label_table, read_labels};
use crate::{CorpusKind, Utterance, draft::Draft, finding::Findings, folder::Folder};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use unimse_media::{
    Fault, Span,
    extract::{ENDINGS, Part, Parts},
};

/// Files `<video>_<clip>` as the release has them, or `<video>/<clip>` as MMSA does.
pub(super) const NAMING: Naming = Naming {
    key_of,
    key: |u| u.utterance_id.clone(),
    by_split: false,
    known_bad: &[],
};

/// The id of an utterance, whose clip is a number; the name of a whole video has none.
fn key_of(folder: &str, stem: &str) -> Option<String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if is_number(stem) {
        return Some(format!("{folder}_{stem}"));
    }
    let key = stem.replace("$_$", "_");
    let (video, clip) = key.rsplit_once('_')?;
    (!video.is_empty() && is_number(clip)).then_some(key)
}

/// Endings of clips that hold no pictures: of two files of a video the other one is cut.
const SOUND: [&str; 8] = ["wav", "flac", "mp3", "ogg", "oga", "m4a", "aac", "opus"];
/// Seconds of a video that a label file may name: eleven days are no video.
const MOST_SECONDS: f64 = 1e6;

/// Adds the utterances that lie in whole videos and have no clip of their own. Where labels or label file cannot be read there are none: ingest tells why.
pub(in crate::adapters) fn parts(kind: CorpusKind, folder: &Folder, parts: &mut Parts) {
    let clips = Clips::of(folder);
    let mut untold = Findings::default();
    if clips.whole.is_empty() {
        return;
    }
    let sequences: Vec<PathBuf> = (folder.files.iter())
        .filter(|path| is_sequence(path))
        .cloned()
        .collect();
    let sequences = Sequences::open(folder, &sequences, &mut untold).of_labels();
    let Some(file) = sequences.label_file() else {
        return;
    };
    let tables = folder.tables(&mut untold).unwrap_or_default();
    let Some(table) = label_table(tables, folder, &mut untold) else {
        return;
    };
    let mut draft = Draft::new(kind, &folder.name);
    read_labels(kind, &table, &mut draft, &mut untold);
    if sequences.join(&mut draft, &mut untold).is_err() {
        return;
    }
    for row in &draft.rows {
        let u = &row.utterance;
        let Some(names) = clips.whole.get(&u.dialogue_id) else {
            continue;
        };
        parts.cut.extend(names.iter().cloned());
        if let (false, Some(clip)) = (clips.cut.contains(&u.utterance_id), names.first()) {
            parts.list.push(part(u, clip, file, &folder.name));
        }
    }
    let sources = [table.file.clone(), file.to_owned()];
    parts.sources.extend(sources);
}

fn part(u: &Utterance, clip: &str, file: &str, corpus: &str) -> Part {
    let span = |start: f64, end: Option<f64>| Span {
        from_s: start,
        to_s: end,
    };
    let wrong = |found: String| Fault::Row {
        column: "intervals".to_owned(),
        expected: "the segment of this utterance, in seconds from 0 to 1000000".to_owned(),
        found,
    };
    let (span, fault) = match (u.start_s, u.end_s) {
        (Some(start), end) if (0.0..=MOST_SECONDS).contains(&start) => (span(start, end), None),
        (Some(start), _) => (Span::default(), Some(wrong(format!("a start at {start}")))),
        (None, _) => (
            Span::default(),
            Some(wrong("none that is certain".to_owned())),
        ),
    };
    Part {
        row: format!("{file}, utterance {}", u.utterance_id),
        utterance: u.utterance_id.clone(),
        corpus: corpus.to_owned(),
        clip: clip.to_owned(),
        span,
        fault,
    }
}

/// The clips of a folder.
struct Clips {
    /// Names of whole videos by their id, those with pictures first.
    whole: BTreeMap<String, Vec<String>>,
    /// Ids of utterances that have a clip of their own.
    cut: BTreeSet<String>,
}

impl Clips {
    fn of(folder: &Folder) -> Self {
        let (mut whole, mut cut) = (BTreeMap::<String, Vec<String>>::new(), BTreeSet::new());
        for path in folder.with_extension(&ENDINGS) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            match NAMING.key_of_path(path) {
                Some(key) => drop(cut.insert(key)),
                None => {
                    let names = whole.entry(stem.into_owned()).or_default();
                    names.push(folder.relative(path));
                }
            }
        }
        for names in whole.values_mut() {
            names.sort_by_cached_key(|name| (is_sound(name), name.clone()));
        }
        Self { whole, cut }
    }
}

fn is_sound(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    SOUND.contains(&ending.to_string_lossy().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_by_their_names() {
        for (folder, stem, expected) in [
            ("Segmented", "03bSnISJMiM_11", Some("03bSnISJMiM_11")),
            ("utterances", "-3g5yACwYnA_10", Some("-3g5yACwYnA_10")),
            ("03bSnISJMiM", "11", Some("03bSnISJMiM_11")),
            ("audio", "03bSnISJMiM$_$11", Some("03bSnISJMiM_11")),
            ("Full", "03bSnISJMiM", None),
            ("Full", "_dI--eQ6qVU", None),
            ("Full", "_12", None),
            ("x", "", None),
        ] {
            assert_eq!(key_of(folder, stem).as_deref(), expected, "{folder}/{stem}");
        }
    }
}
