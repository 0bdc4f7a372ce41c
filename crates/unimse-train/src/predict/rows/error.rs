//! What is wrong with a row.

use std::fmt::Display;

use unimse_corpus::CorpusError;

/// What is wrong with a row: its place, the field, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[error("{place}{reason}")]
pub struct RowError {
    /// Row and field, each with `: ` behind it.
    place: String,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a field of a row.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Its value.
    #[error("{0}")]
    Value(String),
    /// The file of features that it names, or the wave file that it holds.
    #[error(transparent)]
    Features(CorpusError),
}

impl RowError {
    /// The same, in the field `name`.
    pub(super) fn of_field(self, name: &str) -> Self {
        self.within(format_args!("field {name}"))
    }

    /// The same, in `place`.
    pub(super) fn within(mut self, place: impl Display) -> Self {
        self.place = format!("{place}: {}", self.place);
        self
    }
}

/// A value that cannot be used, in words.
impl From<String> for RowError {
    fn from(message: String) -> Self {
        Self {
            place: String::new(),
            reason: Reason::Value(message),
        }
    }
}

impl From<CorpusError> for RowError {
    fn from(error: CorpusError) -> Self {
        Self {
            place: String::new(),
            reason: Reason::Features(error),
        }
    }
}
