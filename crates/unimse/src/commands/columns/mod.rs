//! Columns of a table that a user hands in, a row at a time: CSV, JSON lines, Parquet, `.npy`. Only what is asked for is looked at, and nothing
//! is kept here, so that a file of any size costs what its reader keeps of it.

mod csv;
mod jsonl;
mod npy;
mod parquet;

use std::path::Path;

use anyhow::{Result, anyhow, bail};

pub(crate) use npy::pair as npy_pair;

/// What stands in one column of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    /// A null, or a key that an object lacks.
    Missing,
    Number(f64),
    Text(&'a str),
    Numbers(&'a [f64]),
}

impl Cell<'_> {
    /// As messages quote it.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Missing => "nothing".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => match beginning(text) {
                whole if whole.len() == text.len() => format!("{text:?}"),
                begun => format!("{begun:?}..."),
            },
            Self::Numbers([]) => "an empty list".to_owned(),
            Self::Numbers(numbers) if numbers.len() > 12 => {
                format!("a list of {} numbers", numbers.len())
            }
            Self::Numbers(numbers) => format!("{numbers:?}"),
        }
    }
}

/// The first characters of a text, as many as an error shows.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().nth(60);
    end.map_or(text, |(at, _)| &text[..at])
}

/// A cell that is not what it should be; the reader of its file knows where it stands.
pub(crate) struct Wrong {
    /// Its column, as an index into those asked for.
    pub(crate) column: usize,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// What takes the cells of a row, in the order of the columns asked for.
pub(crate) type Sink<'s> = dyn FnMut(&[Cell<'_>]) -> Result<(), Wrong> + 's;

/// Gives the cells of `columns`, which are different names, to `sink`, row by row.
pub(crate) fn read(path: &Path, columns: &[String], sink: &mut Sink<'_>) -> Result<()> {
    match extension(path).as_str() {
        "csv" => csv::read(path, columns, sink),
        "jsonl" | "ndjson" => jsonl::read(path, columns, sink),
        "parquet" => parquet::read(path, columns, sink),
        other => bail!(
            "{}: expected a .csv, .jsonl, .parquet or .npy file, found .{other}",
            path.display()
        ),
    }
}

/// The ending of a path in small letters.
pub(crate) fn extension(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// The one column of this name.
fn position(path: &Path, names: &[&str], wanted: &str) -> Result<usize> {
    let mut found = (names.iter().enumerate()).filter(|(_, name)| **name == wanted);
    let (path, names) = (path.display(), quoted(names));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) if names.is_empty() => {
            bail!("{path}: expected a header with the column {wanted}, found an empty file")
        }
        (None, _) => bail!("{path}: column {wanted} is missing (found: {names})"),
        (Some(_), Some(_)) => {
            bail!("{path}: expected one column {wanted}, found more (found: {names})")
        }
    }
}

/// The first of the names of a header, without what a terminal would obey.
fn quoted(names: &[&str]) -> String {
    const MOST: usize = 30;
    let shown = names.iter().take(MOST);
    let shown = shown.map(|name| beginning(name).escape_debug().to_string());
    let shown: Vec<String> = shown.collect();
    let more = names.len().saturating_sub(MOST);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(", ") + &rest
}

/// `place` as in `line 3`.
fn wrong(path: &Path, place: &str, columns: &[String], wrong: &Wrong) -> anyhow::Error {
    anyhow!(
        "{}: {place}, column {}: expected {}, found {}",
        path.display(),
        columns[wrong.column],
        wrong.expected,
        wrong.found
    )
}
