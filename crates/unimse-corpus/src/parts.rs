//! Which utterances of a data folder are parts of clips: what extraction, which knows no layout, is told.

use crate::{CorpusError, CorpusKind, Finding, adapters, finding::Findings, folder::Folder};
use std::{fs, path::Path};
use unimse_media::extract::Parts;

/// The utterances of `data` that are parts of clips, for [`extract_parts`](unimse_media::extract::extract_parts): rows of tables of the user's own that
/// name a `clip`, and utterances of MOSI and MOSEI whose times a label file of the SDK gives, where the folder holds whole videos.
///
/// What is wrong with a row stands in its part, so that the others go on. The findings are of rows that cannot be read at all.
///
/// # Errors
/// A table that cannot be understood as a whole, or that the system refuses: it may cut up a clip, and nobody knows how. `data` is a corpus itself, whose
/// rows would be passed over.
pub fn parts(data: &Path) -> Result<(Parts, Vec<Finding>), CorpusError> {
    let mut parts = Parts::default();
    let mut findings = Findings::default();
    adapters::refuse_corpus(data)?;
    for name in folders(data) {
        let folder = Folder::open(data, &name, &mut Findings::default());
        adapters::parts(data, &folder, &mut parts, &mut findings)?;
    }
    Ok((parts, findings.into_list()))
}

/// Names of the folders that may be a corpus; what cannot be listed holds none.
fn folders(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_corpus = |name: &String| {
        let path = data.join(name);
        let is_known = matches!(
            CorpusKind::from_name(name),
            Some(CorpusKind::Mosi | CorpusKind::Mosei)
        );
        let has_table = || {
            (adapters::OWN_FILES.iter()).any(|file| fs::symlink_metadata(path.join(file)).is_ok())
        };
        !name.starts_with('.') && path.is_dir() && (is_known || has_table())
    };
    let mut names: Vec<String> = names.filter(is_corpus).collect();
    names.sort();
    names
}
