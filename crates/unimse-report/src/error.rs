//! What can go wrong while a report is written.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use unimse_run::{FileError, ResultsError};

/// Why no report was written. Whatever report stood in the run folder before is left as it was.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file of the run folder is absent or cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `provenance.json` or `representations.json` is not JSON of its shape.
    #[error("{path}: expected JSON, found: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and what stood there.
        #[source]
        source: serde_json::Error,
    },
    /// A `results.json` has another shape than the schema says.
    #[error(transparent)]
    Results(ResultsError),
    /// The table of published numbers that is built into this crate does not parse.
    #[error("the built-in table of published numbers is broken: {source}")]
    Paper {
        /// What the parser said.
        #[source]
        source: unimse_eval::PaperError,
    },
    /// The report could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ReportError {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<FileError> for ReportError {
    fn from(error: FileError) -> Self {
        Self::Read {
            path: error.path,
            source: error.source,
        }
    }
}

impl From<ResultsError> for ReportError {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::File(error) => error.into(),
            other => Self::Results(other),
        }
    }
}
