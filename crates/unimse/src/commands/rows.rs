//! Tables that a user hands in, CSV or JSON lines, as rows of JSON.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// A text without the mark of UTF-8 that some programs put in front.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A file of UTF-8 text, without its mark.
fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(without_bom(&text).to_owned())
}

/// Rows of a CSV or JSON-lines file as objects, with the text that names each in errors.
pub(crate) fn objects(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let rows = match super::columns::extension(path).as_str() {
        "csv" => csv_objects(path)?,
        "jsonl" | "ndjson" | "json" => json_objects(path)?,
        other => bail!(
            "{}: expected a .jsonl or .csv file, found .{other}",
            path.display()
        ),
    };
    if rows.is_empty() {
        bail!("{}: expected at least one row, found none", path.display());
    }
    Ok(rows)
}

fn csv_objects(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let text = text(path)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .with_context(|| path.display().to_string())?
        .clone();
    if let Some(twice) = headers.iter().enumerate().find_map(|(at, h)| {
        let before = headers.iter().take(at);
        before.into_iter().any(|other| other == h).then_some(h)
    }) {
        bail!(
            "{}: column {twice:?}: expected once, found twice",
            path.display()
        );
    }
    let mut rows = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("{}: row {}", path.display(), i + 1))?;
        rows.push(
            headers
                .iter()
                .zip(record.iter())
                .map(|(h, v)| (h.to_owned(), Value::from(v)))
                .collect(),
        );
    }
    Ok(rows)
}

fn json_objects(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let text = text(path)?;
    let mut rows = Vec::new();
    for (i, line) in text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty())
    {
        rows.push(
            json_object(line).with_context(|| format!("{}: line {}", path.display(), i + 1))?,
        );
    }
    Ok(rows)
}

/// One line of JSON lines.
pub(crate) fn json_object(line: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(line).context("expected a JSON object")
}
