//! Tables that a user hands in: CSV, JSON lines or Parquet, cell by cell as text or JSON.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

/// The two columns of `unimse score`, row by row, as text.
pub(crate) fn truths_and_predictions(path: &Path) -> Result<Vec<(String, String)>> {
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

fn csv_pairs(path: &Path) -> Result<Vec<(String, String)>> {
    let text = text(path)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .with_context(|| path.display().to_string())?
        .clone();
    let at = |name: &str| {
        let found = headers.iter().collect::<Vec<_>>().join(", ");
        headers
            .iter()
            .position(|h| h.trim() == name)
            .ok_or_else(|| {
                anyhow!(
                    "{}: column {name} is missing (found: {found})",
                    path.display()
                )
            })
    };
    let (truth, prediction) = (at("truth")?, at("prediction")?);
    let mut rows = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("{}: row {}", path.display(), i + 1))?;
        let cell = |c: usize| record.get(c).unwrap_or_default().to_owned();
        rows.push((cell(truth), cell(prediction)));
    }
    Ok(rows)
}

fn parquet_pairs(path: &Path) -> Result<Vec<(String, String)>> {
    let name = || path.display().to_string();
    let file = std::fs::File::open(path).with_context(name)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .with_context(name)?
        .build()
        .with_context(name)?;
    let mut rows = Vec::new();
    let options = FormatOptions::default().with_null("");
    for batch in reader {
        let batch: RecordBatch = batch.with_context(name)?;
        let column = |wanted: &str| {
            let array = batch
                .column_by_name(wanted)
                .ok_or_else(|| anyhow!("{}: column {wanted} is missing", path.display()))?;
            ArrayFormatter::try_new(array.as_ref(), &options).with_context(name)
        };
        let (truth, prediction) = (column("truth")?, column("prediction")?);
        for i in 0..batch.num_rows() {
            rows.push((
                truth.value(i).try_to_string()?,
                prediction.value(i).try_to_string()?,
            ));
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
