//! A table of the user's own, `utterances.csv`, `.jsonl` or `.parquet`: any corpus can join, and one of the four can lie like this too.
//!
//! Columns (`docs/datasets.md`): `utterance_id, split, text` and `score`, `emotion` or both; optionally `dialogue_id, turn, speaker,
//! start_s, end_s, polarity`, `taxonomy` (`meld`, `iemocap` or the name in `taxonomy.toml`), `audio` and `video` (paths of `.npy` or
//! `.wav` files, or of clips that were extracted, relative to the folder, or lists of numbers), `clip` (a film of which the row is the part from
//! `start_s` to `end_s`). Nothing in the table is dropped without a word.

mod clips;
mod columns;
mod inline;
mod labels;
mod made;
mod rows;

use super::{media::detail, taxonomy};
use crate::{
    Code, CorpusError, CorpusKind, Split, Task,
    draft::{Draft, Modality},
    feature::Feature,
    finding::Findings,
    folder::Folder,
};
pub(super) use clips::parts;
pub(crate) use clips::refuse_corpus;
use labels::Places;
use made::Made;
use rows::Rows;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Names of such a table.
pub(crate) const FILES: [&str; 3] = ["utterances.csv", "utterances.jsonl", "utterances.parquet"];

/// The tables of this kind directly in a corpus folder.
pub(super) fn tables(folder: &Folder) -> Vec<PathBuf> {
    let paths = FILES.map(|name| folder.root().join(name));
    (paths.into_iter())
        .filter(|path| fs::symlink_metadata(path).is_ok())
        .collect()
}

/// Reads the table; `known` is the data set the folder is named after.
pub(super) fn read(
    known: Option<CorpusKind>,
    folder: &Folder,
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let empty = CorpusKind::Own(Task::Sentiment);
    let mut draft = Draft::new(known.unwrap_or(empty), &folder.name);
    let paths = tables(folder);
    let [path] = &paths[..] else {
        let message = format!(
            "expected one of {}, found {}",
            FILES.join(", "),
            paths.len()
        );
        findings.add(Code::AmbiguousLabels, &folder.name, None, message);
        return Ok(draft);
    };
    let file = folder.relative(path);
    let mut rows = Rows::read(path, file, findings)?;
    let table = &rows.table;
    draft.add_source(&table.path, &table.file);
    let emotional = labels::emotional(table, known);
    let described = match known {
        None if emotional && taxonomy::asked_for(table) => taxonomy::read(folder, findings)?,
        _ => None,
    };
    let Some(places) = Places::find(table, known, described, findings) else {
        return Ok(draft);
    };
    let emotions = places.emotions.as_ref();
    if known.is_none() {
        let scored = emotions.map(|emotions| Task::Emotion(emotions.scored));
        draft.kind = CorpusKind::Own(scored.unwrap_or(Task::Sentiment));
    }
    draft.taxonomy = emotions.and_then(|emotions| emotions.own.clone());
    taxonomy::report(folder, emotions, findings);
    if draft.taxonomy.is_some() {
        let path = folder.root().join(taxonomy::FILE);
        draft.add_source(&path, &folder.relative(&path));
    }
    add_rows(&mut rows, &places, folder, &mut draft, findings)?;
    for split in Split::ALL {
        if !draft.rows.iter().any(|row| row.utterance.split == split) {
            let message = format!("no row of split {split}");
            findings.warn(Code::MissingSplit, &rows.table.file, None, message);
        }
    }
    Ok(draft)
}

