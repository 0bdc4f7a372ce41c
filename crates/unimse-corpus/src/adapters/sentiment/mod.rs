//! MOSI and MOSEI: a label CSV joined by id with one feature pickle, with computational sequences or with a file an utterance; or a pickle that holds
//! labels and text too.

mod clips;
mod labels;

use super::{
    PICKLES, media,
    mmsa::{self, FeatureFile},
    segments::{Sequences, is_sequence},
};
use crate::{
    Code, CorpusError, CorpusKind, Split,
    draft::{Draft, Modality},
    finding::Findings,
    folder::Folder,
};
pub(super) use clips::parts;
pub(super) use labels::COLUMNS;
use labels::{compare_with_manifest, label_from_pickle, label_table, read_labels};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

/// Scores of a label CSV and of a pickle further apart than this belong to different releases.
const SCORE_TOLERANCE: f64 = 0.05;

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
    if fit_equally(&files, &sequences, folder, findings) {
        return Ok(draft);
    }
    sequences.join(&mut draft, findings)?;
    if let Some(file) = files.pop() {
        join(&file, &mut draft, findings)?;
    }
    if !chosen {
        media::join(folder, &mut draft, &clips::NAMING, findings);
    }
    Ok(draft)
}

/// Reports several feature files that nobody has chosen between.
fn fit_equally(
    files: &[FeatureFile],
    sequences: &Sequences,
    folder: &Folder,
    findings: &mut Findings,
) -> bool {
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
        findings.add(Code::AmbiguousFeatures, &folder.name, None, message);
    }
    candidates.len() > 1
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
            findings.add(Code::SplitMismatch, &file.name, None, message);
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
                Code::DuplicateId,
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
                Code::UnmatchedId,
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
            findings.add(Code::LabelMismatch, &file.name, Some(id.clone()), message);
        }
        if entry
            .text
            .as_ref()
            .is_some_and(|text| text.trim() != row.utterance.text.trim())
        {
            let message = "text differs from the pickle's: the label CSV is used";
            findings.add(Code::TextMismatch, &file.name, Some(id), message);
        }
    }
    for &at in by_id.values().filter(|at| !used.contains(at)) {
        let id = file.entries[at].id.clone();
        findings.warn(
            Code::UnmatchedId,
            &file.name,
            Some(id),
            "in the pickle but not in the label CSV: left out",
        );
    }
    for repair in &file.repairs {
        findings.add(Code::Length, &file.name, None, repair.clone());
    }
    Ok(())
}
