//! One adapter a data set. Each reads a folder into a [`Draft`], reporting what it meets to [`Findings`] and going
//! on, so that the doctor sees everything and ingest the first error.

mod dicts;
mod iemocap;
mod manifest;
mod meld;
mod mmsa;
mod sentiment;

use crate::{CorpusError, CorpusKind, draft::Draft, finding::Findings, folder::Folder};
use std::path::PathBuf;

/// Reads one corpus folder; `features` replaces the search for feature files when it is not empty.
pub(crate) fn read(
    kind: CorpusKind,
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    match kind {
        CorpusKind::Mosi | CorpusKind::Mosei => sentiment::read(kind, folder, features, findings),
        CorpusKind::Meld => meld::read(folder, features, findings),
        CorpusKind::Iemocap => iemocap::read(folder, features, findings),
    }
}

/// Endings of pickles.
pub(crate) const PICKLES: [&str; 3] = ["pkl", "pickle", "p"];
