//! A file that only grows, until a resumed training cuts off what its saved state does not know.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// The open file.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens the file, or makes it, and keeps its first `length` bytes.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub(crate) fn open(path: &Path, length: u64) -> Result<Self, FileError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(FileError::at(folder, "creating the folder"))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(FileError::at(path, "opening"))?;
        let present = file.metadata().map_err(FileError::at(path, "reading"))?;
        let length = length.min(present.len());
        file.set_len(length)
            .map_err(FileError::at(path, "cutting"))?;
        file.seek(SeekFrom::End(0))
            .map_err(FileError::at(path, "seeking"))?;
        Ok(Self {
            path: path.into(),
            file,
            length,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file
            .write_all(bytes)
            .map_err(FileError::at(&self.path, "writing"))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
