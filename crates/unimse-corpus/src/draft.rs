//! A corpus as an adapter leaves it: labels read, features still in their files.

use crate::{
    Code, CorpusKind, Finding, SourceFile, Utterance, feature::Feature, finding::Findings,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use unimse_formats::open_file;
use unimse_labels::{CustomTaxonomy, Split};
use unimse_run::{FeatureCards, artefact};

/// An utterance without its features, and where they are.
#[derive(Debug)]
pub(crate) struct Row {
    /// `audio` and `video` are `None` until loaded.
    pub(crate) utterance: Utterance,
    pub(crate) audio: Option<Feature>,
    pub(crate) video: Option<Feature>,
    /// File and row of its labels.
    origin: (String, String),
}

/// What an adapter made of a folder.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) kind: CorpusKind,
    /// Name of its folder.
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    /// The user's own emotions, where the rows have such.
    pub(crate) taxonomy: Option<CustomTaxonomy>,
    /// How the features were made, as far as somebody says.
    pub(crate) cards: FeatureCards,
    /// Files used: name in messages and tables, and path on disk.
    sources: BTreeMap<String, PathBuf>,
    source_names: HashMap<PathBuf, String>,
}

/// The two feature modalities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Modality {
    Audio,
    Video,
}

impl Modality {
    pub(crate) const ALL: [Self; 2] = [Self::Audio, Self::Video];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

impl Row {
    pub(crate) fn feature(&self, modality: Modality) -> Option<&Feature> {
        match modality {
            Modality::Audio => self.audio.as_ref(),
            Modality::Video => self.video.as_ref(),
        }
    }

    pub(crate) fn slot(&mut self, modality: Modality) -> &mut Option<Feature> {
        match modality {
            Modality::Audio => &mut self.audio,
            Modality::Video => &mut self.video,
        }
    }
}

impl Draft {
    pub(crate) fn new(kind: CorpusKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            rows: Vec::new(),
            taxonomy: None,
            cards: FeatureCards::default(),
            sources: BTreeMap::new(),
            source_names: HashMap::new(),
        }
    }

    /// Adds an utterance whose labels stand in this line of this file.
    pub(crate) fn push(&mut self, utterance: Utterance, file: &str, line: u64) {
        self.push_row(utterance, file, format!("line {line}"));
    }

    /// Adds an utterance whose labels stand in this row (`line 17`, `row 17`) of this file.
    pub(crate) fn push_row(&mut self, utterance: Utterance, file: &str, row: String) {
        self.rows.push(Row {
            utterance,
            audio: None,
            video: None,
            origin: (file.to_owned(), row),
        });
    }

    /// A file that was read; another file of the same name gets a number behind it.
    pub(crate) fn add_source(&mut self, path: &Path, name: &str) {
        let names = (2..).map(|n| format!("{name} ({n})"));
        for name in std::iter::once(name.to_owned()).chain(names) {
            match self.sources.get(&name) {
                Some(known) if known != path => {}
                Some(_) => return,
                None => {
                    self.source_names.insert(path.to_owned(), name.clone());
                    self.sources.insert(name, path.to_owned());
                    return;
                }
            }
        }
    }

    /// Name of a file that was read, as messages and tables give it.
    pub(crate) fn name_of(&self, path: &Path) -> Option<&str> {
        self.source_names.get(path).map(String::as_str)
    }

    /// Features a step of a modality; `None` when no utterance has it.
    pub(crate) fn dim(&self, modality: Modality) -> Option<usize> {
        self.rows
            .iter()
            .find_map(|row| row.feature(modality))
            .map(|feature| feature.dim)
    }

