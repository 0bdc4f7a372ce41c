//! IEMOCAP: the release tree or a table CSV, feature files keyed by utterance id, the release's wave files.

mod table;
mod tree;

use super::{
    dicts, manifest,
    media::{self, Naming},
};
use crate::{
    Code, CorpusError, CorpusKind, Split, Utterance,
    draft::Draft,
    finding::Findings,
    folder::{Folder, at, in_words},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};
use unimse_labels::IemocapEmotion;

/// Emotion codes of the release; the last five are outside the six-way metric.
const CODES: [&str; 11] = [
    "hap", "sad", "neu", "ang", "exc", "fru", "sur", "fea", "dis", "oth", "xxx",
];

/// What is known of an utterance before it has a split.
struct Annotation {
    id: String,
    dialogue: String,
    text: Option<String>,
    interval: Option<[f64; 2]>,
    /// Release code.
    code: &'static str,
    /// As the source writes it.
    raw: String,
    vad: Option<[f32; 3]>,
    /// Where it stands.
    file: String,
    line: u64,
}

pub(super) fn read(
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = Draft::new(CorpusKind::Iemocap, &folder.name);
    let mut annotations = tree::read(folder, &mut draft, findings)?;
    let table = table::find(folder, !annotations.is_empty(), findings)?;
    if annotations.is_empty()
        && let Some(table) = &table
    {
        draft.add_source(&table.path, &table.file);
        annotations = table::read(table, findings);
    }
    if annotations.is_empty() && table.is_none() {
        let message = format!(
            "expected utterances in Session1..5/dialog/EmoEvaluation/*.txt, or a CSV with columns {}, found neither",
            in_words(&table::COLUMNS)
        );
        findings.add(Code::NoLabels, &folder.name, None, message);
    }
    if annotations.is_empty() {
        return Ok(draft);
    }
    let splits = Splits::choose(folder, &annotations, &mut draft, findings)?;
    add_rows(annotations, &splits, &folder.name, &mut draft, findings);
    dicts::join(
        folder,
        features,
        &mut draft,
        |u| u.utterance_id.clone(),
        findings,
    );
    if features.is_empty() {
        media::join(folder, &mut draft, &NAMING, findings);
    }
    Ok(draft)
}

/// `sentences/wav/<dialogue>/<utterance>.wav`, or `.npy` files of that name.
const NAMING: Naming = Naming {
    key_of: |_, stem| {
        // the release also holds whole dialogues (`Ses01F_impro01`), which are no utterances
        let (_, last) = stem.rsplit_once('_')?;
        last.starts_with(['F', 'M']).then(|| stem.to_owned())
    },
    key: |u| u.utterance_id.clone(),
    by_split: false,
    known_bad: &[],
};

/// Where the split comes from.
enum Splits {
    Own(HashMap<String, Split>),
    Published(HashMap<&'static str, Split>),
    BySession,
}

impl Splits {
    fn choose(
        folder: &Folder,
        annotations: &[Annotation],
        draft: &mut Draft,
        findings: &mut Findings,
    ) -> Result<Self, CorpusError> {
        if let Some(own) = manifest::own(folder, draft, findings)? {
            return Ok(Self::Own(own));
        }
        let published = manifest::iemocap();
        if annotations
            .iter()
            .any(|e| published.contains_key(e.id.as_str()))
        {
            return Ok(Self::Published(published));
        }
        let message = "no splits.csv and no published id: session 5 is test, the others are train, dev is empty";
        findings.add(Code::NoSplit, &folder.name, None, message);
        Ok(Self::BySession)
    }

    fn split_of(&self, annotation: &Annotation) -> Option<Split> {
        match self {
            Self::Own(splits) => splits.get(&annotation.id).copied(),
            Self::Published(splits) => splits.get(annotation.id.as_str()).copied(),
            Self::BySession if annotation.id.starts_with("Ses05") => Some(Split::Test),
            Self::BySession => Some(Split::Train),
        }
    }
}

/// Turns count the utterances of a dialogue in order, those outside the split included.
fn add_rows(
    annotations: Vec<Annotation>,
    splits: &Splits,
    name: &str,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut turns: BTreeMap<String, i32> = BTreeMap::new();
    for a in annotations {
        let next = turns.entry(a.dialogue.clone()).or_default();
        let turn = *next;
        *next = next.saturating_add(1);
        let row = || Some(a.id.clone());
        let Some(split) = splits.split_of(&a) else {
            let message = "not in the split manifest: left out";
            findings.add(Code::NotInSplit, name, row(), message);
            continue;
        };
        let Some(text) = a.text else {
            let message = "expected a line in dialog/transcriptions, found none: left out";
            findings.add(Code::NoText, name, row(), message);
            continue;
        };
        let emotion = IemocapEmotion::from_release_code(a.code);
        let utterance = Utterance {
            corpus: draft.name.clone(),
            split,
            speaker: speaker(&a.id),
            utterance_id: a.id,
            dialogue_id: a.dialogue,
            turn,
            text,
            start_s: a.interval.map(|[start, _]| start),
            end_s: a.interval.map(|[_, end]| end),
            score: None,
            polarity: emotion.map(IemocapEmotion::polarity),
            emotion: emotion.map(|emotion| emotion.name().to_owned()),
            emotion_raw: Some(a.raw),
            audio: None,
            video: None,
            vad: a.vad,
            intensities: None,
        };
        draft.push(utterance, &a.file, a.line);
    }
}

/// Session and gender, which name one of the ten actors: `Ses01F` for `Ses01M_impro01_F000`.
fn speaker(id: &str) -> Option<String> {
    let gender = id.rsplit_once('_')?.1.chars().next()?;
    Some(format!("{}{gender}", id.get(..5)?))
}

/// The dialogue of an utterance id.
fn dialogue_of(id: &str) -> &str {
    id.rsplit_once('_').map_or(id, |(dialogue, _)| dialogue)
}

/// `[2.5, 2.5, 2.5]`: valence, activation, dominance.
fn vad(cell: Option<&str>, file: &str, line: u64, findings: &mut Findings) -> Option<[f32; 3]> {
    let cell = cell.map(str::trim).filter(|cell| !cell.is_empty())?;
    let numbers: Result<Vec<f32>, _> = (cell.trim_matches(['[', ']', '(', ')']))
        .split([',', ';', ' '])
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect();
    let numbers = numbers
        .ok()
        .and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    match numbers.filter(|numbers| numbers.iter().all(|x| x.is_finite())) {
        Some(numbers) => {
            if numbers.iter().any(|x| !(1.0..=5.0).contains(x)) {
                let message = format!("valence, activation, dominance outside [1, 5]: {cell}");
                findings.add(Code::VadRange, file, at(line), message);
            }
            Some(numbers)
        }
        None => {
            let message =
                format!("expected [valence, activation, dominance], found {cell:?}: null");
            findings.add(Code::VadFormat, file, at(line), message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_and_speakers() {
        assert_eq!(speaker("Ses01M_impro01_F000").as_deref(), Some("Ses01F"));
        let mut findings = Findings::default();
        assert_eq!(
            vad(Some("(2.5, 3, 1)"), "f", 1, &mut findings),
            Some([2.5, 3.0, 1.0])
        );
        assert_eq!(vad(Some(""), "f", 1, &mut findings), None);
        assert_eq!(findings.warnings().count(), 0);
        assert_eq!(vad(Some("[2.5, nan, 1]"), "f", 1, &mut findings), None);
        assert_eq!(findings.warnings().count(), 1);
    }
}
