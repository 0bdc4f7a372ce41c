//! Labels, text and split: of a label CSV, or of a pickle that holds them all.

use super::super::{manifest, mmsa::FeatureFile};
use crate::{
    Code, CorpusKind, Polarity, Split, Utterance,
    draft::Draft,
    finding::Findings,
    folder::{Folder, Table, at, in_words},
};
use std::collections::HashMap;

/// Columns of the label CSV that every row needs.
pub(in crate::adapters) const COLUMNS: [&str; 5] =
    ["video_id", "clip_id", "text", "label|score_label", "mode"];
/// What the SDK's annotators rated in MOSEI, in the order of [`crate::INTENSITIES`]: names of the columns.
const INTENSITIES: [&[&str]; 6] = [
    &["happiness", "happy"],
    &["sadness", "sad"],
    &["anger", "angry"],
    &["surprise", "surprised"],
    &["disgust", "disgusted"],
    &["fear", "fearful"],
];

/// Labels, text and split of a pickle that holds them all, where no CSV does. MOSEI's split is the published one.
pub(super) fn label_from_pickle(
    kind: CorpusKind,
    file: &FeatureFile,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let message = "no label CSV: labels and text are those of the pickle";
    findings.add(Code::LabelsFromPickle, &file.name, None, message);
    let manifest = if kind == CorpusKind::Mosei {
        manifest::mosei()
    } else {
        HashMap::new()
    };
    for (number, entry) in (1..).zip(&file.entries) {
        let row = || Some(entry.id.clone());
        let published = manifest.get(&entry.id).copied();
        if published.is_none() && !manifest.is_empty() {
            findings.add(
                Code::NotInSplit,
                &file.name,
                row(),
                "not in the split manifest: left out",
            );
            continue;
        }
        let split = published.unwrap_or(entry.split);
        if split != entry.split {
            let message = format!(
                "the published split has it in {split}, the pickle in {}: the published one is used",
                entry.split
            );
            findings.add(Code::SplitManifest, &file.name, row(), message);
        }
        #[expect(clippy::cast_possible_truncation, reason = "scores have two decimals")]
        let score = entry
            .label
            .map(|label| label as f32)
            .filter(|score| (-3.0..=3.0).contains(score));
        let (Some(score), Some(text)) = (score, &entry.text) else {
            let message = format!(
                "expected a text and a score in [-3, 3], found {:?}",
                entry.label
            );
            findings.add(Code::LabelRange, &file.name, row(), message);
            continue;
        };
        let (video, clip) = entry.id.rsplit_once('_').unwrap_or((&entry.id, ""));
        let turn = clip.parse().unwrap_or(number);
        let utterance = utterance(kind, split, video, entry.id.clone(), turn, text, score);
        draft.push_row(utterance, &file.name, format!("utterance {number}"));
    }
}

/// An utterance of this score.
fn utterance(
    kind: CorpusKind,
    split: Split,
    video: &str,
    utterance_id: String,
    turn: i32,
    text: &str,
    score: f32,
) -> Utterance {
    Utterance {
        corpus: kind.name().unwrap_or_default().to_owned(),
        split,
        utterance_id,
        dialogue_id: video.to_owned(),
        turn,
        speaker: None,
        text: text.to_owned(),
        start_s: None,
        end_s: None,
        score: Some(score),
        polarity: Some(Polarity::from_score(score)),
        emotion: None,
        emotion_raw: None,
        audio: None,
        video: None,
        vad: None,
        intensities: None,
    }
}

/// The CSV whose columns are those of the label file.
pub(super) fn label_table(
    mut tables: Vec<Table>,
    folder: &Folder,
    findings: &mut Findings,
) -> Option<Table> {
    let best = tables
        .iter()
        .map(|table| table.matches(&COLUMNS))
        .max()
        .unwrap_or(0);
    if best < 2 && !(tables.len() == 1 && tables[0].rows.is_empty()) {
        let found: Vec<_> = tables
            .iter()
            .map(|t| format!("{} with {}", t.short_name(), t.columns()))
            .collect();
        let found = if found.is_empty() {
            "no CSV".to_owned()
        } else {
            found.join("; ")
        };
        let message = format!(
            "expected a label CSV with columns {}, found {found}",
            in_words(&COLUMNS)
        );
        findings.add(Code::NoLabels, &folder.name, None, message);
        return None;
    }
    tables.retain(|table| table.matches(&COLUMNS) == best);
    if tables.len() > 1 {
        let names: Vec<_> = tables.iter().map(|table| table.file.as_str()).collect();
        let message = format!("expected one label CSV, found {}", names.join(", "));
        findings.add(Code::AmbiguousLabels, &folder.name, None, message);
        return None;
    }
    tables.pop()
}

