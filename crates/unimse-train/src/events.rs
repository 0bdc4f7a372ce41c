//! `events.jsonl`: one JSON object a line, appended; resuming cuts off what a saved state does not know.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::TrainError;

/// The open log.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Events {
    /// Opens the log and keeps its first `length` bytes.
    ///
    /// # Errors
    /// [`TrainError::Io`] with the path.
    pub fn open(path: &Path, length: u64) -> Result<Self, TrainError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(TrainError::io(folder, "creating the folder"))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(TrainError::io(path, "opening"))?;
        let present = file
            .metadata()
            .map_err(TrainError::io(path, "reading"))?
            .len();
        let length = length.min(present);
        file.set_len(length)
            .map_err(TrainError::io(path, "cutting"))?;
        file.seek(SeekFrom::End(0))
            .map_err(TrainError::io(path, "seeking"))?;
        Ok(Self {
            path: path.into(),
            file,
            length,
        })
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`TrainError::Io`] with the path.
    pub fn write(&mut self, event: &serde_json::Value) -> Result<(), TrainError> {
        let line = format!("{event}\n");
        self.file
            .write_all(line.as_bytes())
            .map_err(TrainError::io(&self.path, "writing"))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn reopening_cuts_what_was_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut e = Events::open(&path, 0).unwrap();
        e.write(&serde_json::json!({"event": "start"})).unwrap();
        let saved = e.len();
        e.write(&serde_json::json!({"event": "step"})).unwrap();
        drop(e);
        let mut e = Events::open(&path, saved).unwrap();
        e.write(&serde_json::json!({"event": "end"})).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"event\":\"start\"}\n{\"event\":\"end\"}\n"
        );
    }
}
