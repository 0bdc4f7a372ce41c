//! MOSI and MOSEI: a label CSV joined by id with one feature pickle, or with computational sequences; or a pickle that holds labels and text too.

use super::{
    PICKLES, manifest,
    mmsa::{self, FeatureFile},
    segments::{Sequences, is_sequence},
};
use crate::{
    CorpusError, CorpusKind, Polarity, Split, Utterance,
    draft::{Draft, Modality},
    finding::Findings,
    folder::{Folder, Table, at, in_words},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

/// Columns of the label CSV that every row needs.
const COLUMNS: [&str; 5] = ["video_id", "clip_id", "text", "label|score_label", "mode"];
/// Scores of a label CSV and of a pickle further apart than this belong to different releases.
const SCORE_TOLERANCE: f64 = 0.05;

/// What the SDK's annotators rated in MOSEI, in the order of [`crate::INTENSITIES`]: names of the columns.
const INTENSITIES: [&[&str]; 6] = [
    &["happiness", "happy"],
    &["sadness", "sad"],
    &["anger", "angry"],
    &["surprise", "surprised"],
    &["disgust", "disgusted"],
    &["fear", "fearful"],
];

pub(super) fn read(
    kind: CorpusKind,
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = Draft::new(kind, &folder.name);
    let tables = folder.tables(findings)?;
    let given = |wanted: fn(&Path) -> bool| -> Vec<PathBuf> {
        let all = if features.is_empty() {
            &folder.files
        } else {
            features
        };
        all.iter().filter(|path| wanted(path)).cloned().collect()
    };
    let pickles = if features.is_empty() {
        folder.with_extension(&PICKLES).map(PathBuf::from).collect()
    } else {
        given(|path| !is_sequence(path))
    };
    let chosen = !features.is_empty();
    let mut files: Vec<FeatureFile> = (pickles.iter())
        .filter_map(|path| mmsa::open(path, &folder.relative(path), chosen, findings))
        .collect();
    // any CSV must be the label file: a broken one is an error, never passed over
    if tables.is_empty()
        && let [file] = &files[..]
        && file.labelled()
    {
        label_from_pickle(kind, file, &mut draft, findings);
    } else {
        let Some(table) = label_table(tables, folder, findings) else {
            return Ok(draft);
        };
        draft.add_source(&table.path, &table.file);
        read_labels(kind, &table, &mut draft, findings);
        if kind == CorpusKind::Mosei {
            compare_with_manifest(&draft, &table.file, findings);
        }
    }
    let sequences = Sequences::open(folder, &given(is_sequence), findings);
    warn_of_splits(&mut files, chosen, &draft, findings);
    let mut candidates: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let held = Modality::ALL
        .into_iter()
        .find(|&modality| !sequences.holding(modality).is_empty());
    if let Some(modality) = held.filter(|_| !files.is_empty()) {
        candidates.extend(sequences.holding(modality));
    }
    if candidates.len() > 1 {
        let message = format!(
            "expected one feature file, found {}; choose one with --features {}=FILE",
            candidates.join(", "),
            folder.name
        );
        findings.error("AMBIGUOUS_FEATURES", &folder.name, None, message);
        return Ok(draft);
    }
    sequences.join(&mut draft, findings)?;
    if let Some(file) = files.pop() {
        join(&file, &mut draft, findings)?;
    }
    Ok(draft)
}

/// Labels, text and split of a pickle that holds them all, where no CSV does. MOSEI's split is the published one.
fn label_from_pickle(
    kind: CorpusKind,
    file: &FeatureFile,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let message = "no label CSV: labels and text are those of the pickle";
    findings.info("LABELS_FROM_PICKLE", &file.name, None, message);
    let manifest = if kind == CorpusKind::Mosei {
        manifest::mosei()
    } else {
        HashMap::new()
    };
    for (number, entry) in (1..).zip(&file.entries) {
        let row = || Some(entry.id.clone());
        let published = manifest.get(&entry.id).copied();
        if published.is_none() && !manifest.is_empty() {
            findings.info(
                "NOT_IN_SPLIT",
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
            findings.warn("SPLIT_MANIFEST", &file.name, row(), message);
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
            findings.error("LABEL_RANGE", &file.name, row(), message);
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
fn label_table(mut tables: Vec<Table>, folder: &Folder, findings: &mut Findings) -> Option<Table> {
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
        findings.error("NO_LABELS", &folder.name, None, message);
        return None;
    }
    tables.retain(|table| table.matches(&COLUMNS) == best);
    if tables.len() > 1 {
        let names: Vec<_> = tables.iter().map(|table| table.file.as_str()).collect();
        let message = format!("expected one label CSV, found {}", names.join(", "));
        findings.error("AMBIGUOUS_LABELS", &folder.name, None, message);
        return None;
    }
    tables.pop()
}

fn read_labels(kind: CorpusKind, table: &Table, draft: &mut Draft, findings: &mut Findings) {
    let Some([video, clip, text, label, mode]) = table.require(COLUMNS, findings) else {
        return;
    };
    let annotation = table.find(&["annotation"]);
    let rated = INTENSITIES.map(|names| table.find(names));
    let mut turns: HashMap<String, i32> = HashMap::new();
    for (line, row) in &table.rows {
        let (video, clip) = (row[video].trim(), row[clip].trim());
        if video.is_empty() || clip.is_empty() {
            findings.error(
                "EMPTY_ID",
                &table.file,
                at(*line),
                "expected a video_id and a clip_id, found an empty one",
            );
            continue;
        }
        let split: Split = match row[mode].trim().to_lowercase().parse() {
            Ok(split) => split,
            Err(error) => {
                findings.error(
                    "SPLIT",
                    &table.file,
                    at(*line),
                    format!("column mode: {error}"),
                );
                continue;
            }
        };
        let score: f32 = match row[label].trim().parse() {
            Ok(score) if (-3.0..=3.0).contains(&score) => score,
            _ => {
                let message = format!(
                    "column label: expected a score in [-3, 3], found {:?}",
                    &row[label]
                );
                findings.error("LABEL_RANGE", &table.file, at(*line), message);
                continue;
            }
        };
        let polarity = Polarity::from_score(score);
        if let Some(word) = annotation
            .map(|column| row[column].trim())
            .filter(|word| !word.is_empty())
            && !word.eq_ignore_ascii_case(polarity.name())
        {
            let message = format!(
                "annotation {word} against the sign of the score {score}: the score is used"
            );
            findings.warn("ANNOTATION_SIGN", &table.file, at(*line), message);
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
            findings.warn("RATING_FORMAT", &table.file, at(line), message);
            return None;
        };
        *rating = number;
    }
    Some(ratings)
}

fn compare_with_manifest(draft: &Draft, file: &str, findings: &mut Findings) {
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
            findings.warn(
                "SPLIT_MANIFEST",
                file,
                Some(u.utterance_id.clone()),
                message,
            );
        }
    }
}

/// Tells of feature files whose split is not the labels', and keeps those only that were asked for.
fn warn_of_splits(
    files: &mut Vec<FeatureFile>,
    chosen: bool,
    draft: &Draft,
    findings: &mut Findings,
) {
    files.retain(|file| {
        let moved = other_splits(file, draft);
        if moved > 0 {
            let what = if chosen {
                "used as asked, joined by id"
            } else {
                "not used"
            };
            let message =
                format!("{moved} utterances are in another split than in the labels: {what}");
            findings.warn("SPLIT_MISMATCH", &file.name, None, message);
        }
        chosen || moved == 0
    });
}

fn other_splits(file: &FeatureFile, draft: &Draft) -> usize {
    let splits: HashMap<&str, Split> = draft
        .rows
        .iter()
        .map(|row| (row.utterance.utterance_id.as_str(), row.utterance.split))
        .collect();
    file.entries
        .iter()
        .filter(|entry| {
            splits
                .get(entry.id.as_str())
                .is_some_and(|&split| split != entry.split)
        })
        .count()
}

/// Gives every utterance the features of its id, and tells what does not match.
fn join(file: &FeatureFile, draft: &mut Draft, findings: &mut Findings) -> Result<(), CorpusError> {
    draft.add_source(&file.path, &file.name);
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, entry) in file.entries.iter().enumerate() {
        if by_id.insert(&entry.id, at).is_some() {
            findings.warn(
                "DUPLICATE_ID",
                &file.name,
                Some(entry.id.clone()),
                "id twice in the pickle: the last is used",
            );
        }
    }
    let mut used = HashSet::new();
    for row in &mut draft.rows {
        let id = row.utterance.utterance_id.clone();
        let Some(&at) = by_id.get(id.as_str()) else {
            findings.warn(
                "UNMATCHED_ID",
                &file.name,
                Some(id),
                "in the label CSV but not in the pickle: no features",
            );
            continue;
        };
        used.insert(at);
        let entry = &file.entries[at];
        for modality in Modality::ALL {
            *row.slot(modality) = file.feature(at, modality)?;
        }
        if let (Some(score), Some(label)) = (row.utterance.score, entry.label)
            && (f64::from(score) - label).abs() > SCORE_TOLERANCE
        {
            let message = "score differs from the pickle's: the label CSV is used";
            findings.warn("LABEL_MISMATCH", &file.name, Some(id.clone()), message);
        }
        if entry
            .text
            .as_ref()
            .is_some_and(|text| text.trim() != row.utterance.text.trim())
        {
            let message = "text differs from the pickle's: the label CSV is used";
            findings.info("TEXT_MISMATCH", &file.name, Some(id), message);
        }
    }
    for &at in by_id.values().filter(|at| !used.contains(at)) {
        let id = file.entries[at].id.clone();
        findings.warn(
            "UNMATCHED_ID",
            &file.name,
            Some(id),
            "in the pickle but not in the label CSV: left out",
        );
    }
    for repair in &file.repairs {
        findings.warn("LENGTH", &file.name, None, repair.clone());
    }
    Ok(())
}
