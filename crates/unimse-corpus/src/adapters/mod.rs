//! One adapter a data set. Each reads a folder into a [`Draft`], reporting what it meets to [`Findings`] and going
//! on, so that the doctor sees everything and ingest the first error.

mod dicts;
mod iemocap;
pub(crate) mod layout;
mod manifest;
mod media;
mod meld;
mod mmsa;
mod own;
mod segments;
mod sentiment;
mod taxonomy;

use crate::{CorpusError, CorpusKind, cards, draft::Draft, finding::Findings, folder::Folder};
use std::path::{Path, PathBuf};
use unimse_media::extract::Parts;

pub(crate) use own::{FILES as OWN_FILES, refuse_corpus};

/// Reads one corpus folder, `kind` by its name; `features` replaces the search for feature files when it is not empty.
pub(crate) fn read(
    kind: Option<CorpusKind>,
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = read_layout(kind, folder, features, findings)?;
    cards::describe(folder, &mut draft, findings)?;
    Ok(draft)
}

fn read_layout(
    kind: Option<CorpusKind>,
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    if has_own_table(folder) {
        return own::read(kind, folder, findings);
    }
    match kind {
        Some(kind @ (CorpusKind::Mosi | CorpusKind::Mosei)) => {
            sentiment::read(kind, folder, features, findings)
        }
        Some(CorpusKind::Meld) => meld::read(folder, features, findings),
        Some(CorpusKind::Iemocap) => iemocap::read(folder, features, findings),
        Some(CorpusKind::Own(_)) | None => own::read(kind, folder, findings),
    }
}

/// Adds the utterances of a corpus folder that are parts of clips.
pub(crate) fn parts(
    data: &Path,
    folder: &Folder,
    parts: &mut Parts,
    findings: &mut Findings,
) -> Result<(), CorpusError> {
    if has_own_table(folder) {
        return own::parts(data, folder, parts, findings);
    }
    if let Some(kind @ (CorpusKind::Mosi | CorpusKind::Mosei)) = CorpusKind::from_name(&folder.name)
    {
        sentiment::parts(kind, folder, parts);
    }
    Ok(())
}

/// Whether a table of the user's own lies directly in the folder: then nothing else there is searched.
pub(crate) fn has_own_table(folder: &Folder) -> bool {
    !own::tables(folder).is_empty()
}

/// Endings of pickles.
pub(crate) const PICKLES: [&str; 3] = ["pkl", "pickle", "p"];

#[cfg(test)]
mod tests;
