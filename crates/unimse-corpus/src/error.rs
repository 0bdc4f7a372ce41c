//! Errors of reading data folders and tables.

use crate::Finding;
use std::path::{Path, PathBuf};
use unimse_formats::FormatError;
use unimse_media::MediaError;

/// Why a data folder or a table could not be read or written. Every message is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pickle, array or wave file is broken.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A clip has no features.
    #[error(transparent)]
    Media(MediaError),
    /// The content of a data file is wrong.
    #[error("{}/{finding}", data.display())]
    Invalid {
        /// The data folder that the finding's file is relative to.
        data: PathBuf,
        /// File, row or key, expected and found.
        finding: Box<Finding>,
    },
    /// Nothing to ingest.
    #[error(
        "{}: no corpus found; expected at least one folder mosi, mosei, meld or iemocap, found {found}",
        data.display()
    )]
    NoCorpus {
        /// The data folder.
        data: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// A `--features` choice that fits no corpus.
    #[error("--features {corpus}={}: {message}", file.display())]
    Features {
        /// Name before the `=`.
        corpus: String,
        /// File after it.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Whoever asked for the tables wants them no more.
    #[error("interrupted")]
    Interrupted,
    /// A Parquet table is unreadable or has another schema.
    #[error("{}: {message}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// What was expected and found.
        message: String,
    },
}

impl From<MediaError> for CorpusError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Format(error) => Self::Format(error),
            error => Self::Media(error),
        }
    }
}

impl CorpusError {
    /// For `map_err`: an I/O error with its path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: an arrow or parquet error with the table's path.
    pub(crate) fn table<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Self + '_ {
        move |error| Self::Table {
            path: path.to_owned(),
            message: error.to_string(),
        }
    }
}
