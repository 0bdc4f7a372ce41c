//! A safe reader of numpy pickles, protocols 0 to 5, as numpy 1 and 2 and Python 2 and 3 write them.
//!
//! Opcodes build a graph of plain values ([`value`]); [`machine`] runs them on the arguments that [`input`] reads, [`reduce`] gives meaning to the known
//! globals, [`crate::dtype`] and [`array`] read numpy's payloads in place, [`item`] is the view that callers hold.
//! Opcode reference: `pickletools` of the Python standard library.

mod array;
mod input;
mod item;
mod machine;
mod reduce;
mod text;
mod value;

pub use array::{Array, ArrayId};
pub use item::Item;

use crate::{FormatError, PickleErrorKind, bytes::Bytes};
use std::path::{Path, PathBuf};
use value::Graph;

/// Bounds on what a pickle may make the reader hold, besides the bytes of the file itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Values on the stack and in containers, each some 24 bytes; default 2^24, or a quarter of the file's bytes where
    /// that is more: a float in a list takes 9.
    pub values: usize,
    /// Levels of nesting; default 256.
    pub depth: usize,
}

impl Limits {
    fn for_size(bytes: usize) -> Self {
        let default = Self::default();
        Self {
            values: default.values.max(bytes / 4),
            ..default
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            values: 1 << 24,
            depth: 256,
        }
    }
}

/// An opened pickle: its object graph, with array payloads left in the (mapped) file.
#[derive(Debug)]
pub struct Pickle {
    path: PathBuf,
    bytes: Bytes,
    graph: Graph,
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
        let graph = machine::run(bytes.as_slice(), limits).map_err(|(offset, kind)| {
            FormatError::Pickle {
                path: path.to_owned(),
                offset: offset as u64,
                kind,
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            graph,
        })
    }

    /// The object that was pickled.
    #[must_use]
    pub fn root(&self) -> Item<'_> {
        Item {
            pickle: self,
            value: self.graph.root,
        }
    }

    /// An array found earlier by [`Array::id`].
    ///
    /// # Errors
    /// When `id` comes from another pickle.
    pub fn array(&self, id: ArrayId) -> Result<Array<'_>, FormatError> {
        Array::new(self, id)
            .ok_or_else(|| self.error(0, PickleErrorKind::Malformed("no such array".into())))
    }

    /// The file, or `<memory>`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, offset: usize, kind: PickleErrorKind) -> FormatError {
        FormatError::Pickle {
            path: self.path.clone(),
            offset: offset as u64,
            kind,
        }
    }
}
