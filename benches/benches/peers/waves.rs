//! The wave files that contests of audio features work on (`benches/peers/waves.py` makes them).

use std::path::PathBuf;

use crate::protocol::{Failure, Job};

/// The files and the first of them, in the order in which both sides take them.
pub(crate) fn files(job: &Job) -> Result<(Vec<PathBuf>, PathBuf), Failure> {
    let entries = std::fs::read_dir(job.folder.join("waves"))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut files = paths.collect::<Result<Vec<PathBuf>, Failure>>()?;
    files.sort();
    let first = files.first().ok_or("no wave file was prepared")?.clone();
    Ok((files, first))
}
