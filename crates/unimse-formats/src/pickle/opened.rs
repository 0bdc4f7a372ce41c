//! A pickle that was read: where it came from, its bytes, its object graph.

use super::{
    heap::Limits,
    machine,
    value::{Dialect, Graph},
};
use crate::{FormatError, PickleErrorKind, bytes::Bytes};
use std::path::{Path, PathBuf};

/// An opened pickle: its object graph, with array payloads left in the (mapped) file.
#[derive(Debug)]
pub struct Pickle {
    path: PathBuf,
    pub(super) bytes: Bytes,
    pub(super) graph: Graph,
}

impl Pickle {
    /// Maps a file and reads its object graph.
    ///
    /// # Errors
    /// [`FormatError::Pickle`] with the byte offset for anything broken, hostile or unknown.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let bytes = Bytes::open(path)?;
        let limits = Limits::for_size(bytes.as_slice().len());
        Self::read(path, bytes, limits)
    }

    /// Reads a pickle held in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open); the path reads `<memory>`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FormatError> {
        let limits = Limits::for_size(bytes.len());
        Self::with_limits(bytes, limits)
    }

    /// Reads a pickle held in memory under other [`Limits`].
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn with_limits(bytes: Vec<u8>, limits: Limits) -> Result<Self, FormatError> {
        Self::read(Path::new("<memory>"), Bytes::owned(bytes), limits)
    }

    fn read(path: &Path, bytes: Bytes, limits: Limits) -> Result<Self, FormatError> {
        Self::read_at(path, bytes, 0, Dialect::Numpy, limits).map(|(pickle, _)| pickle)
    }

    /// The pickle that begins at a byte of a file, and where it ends.
    pub(super) fn read_at(
        path: &Path,
        bytes: Bytes,
        at: usize,
        dialect: Dialect,
        limits: Limits,
    ) -> Result<(Self, usize), FormatError> {
        let read = machine::run(bytes.as_slice(), at, dialect, limits);
        let (graph, end) = read.map_err(|(offset, kind)| FormatError::Pickle {
            path: path.to_owned(),
            offset: offset as u64,
            kind,
        })?;
        let pickle = Self {
            path: path.to_owned(),
            bytes,
            graph,
        };
        Ok((pickle, end))
    }

    /// The file, or `<memory>`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, offset: usize, kind: PickleErrorKind) -> FormatError {
        FormatError::Pickle {
            path: self.path.clone(),
            offset: offset as u64,
            kind,
        }
    }
}
