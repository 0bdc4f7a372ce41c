//! Bytes of a file, mapped or owned.

use crate::{FormatError, file::open_file};
use std::{path::Path, sync::Arc};

/// Bytes that outlive the reader which borrows them; clones share them.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// A file, mapped read-only.
    Mapped(Arc<memmap2::Mmap>),
    /// Bytes in memory.
    Owned(Arc<Vec<u8>>),
}

impl Bytes {
    /// Maps a regular file read-only.
    ///
    /// # Errors
    /// As [`open_file`].
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let file = open_file(path)?;
        let length = file.metadata().map_err(FormatError::io(path))?.len();
        if length == 0 {
            return Ok(Self::owned(Vec::new())); // an empty map is an error on some systems
        }
        #[expect(
            unsafe_code,
            reason = "mapping is unsafe because another process may truncate the file: as with any \
            reader of maps, that kills this process and corrupts nothing, for the map is read-only"
        )]
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(FormatError::io(path))?;
        Ok(Self::Mapped(Arc::new(map)))
    }

    /// Bytes of the caller's own.
    #[must_use]
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self::Owned(Arc::new(bytes))
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}
