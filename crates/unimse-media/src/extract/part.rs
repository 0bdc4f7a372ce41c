//! Utterances that take a part of a clip each, such as a film that a table cuts up: what to describe and where that goes. Which layout says so, whoever
//! makes the list knows; here it is plain values.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Mutex, PoisonError},
};

use unimse_run::artefact;

use super::{clips::Found, hash};
use crate::{Fault, MediaError, Span};

/// Folder of the features of utterances, within that of a modality.
const FOLDER: &str = "utterances";
/// Bytes of a file's name that are an utterance's id at most; a file system takes 255.
const LONGEST: usize = 200;

/// An utterance that is a part of a clip, or all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Who asks for it, as records and messages say it: `calls/utterances.csv, line 3`.
    pub row: String,
    /// Its id, once in its corpus. It decides where the features go: [`Part::target`].
    pub utterance: String,
    /// The folder of its corpus, below that of the data.
    pub corpus: String,
    /// The clip, below the folder of the data, with `/`.
    pub clip: String,
    /// The part of the clip.
    pub span: Span,
    /// What is wrong with it before the clip is opened; it is recorded, and nothing is extracted.
    pub fault: Option<Fault>,
}

/// What of a data folder is described in parts; by default nothing, and every clip is described as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// One an utterance.
    pub list: Vec<Part>,
    /// Clips that are not described as a whole besides, named as in [`Part::clip`].
    pub cut: BTreeSet<String>,
    /// Files that the list was read from, below the data folder: they are part of the output, and must be there as they are here.
    pub sources: BTreeSet<String>,
}

impl Part {
    /// Where features go, below the folder of the data or of the output: `<corpus>/<modality>/utterances/<utterance>.npy`. What could not stand in the
    /// name of a file is spelt as `%` and two hexadecimal digits a byte; a name that would be too long ends with its SHA-256.
    ///
    /// ```
    /// use unimse_media::extract::Part;
    ///
    /// assert_eq!(Part::target("calls", "audio", "film_3"), "calls/audio/utterances/film_3.npy");
    /// assert_eq!(Part::target("calls", "audio", "../a b"), "calls/audio/utterances/%2E.%2Fa%20b.npy");
    /// ```
    #[must_use]
    pub fn target(corpus: &str, modality: &str, utterance: &str) -> String {
        let mut name = String::with_capacity(utterance.len());
        for (at, byte) in utterance.bytes().enumerate() {
            match byte {
                b'.' if at > 0 => name.push('.'),
                _ if byte.is_ascii_alphanumeric() || b"_-$@+=,".contains(&byte) => {
                    name.push(char::from(byte));
                }
                _ => name += &format!("%{byte:02X}"),
            }
        }
        if name.len() > LONGEST {
            let hash = artefact::sha256_of(utterance.as_bytes());
            name = format!("{}-{hash}", &name[..LONGEST - hash.len() - 1]);
        }
        format!("{corpus}/{modality}/{FOLDER}/{name}.npy")
    }
}

/// Seconds by which a part may end behind its clip: times that people and recognisers write are rounded.
const SLACK_S: f64 = 0.5;
/// Seconds that a part lasts of which no sample is there because it is short, not because the clip is.
const INSTANT_S: f64 = 1e-3;

/// What is said of a part of which so many seconds are there: nothing, where they are enough.
pub(super) fn lacking(span: Span, found_s: f64) -> Option<Fault> {
    let wanted_s = span.to_s.map(|to_s| to_s - span.from_s);
    let is_short = match wanted_s {
        _ if found_s == 0.0 => span.from_s > 0.0 && wanted_s.is_none_or(|s| s > INSTANT_S),
        Some(wanted_s) => found_s + SLACK_S < wanted_s,
        None => false,
    };
    is_short.then_some(Fault::PastEnd {
        wanted: span,
        found_s,
    })
}