/// Adds the utterances of a label CSV to a draft.
pub(super) fn read_labels(
    kind: CorpusKind,
    table: &Table,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let Some([video, clip, text, label, mode]) = table.require(COLUMNS, findings) else {
        return;
    };
    let annotation = table.find(&["annotation"]);
    let rated = INTENSITIES.map(|names| table.find(names));
    let mut turns: HashMap<String, i32> = HashMap::new();
    for (line, row) in &table.rows {
        let (video, clip) = (row[video].trim(), row[clip].trim());
        let mut report =
            |code, message: String| findings.add(code, &table.file, at(*line), message);
        if video.is_empty() || clip.is_empty() {
            let message = "expected a video_id and a clip_id, found an empty one";
            report(Code::EmptyId, message.to_owned());
            continue;
        }
        let split: Split = match row[mode].trim().to_lowercase().parse() {
            Ok(split) => split,
            Err(error) => {
                report(Code::Split, format!("column mode: {error}"));
                continue;
            }
        };
        let Some(score) = score(&row[label]) else {
            let message = format!(
                "column label: expected a score in [-3, 3], found {:?}",
                &row[label]
            );
            report(Code::LabelRange, message);
            continue;
        };
        let word = annotation.map(|column| row[column].trim());
        let sign = Polarity::from_score(score).name();
        if let Some(word) = word.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case(sign))
        {
            let message = format!(
                "annotation {word} against the sign of the score {score}: the score is used"
            );
            report(Code::AnnotationSign, message);
        }
        let next = turns.entry(video.to_owned()).or_default();
        let turn = clip.parse().unwrap_or(*next);
        *next = turn.saturating_add(1);
        let id = format!("{video}_{clip}");
        let mut utterance = utterance(kind, split, video, id, turn, &row[text], score);
        utterance.intensities = ratings(&rated, table, *line, row, findings);
        draft.push(utterance, &table.file, *line);
    }
}

/// A score in [-3, 3].
fn score(cell: &str) -> Option<f32> {
    let score = cell.trim().parse().ok();
    score.filter(|score| (-3.0..=3.0).contains(score))
}

/// The six emotion intensities of a row, where it has them all.
fn ratings(
    columns: &[Option<usize>; 6],
    table: &Table,
    line: u64,
    row: &csv::StringRecord,
    findings: &mut Findings,
) -> Option<[f32; 6]> {
    let mut ratings = [0.0; 6];
    for (rating, column) in ratings.iter_mut().zip(columns) {
        let cell = row[(*column)?].trim();
        if cell.is_empty() {
            return None;
        }
        let number = cell.parse().ok().filter(|x: &f32| x.is_finite());
        let Some(number) = number else {
            let message = format!("expected an emotion's intensity, found {cell:?}: null");
            findings.add(Code::RatingFormat, &table.file, at(line), message);
            return None;
        };
        *rating = number;
    }
    Some(ratings)
}

/// Reports utterances of MOSEI that the published split has elsewhere.
pub(super) fn compare_with_manifest(draft: &Draft, file: &str, findings: &mut Findings) {
    let manifest = manifest::mosei();
    for row in &draft.rows {
        let u = &row.utterance;
        if let Some(&expected) = manifest
            .get(&u.utterance_id)
            .filter(|&&split| split != u.split)
        {
            let message = format!(
                "the published split has it in {expected}, the CSV in {}: the CSV is used",
                u.split
            );
            findings.add(
                Code::SplitManifest,
                file,
                Some(u.utterance_id.clone()),
                message,
            );
        }
    }
}
