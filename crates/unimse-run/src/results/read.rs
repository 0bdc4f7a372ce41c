//! Reading and writing `results.json`, and what is wrong with one.

use std::path::Path;

use serde::Deserialize;

use super::{Confusion, OLDEST_SCHEMA, RESULTS_SCHEMA, Results};
use crate::{FileError, artefact};

/// A `results.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no JSON.
    #[error("{}: expected JSON, found: {source}", path.display())]
    Json {
        /// The file.
        path: std::path::PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A field is not as it must be.
    #[error("{}: field `{field}`: {message}", path.display())]
    Field {
        /// The file.
        path: std::path::PathBuf,
        /// The field, as in `corpora.mosi.test.n`.
        field: String,
        /// What was expected and what was found.
        message: String,
    },
}

/// A confusion matrix with more classes than this is not shown but refused.
const MAX_CLASSES: usize = 64;

impl Results {
    /// Reads `path`.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON, is of another version, or a field has another shape.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let bytes = std::fs::read(path).map_err(FileError::at(path, "reading"))?;
        let field = |field: String, message: String| ResultsError::Field {
            path: path.to_owned(),
            field,
            message,
        };
        check_version(&bytes).map_err(|found| match found {
            Ok(found) => field(
                "schema".to_owned(),
                format!("expected {OLDEST_SCHEMA} to {RESULTS_SCHEMA}, found {found}; run `unimse evaluate` again"),
            ),
            Err(source) => ResultsError::Json {
                path: path.to_owned(),
                source,
            },
        })?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let results: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|e| field(e.path().to_string(), in_words(e.inner())))?;
        for (name, corpus) in results.corpora.iter() {
            if let Some(problem) = corpus.test.confusion.as_ref().and_then(Confusion::problem) {
                return Err(field(format!("corpora.{name}.test.confusion"), problem));
            }
        }
        Ok(results)
    }

    /// Writes `path` in one step.
    ///
    /// # Errors
    /// As [`artefact::write_json`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        artefact::write_json(path, self)
    }
}

/// What serde says, in words of the file and not of the program.
#[must_use]
pub fn in_words(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    for kind in ["usize", "u64", "u32", "i64", "u8"] {
        message = message.replace(&format!("expected {kind}"), "expected a whole number");
    }
    message.replace("expected f64", "expected a number")
}

/// The schema version of a file where it is not ours, or why it is no JSON.
fn check_version(bytes: &[u8]) -> Result<(), Result<String, serde_json::Error>> {
    #[derive(Deserialize)]
    struct Version {
        schema: Option<serde_json::Value>,
    }
    let found: Version = serde_json::from_slice(bytes).map_err(Err)?;
    match found.schema {
        Some(schema)
            if schema
                .as_u64()
                .is_some_and(|n| (OLDEST_SCHEMA..=RESULTS_SCHEMA).contains(&n)) =>
        {
            Ok(())
        }
        other => Err(Ok(
            other.map_or_else(|| "none".to_owned(), |schema| schema.to_string())
        )),
    }
}

impl Confusion {
    /// Why it is no square matrix of reasonable size; `None` where it is one.
    pub(super) fn problem(&self) -> Option<String> {
        let n = self.labels.len();
        if n > MAX_CLASSES {
            return Some(format!("expected at most {MAX_CLASSES} labels, found {n}"));
        }
        if self.rows_truth.len() != n {
            let found = self.rows_truth.len();
            return Some(format!("expected {n} rows, one a label, found {found}"));
        }
        let rows = self.rows_truth.iter().enumerate();
        rows.filter(|(_, row)| row.len() != n)
            .map(|(i, row)| format!("row {i}: expected {n} counts, found {}", row.len()))
            .next()
    }
}
