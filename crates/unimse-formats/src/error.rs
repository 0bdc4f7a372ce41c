//! One error type for every format.

use std::path::{Path, PathBuf};

/// Why a file could not be read. Messages are one line and start with the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder, FIFO, socket or device lies where a file is wanted; it was not opened.
    #[error("{}: expected a regular file, found {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What lies there, such as `a FIFO`.
        found: &'static str,
    },
    /// A pickle is broken, hostile, or holds what is not supported.
    #[error("{}: pickle, byte {offset}: {kind}", path.display())]
    Pickle {
        /// The file, or `<memory>`.
        path: PathBuf,
        /// Offset of the opcode at fault.
        offset: u64,
        /// What is wrong.
        kind: PickleErrorKind,
    },
    /// An `.npy` file, or an array of an `.npz` archive, is broken or holds what is not supported.
    #[error("{}: npy: {message}", path.display())]
    Npy {
        /// The file, or `<memory>`.
        path: PathBuf,
        /// What was expected and found, with the array of an archive.
        message: String,
    },
    /// A computational sequence is broken or of another layout.
    #[error("{}: csd: {message}", path.display())]
    Csd {
        /// The file, or `<memory>`.
        path: PathBuf,
        /// What was expected and found, with the video.
        message: String,
    },
    /// A file of a network's weights is broken or of another layout.
    #[error("{}: weights: {message}", path.display())]
    Weights {
        /// The file, or `<memory>`.
        path: PathBuf,
        /// What was expected and found, with the array.
        message: String,
    },
    /// A wave file is broken or has an unsupported encoding.
    #[error("{}: wav: {message}", path.display())]
    Wav {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        message: String,
    },
}

impl FormatError {
    /// The message without the path, for callers that name the file in their own way.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Pickle { offset, kind, .. } => format!("pickle, byte {offset}: {kind}"),
            Self::Npy { message, .. } => format!("npy: {message}"),
            Self::Csd { message, .. } => format!("csd: {message}"),
            Self::Weights { message, .. } => format!("weights: {message}"),
            Self::Wav { message, .. } => format!("wav: {message}"),
            Self::NotAFile { found, .. } => format!("expected a regular file, found {found}"),
        }
    }

    pub(crate) fn npy(path: &Path, message: String) -> Self {
        Self::Npy {
            path: path.to_owned(),
            message,
        }
    }

    pub(crate) fn weights(path: &Path, message: String) -> Self {
        Self::Weights {
            path: path.to_owned(),
            message,
        }
    }

    pub(crate) fn wav(path: &Path, message: String) -> Self {
        Self::Wav {
            path: path.to_owned(),
            message,
        }
    }

    /// For `map_err`: an I/O error with its path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// What is wrong with a pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleErrorKind {
    /// The file ends early, or a declared length is longer than the file.
    #[error("truncated: expected {needed} more bytes, found {left}")]
    Truncated {
        /// Bytes that the opcode declares.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// A global that is not on the list of known ones; nothing was executed.
    #[error("global {module}.{name} is not allowed: expected dicts, lists and numpy arrays only")]
    Global {
        /// Python module.
        module: String,
        /// Name within it.
        name: String,
    },
    /// A bound against hostile input was reached.
    #[error("{what} beyond the limit of {limit}")]
    Limit {
        /// Which bound.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// An object contains itself.
    #[error("recursive object: it contains itself")]
    Recursive,
    /// Not a pickle, or one that Python's own reader would reject.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Valid, but outside what this reader understands.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A value has another type than the caller needs.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the caller asked for.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}
