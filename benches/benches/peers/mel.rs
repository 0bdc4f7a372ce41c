//! Log-mel features of wave files, one after the other, as ingesting takes them. The peer (`benches/peers/mel.py`) makes the files.

use std::hint::black_box;
use std::path::PathBuf;

use unimse_media::mel::from_wav;

use crate::protocol::{Failure, Job, Side};

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let entries = std::fs::read_dir(job.folder.join("waves"))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>, Failure>>()?;
    files.sort();
    let first = files.first().ok_or("no wave file was prepared")?;
    let check = from_wav(first)?.values.into_iter().map(f64::from).collect();
    Ok(Side::new(check, move || {
        for file in &files {
            black_box(from_wav(file)?);
        }
        Ok(())
    }))
}