fn add_rows(
    rows: &mut Rows,
    places: &Places,
    folder: &Folder,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<(), CorpusError> {
    let mut turns = HashMap::new();
    let clips = clips::Places::find(&rows.table);
    let made = Made::read(folder)?;
    for at in 0..rows.table.rows.len() {
        let number = rows.table.rows[at].0;
        let given = Modality::ALL.map(|modality| rows.take(number, modality));
        let (table, row) = (&rows.table, &rows.table.rows[at].1);
        let place = table.at(number);
        let read = places.utterance(&folder.name, table, number, row, &mut turns, findings);
        let Some(utterance) = read else { continue };
        let asked = clips.and_then(|places| places.asked(row));
        let files = asked.map(|asked| made.files(folder, &utterance.utterance_id, &asked));
        let (files, lacking) = files.unwrap_or_default();
        for message in lacking {
            findings.add(Code::Clip, &table.file, place.clone(), message);
        }
        draft.push_row(utterance, &table.file, place.clone().unwrap_or_default());
        for (((modality, column), given), file) in
            (Modality::ALL.into_iter().zip(places.features).zip(given)).zip(files)
        {
            let cell = column.map(|column| row[column].trim()).unwrap_or_default();
            let feature = match (given, file) {
                (Some(inline), _) => Ok(Some(Feature::given(inline.values, inline.dim))),
                (None, Some(file)) if cell.is_empty() => {
                    named(&file, &file.to_string_lossy(), modality, folder, draft)
                }
                _ => feature(cell, modality, folder, &made, draft),
            };
            let told = |code, message| report(code, message, &table.file, place.clone(), findings);
            let feature = take(feature, cell, modality, told);
            if let Some(row) = draft.rows.last_mut() {
                *row.slot(modality) = feature;
            }
        }
    }
    Ok(())
}

/// Tells of a row's features. Those of a clip that gave none are absent; whatever else cannot be read is an error.
fn report(code: Code, message: String, file: &str, place: Option<String>, findings: &mut Findings) {
    match code {
        Code::EmptyMedia => findings.add(code, file, place, message),
        code => findings.error(code, file, place, message),
    }
}

/// The features of a row, where it has any; what is wrong with them is told.
fn take(
    feature: Result<Option<Feature>, (Code, String)>,
    cell: &str,
    modality: Modality,
    mut told: impl FnMut(Code, String),
) -> Option<Feature> {
    let word = modality.name();
    let feature = feature.unwrap_or_else(|(code, message)| {
        told(code, format!("column {word}: {message}"));
        None
    });
    if feature.as_ref().is_some_and(|feature| feature.steps == 0) {
        told(
            Code::EmptyMedia,
            format!("{cell}: no sample: {word} is absent"),
        );
    }
    feature.filter(|feature| feature.steps > 0)
}

/// The features that a cell holds, or names a file of; `None` for an empty one.
fn feature(
    cell: &str,
    modality: Modality,
    folder: &Folder,
    made: &Made,
    draft: &mut Draft,
) -> Result<Option<Feature>, (Code, String)> {
    if cell.is_empty() {
        return Ok(None);
    }
    if cell.starts_with('[') {
        let inline = rows::from_text(cell).map_err(|message| (Code::Field, message))?;
        return Ok(inline.map(|inline| Feature::given(inline.values, inline.dim)));
    }
    let path = PathBuf::from(cell);
    let is_array = (path.extension()).is_some_and(|ending| ending.eq_ignore_ascii_case("npy"));
    let extracted = (!is_array).then(|| made.whole(folder, cell, modality));
    let path = match extracted.flatten() {
        Some(file) => file.map_err(|message| (Code::EmptyMedia, message))?,
        None => path,
    };
    named(&path, cell, modality, folder, draft)
}

/// The features of a file, which messages call `shown`.
fn named(
    path: &Path,
    shown: &str,
    modality: Modality,
    folder: &Folder,
    draft: &mut Draft,
) -> Result<Option<Feature>, (Code, String)> {
    let feature = file(path, modality, folder, draft);
    feature
        .map(Some)
        .map_err(|message| (Code::Unreadable, format!("{shown}: {message}")))
}

/// The features of the file that a row names, which is a source then.
fn file(
    named: &Path,
    modality: Modality,
    folder: &Folder,
    draft: &mut Draft,
) -> Result<Feature, String> {
    let path = folder.root().join(named);
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let feature = match (ending.as_deref(), modality) {
        (Some("npy"), _) => Feature::npy(&path),
        (Some("wav"), Modality::Audio) => Feature::wave(&path),
        _ => return Err("expected a .npy file (or .wav for audio)".to_owned()),
    };
    let feature = feature.map_err(|error| detail(&error))?;
    draft.add_source(&path, &folder.relative(&path));
    Ok(feature)
}
