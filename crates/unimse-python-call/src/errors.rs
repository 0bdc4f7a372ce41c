//! Errors of the library crates as Python exceptions with the same text.
//!
//! The classes live in `python/unimse/errors.py`: each is a `UnimseError` and what Python itself would raise, `ValueError` or `OSError`.

use std::fmt::Display;

use pyo3::PyErr;
use unimse_corpus::CorpusError;
use unimse_corpus::demo::DemoError;
use unimse_formats::FormatError;
use unimse_run::{FileError, ResultsError};

mod classes {
    pyo3::import_exception!(unimse.errors, InputError);
    pyo3::import_exception!(unimse.errors, FileError);
}

/// What was given cannot be used: values, options, or what a file holds.
pub fn input(error: impl Display) -> PyErr {
    classes::InputError::new_err(error.to_string())
}

/// The operating system refused.
pub fn system(error: impl Display) -> PyErr {
    classes::FileError::new_err(error.to_string())
}

/// Of a reader of files.
pub fn of_format(error: &FormatError) -> PyErr {
    match error {
        FormatError::Io { .. } | FormatError::NotAFile { .. } => system(error),
        _ => input(error),
    }
}

/// Of a data folder or a table.
pub fn of_corpus(error: &CorpusError) -> PyErr {
    of_corpus_as(error, error)
}

/// Of a data folder or a table, with the text that `text` gives it.
pub fn of_corpus_as(error: &CorpusError, text: impl Display) -> PyErr {
    match error {
        CorpusError::Io { .. }
        | CorpusError::Format(FormatError::Io { .. } | FormatError::NotAFile { .. }) => {
            system(text)
        }
        _ => input(text),
    }
}

/// Of the demo data.
pub fn of_demo(error: &DemoError) -> PyErr {
    match error {
        DemoError::Io { .. } => system(error),
        _ => input(error),
    }
}

/// Of a file of a run; the system's own reason stands behind it.
pub fn of_file(error: &FileError) -> PyErr {
    system(format_args!("{error}: {}", error.source))
}

/// Of `results.json`.
pub fn of_results(error: &ResultsError) -> PyErr {
    match error {
        ResultsError::File(error) => of_file(error),
        _ => input(error),
    }
}
