//! Tables that a user hands in: CSV, JSON lines or Parquet, cell by cell as text or JSON.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

/// A truth and its prediction, as text.
pub(crate) struct Pair {
    /// Where they stand: `line 2` of a CSV file, whose header is line 1, or `row 1` of a Parquet file.
    pub(crate) place: String,
    pub(crate) truth: String,
    pub(crate) prediction: String,
}

/// The two columns of `unimse score`, row by row.
pub(crate) fn truths_and_predictions(path: &Path) -> Result<Vec<Pair>> {
    let rows = match extension(path).as_str() {
        "csv" => csv_pairs(path)?,
        "parquet" => parquet_pairs(path)?,
        other => bail!(
            "{}: expected a .csv or .parquet file, found .{other}",
            path.display()
        ),
    };
    if rows.is_empty() {
        bail!("{}: expected at least one row, found none", path.display());
    }
    Ok(rows)
}

fn extension(path: &Path) -> String {
    path.extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// A text without the mark of UTF-8 that some programs put in front.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A file of UTF-8 text, without its mark.
fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(without_bom(&text).to_owned())
}

fn csv_pairs(path: &Path) -> Result<Vec<Pair>> {
    let mut text = Vec::new();
    let mut file = unimse_formats::open_file(path)?;
    (file.read_to_end(&mut text)).with_context(|| path.display().to_string())?;
    let wrong = |error: csv::Error| anyhow!("{}: {}", path.display(), csv_in_words(&error, &text));
    let mut reader = csv::Reader::from_reader(&text[..]);
    let headers = reader.headers().map_err(wrong)?.clone();
    let names: Vec<&str> = headers.iter().map(str::trim).collect();
    let (truth, prediction) = (
        position(path, &names, "truth")?,
        position(path, &names, "prediction")?,
    );
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(1, |p| line_of(p, &text));
        let cell = |c: usize| record.get(c).unwrap_or_default().to_owned();
        rows.push(Pair {
            place: format!("line {line}"),
            truth: cell(truth),
            prediction: cell(prediction),
        });
    }
    Ok(rows)
}

/// The one column of this name.
fn position(path: &Path, names: &[&str], wanted: &str) -> Result<usize> {
    let mut found = (names.iter().enumerate()).filter(|(_, name)| **name == wanted);
    let (path, names) = (path.display(), names.join(", "));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => bail!("{path}: column {wanted} is missing (found: {names})"),
        (Some(_), Some(_)) => {
            bail!("{path}: expected one column {wanted}, found more (found: {names})")
        }
    }
}

/// The line that a record begins on: its own position is that of the empty lines before it.
fn line_of(position: &csv::Position, text: &[u8]) -> u64 {
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.get(from..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// What is wrong with a CSV file, by the line it stands in.
fn csv_in_words(error: &csv::Error, text: &[u8]) -> String {
    let line = error.position().map_or(1, |p| line_of(p, text));
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line}: expected {expected_len} fields as in the header, found {len}"),
        csv::ErrorKind::Utf8 { .. } => format!("line {line}: expected UTF-8, found other bytes"),
        _ => error.to_string(),
    }
}

fn parquet_pairs(path: &Path) -> Result<Vec<Pair>> {
    let name = || path.display().to_string();
    let file = unimse_formats::open_file(path)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).with_context(name)?;
    let schema = reader.schema().clone();
    let names: Vec<&str> = (schema.fields().iter())
        .map(|field| field.name().as_str())
        .collect();
    let places = [
        position(path, &names, "truth")?,
        position(path, &names, "prediction")?,
    ];
    let mut rows = Vec::new();
    let options = FormatOptions::default().with_null("");
    for batch in reader.build().with_context(name)? {
        let batch: RecordBatch = batch.with_context(name)?;
        let text = |at: usize| {
            ArrayFormatter::try_new(batch.column(at).as_ref(), &options).with_context(name)
        };
        let (truth, prediction) = (text(places[0])?, text(places[1])?);
        for i in 0..batch.num_rows() {
            rows.push(Pair {
                place: format!("row {}", rows.len() + 1),
                truth: truth.value(i).try_to_string().with_context(name)?,
                prediction: prediction.value(i).try_to_string().with_context(name)?,
            });
        }
    }
    Ok(rows)
}

/// Rows of a CSV or JSON-lines file as objects, with the text that names each in errors.
pub(crate) fn objects(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let rows = match extension(path).as_str() {
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

/// A value in a message: its beginning.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