    /// Sorts, checks what every corpus must satisfy, and compares with the published counts.
    pub(crate) fn finish(&mut self, synthetic: bool, findings: &mut Findings) {
        self.rows.sort_by(|a, b| {
            let (a, b) = (&a.utterance, &b.utterance);
            (a.split, &a.dialogue_id, a.turn, &a.utterance_id).cmp(&(
                b.split,
                &b.dialogue_id,
                b.turn,
                &b.utterance_id,
            ))
        });
        let mut seen: HashMap<&str, &Row> = HashMap::new();
        for row in &self.rows {
            let (id, (file, place)) = (&row.utterance.utterance_id, &row.origin);
            let place = || Some(place.clone());
            if let Some(other) = seen.insert(id, row) {
                let (other_file, other_row) = &other.origin;
                let message = format!(
                    "utterance {id}: expected once, found in {other_file}, {other_row} too"
                );
                findings.error(Code::DuplicateId, file, place(), message);
            }
            if row.utterance.text.trim().is_empty() {
                findings.add(Code::EmptyText, file, place(), "utterance without text");
            }
        }
        self.check_dialogues(findings);
        for modality in Modality::ALL {
            self.check_modality(modality, findings);
        }
        if !synthetic && !self.rows.is_empty() {
            self.check_counts(findings);
        }
    }

    fn check_dialogues(&self, findings: &mut Findings) {
        let mut splits: BTreeMap<&str, Split> = BTreeMap::new();
        let mut reported = "";
        for row in &self.rows {
            let u = &row.utterance;
            if *splits.entry(&u.dialogue_id).or_insert(u.split) != u.split
                && reported != u.dialogue_id
            {
                reported = &u.dialogue_id;
                let message = "video or dialogue in more than one split";
                findings.add(
                    Code::SplitOverlap,
                    &self.name,
                    Some(reported.to_owned()),
                    message,
                );
            }
        }
    }

    fn check_modality(&self, modality: Modality, findings: &mut Findings) {
        let (name, word) = (&self.name, modality.name());
        let Some(dim) = self.dim(modality) else {
            if !self.rows.is_empty() {
                findings.add(
                    Code::NoModality,
                    name,
                    None,
                    format!("no utterance has {word}"),
                );
            }
            return;
        };
        for row in &self.rows {
            if let Some(feature) = row
                .feature(modality)
                .filter(|feature| feature.dim != dim || dim == 0)
            {
                let message = format!(
                    "{word}: expected {} features a step, found {}",
                    dim.max(1),
                    feature.dim
                );
                findings.add(
                    Code::Dimension,
                    name,
                    Some(row.utterance.utterance_id.clone()),
                    message,
                );
            }
        }
        for split in Split::ALL {
            let of_split = || self.rows.iter().filter(|row| row.utterance.split == split);
            let missing = of_split()
                .filter(|row| row.feature(modality).is_none())
                .count();
            if missing > 0 {
                let message = format!(
                    "{word} is absent in {missing} of {} {split} utterances",
                    of_split().count()
                );
                findings.add(Code::MissingModality, name, None, message);
            }
        }
    }

    fn check_counts(&self, findings: &mut Findings) {
        let found = Split::ALL.map(|split| {
            self.rows
                .iter()
                .filter(|row| row.utterance.split == split)
                .count()
        });
        if let Some(expected) = self
            .kind
            .published_counts()
            .filter(|&expected| expected != found)
        {
            let line = |counts: [usize; 3]| counts.map(|n| n.to_string()).join("/");
            let message = format!(
                "expected the published {} train/dev/test utterances, found {}",
                line(expected),
                line(found)
            );
            findings.add(Code::Counts, &self.name, None, message);
        }
    }

    /// SHA-256 of every source.
    pub(crate) fn hash_sources(&self) -> Result<Vec<SourceFile>, crate::CorpusError> {
        (self.sources.iter())
            .map(|(name, path)| {
                Ok(SourceFile {
                    path: name.clone(),
                    sha256: sha256(path)?,
                })
            })
            .collect()
    }
}

/// SHA-256 of a file, hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, crate::CorpusError> {
    let mut file = open_file(path)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(crate::CorpusError::io(path))?;
    Ok(artefact::hex(&hash.finalize()))
}

/// Turns the first error among findings into the error ingest reports.
pub(crate) fn refuse(data: &Path, findings: &Findings) -> Result<(), crate::CorpusError> {
    match findings.first_error() {
        Some(finding) => Err(crate::CorpusError::Invalid {
            data: data.to_owned(),
            finding: Box::new(Finding {
                rows: finding.rows.iter().take(1).cloned().collect(),
                ..finding.clone()
            }),
        }),
        None => Ok(()),
    }
}
