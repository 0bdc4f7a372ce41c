//! What is there, what is wrong, what is missing: every finding of a data folder.

use crate::{
    CorpusError, Finding, Utterance, adapters, demo,
    draft::{Draft, Modality, Row},
    finding::{Findings, Severity},
    folder::Folder,
    ingest::open_folders,
    store,
};
use std::path::Path;

/// Examines a data folder as [`ingest`](crate::ingest) would read it, without stopping at the first error.
///
/// Errors come first, then warnings, then remarks. A folder without any corpus is one `NO_CORPUS` error.
///
/// # Errors
/// Only where the operating system refuses to read the folder.
pub fn doctor(dir: &Path) -> Result<Vec<Finding>, CorpusError> {
    let mut findings = Findings::default();
    let synthetic = dir.join(demo::MARKER).exists();
    match open_folders(dir) {
        Ok(folders) => {
            for (kind, folder) in folders {
                let mut draft = adapters::read(kind, &folder, &[], &mut findings)?;
                draft.finish(synthetic, &mut findings);
                count(&draft, &mut findings);
                examine_features(&draft, &folder, &mut findings);
            }
        }
        Err(CorpusError::NoCorpus { found, .. }) => {
            let message =
                format!("expected at least one folder mosi, mosei, meld or iemocap, found {found}");
            findings.error("NO_CORPUS", ".", None, message);
        }
        Err(error) => return Err(error),
    }
    let mut list = findings.into_list();
    list.sort_by_key(|finding| finding.severity);
    Ok(list)
}

/// How many utterances each split has.
fn count(draft: &Draft, findings: &mut Findings) {
    let counts = unimse_labels::Split::ALL.map(|split| {
        draft
            .rows
            .iter()
            .filter(|row| row.utterance.split == split)
            .count()
            .to_string()
    });
    let message = format!("{} train/dev/test utterances", counts.join("/"));
    findings.add(Severity::Info, "FOUND", draft.kind.name(), None, message);
}

/// Reads every feature once: values that are not finite, streams of zeros, streams that never change.
fn examine_features(draft: &Draft, folder: &Folder, findings: &mut Findings) {
    for rows in draft.rows.chunks(256) {
        let rows: Vec<&Row> = rows.iter().collect();
        match store::load(&rows, draft.kind, findings) {
            Ok(utterances) => utterances
                .iter()
                .for_each(|u| examine(u, &folder.name, findings)),
            Err(CorpusError::Format(error)) => {
                findings.error("UNREADABLE", &folder.name, None, error.detail())
            }
            Err(error) => findings.error("UNREADABLE", &folder.name, None, error.to_string()),
        }
    }
}

fn examine(utterance: &Utterance, name: &str, findings: &mut Findings) {
    for (modality, sequence) in Modality::ALL
        .into_iter()
        .zip([&utterance.audio, &utterance.video])
    {
        let Some(sequence) = sequence else { continue };
        let id = || Some(utterance.utterance_id.clone());
        if sequence.values.iter().all(|&x| x == 0.0) {
            findings.warn(
                "ZERO_STREAM",
                name,
                id(),
                format!("{} is all zeros", modality.name()),
            );
        } else if let [first, rest @ ..] = &sequence
            .values
            .chunks_exact(sequence.dim.max(1))
            .collect::<Vec<_>>()[..]
            && !rest.is_empty()
            && rest.iter().all(|step| step == first)
        {
            findings.info(
                "CONSTANT_STREAM",
                name,
                id(),
                format!("{} never changes", modality.name()),
            );
        }
    }
}