/// SHA-256 of what clips hold, which is not read again for every utterance of a film.
#[derive(Debug, Default)]
pub(super) struct Hashes(Mutex<HashMap<String, String>>);

impl Hashes {
    /// That of a clip. Threads that come to a film at the same time each read it.
    pub(super) fn of(&self, clip: &Found) -> Result<String, MediaError> {
        if clip.asked.is_none() || clip.fault.is_some() {
            return hash(clip);
        }
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = known().get(&clip.name) {
            return Ok(hash.clone());
        }
        let hash = hash(clip)?;
        known().insert(clip.name.clone(), hash.clone());
        Ok(hash)
    }
}

/// Refuses an output that holds another table than the one whose rows are extracted: features and rows would not belong together.
pub(super) fn check_sources(data: &Path, out: &Path, parts: &Parts) -> Result<(), MediaError> {
    for name in &parts.sources {
        let (source, target) = (data.join(name), out.join(name));
        if target.exists() && artefact::sha256(&source)? != artefact::sha256(&target)? {
            return Err(MediaError::Folder {
                path: target,
                message: format!(
                    "expected the content of {}, whose utterances are extracted, found another; remove the one that is out of date",
                    source.display()
                ),
            });
        }
    }
    Ok(())
}

/// The parts as what is worked on, by clip and time; features that would lie where those of `targets` do are told.
pub(super) fn found(
    data: &Path,
    parts: &Parts,
    targets: &mut BTreeMap<String, String>,
) -> Vec<Found> {
    let mut list: Vec<&Part> = parts.list.iter().collect();
    list.sort_by(|a, b| {
        let times = a.span.from_s.total_cmp(&b.span.from_s);
        a.clip.cmp(&b.clip).then(times)
    });
    let found = |part: &Part| {
        let target = |modality| Part::target(&part.corpus, modality, &part.utterance);
        let found = Found {
            path: data.join(&part.clip),
            name: part.clip.clone(),
            corpus: part.corpus.clone(),
            target: target(super::clips::AUDIO),
            video: target(super::clips::VIDEO),
            span: part.span,
            asked: Some((part.row.clone(), part.utterance.clone())),
            fault: part.fault.clone(),
        };
        match found.fault {
            Some(_) => found,
            None => found.claim(targets),
        }
    };
    list.into_iter().map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_the_name_of_a_file_of_its_own() {
        let long = [
            "a".repeat(300),
            "a".repeat(301),
            "é".repeat(150),
            "/".repeat(80),
        ];
        let short = [
            "", ".", "..", "a/b", "a%2Fb", "a\0b", "a b", "é", "-x", "a.b", "A",
        ];
        let ids = short.into_iter().chain(long.iter().map(String::as_str));
        let mut names = BTreeSet::new();
        for id in ids {
            let target = Part::target("c", "audio", id);
            let name = target
                .strip_prefix("c/audio/utterances/")
                .unwrap_or_default();
            assert!(!name.contains(['/', '\0', ' ']), "{name}");
            assert!(id.is_empty() || !name.starts_with('.'), "{name}");
            assert!(name.len() <= LONGEST + ".npy".len(), "{name}");
            assert!(names.insert(target), "{id}");
        }
    }

    #[test]
    fn what_a_clip_lacks_of_a_part_is_told_beyond_half_a_second() {
        let span = |from_s, to_s| Span { from_s, to_s };
        for (span, found_s, told) in [
            (span(0.0, None), 0.0, false), // the clip itself has no sample
            (span(2.0, None), 0.0, true),  // begins behind the end
            (span(2.0, Some(2.000_01)), 0.0, false), // shorter than a sample
            (span(2.0, Some(3.0)), 1.0 - SLACK_S, false),
            (span(2.0, Some(3.0)), 0.9 - SLACK_S, true),
            (span(0.0, Some(1e6)), 10.0, true),
        ] {
            assert_eq!(lacking(span, found_s).is_some(), told, "{span:?} {found_s}");
        }
    }
}
