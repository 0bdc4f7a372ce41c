//! The rows of a table of the user's own, from each of its three forms: cells of text, and features that the table holds itself.

use super::{
    columns,
    inline::{self, Inline, is_list, kind},
};
use crate::{
    Code, CorpusError,
    draft::Modality,
    finding::Findings,
    folder::{Table, at, read_text},
};
use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::DataType,
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, basic::Compression,
    file::metadata::ParquetMetaData,
};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use unimse_formats::open_file;

/// Cells as text; lists of numbers in `audio` and `video` apart, by the number of the row.
pub(super) struct Rows {
    pub(super) table: Table,
    given: Given,
}

impl Rows {
    /// Reads the table; columns that are unknown or there twice are told.
    pub(super) fn read(
        path: &Path,
        file: String,
        findings: &mut Findings,
    ) -> Result<Self, CorpusError> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => comma_separated(path, file, findings),
            Some("jsonl") => json_lines(path, file, findings),
            _ => parquet(path, file, findings),
        }
    }

    /// What a row holds of a modality itself.
    pub(super) fn take(&mut self, row: u64, modality: Modality) -> Option<Inline> {
        self.given.remove(&(row, modality))
    }
}

fn modality_of(column: &str) -> Option<Modality> {
    (Modality::ALL.into_iter()).find(|modality| column.eq_ignore_ascii_case(modality.name()))
}

/// Without a column it is lacking as a whole.
fn lacking(table: &Table, meant: &str) -> Vec<Option<String>> {
    match table.find(&[meant]) {
        Some(_) => Vec::new(),
        None => vec![None],
    }
}

fn comma_separated(
    path: &Path,
    file: String,
    findings: &mut Findings,
) -> Result<Rows, CorpusError> {
    let table = Table::read(path, file, findings)?;
    columns::check(&table, |_, meant| lacking(&table, meant), findings);
    let given = Given::new();
    Ok(Rows { table, given })
}

/// Features that a cell of text holds, `[[1, 2], [3, 4]]`; `None` for an empty list.
pub(super) fn from_text(cell: &str) -> Result<Option<Inline>, String> {
    let list = serde_json::from_str::<Vec<Value>>(cell).map_err(|error| in_words(&error))?;
    Inline::of_json(&list)
}

/// Features that rows hold themselves, by the number of the row.
type Given = BTreeMap<(u64, Modality), Inline>;

/// Keeps features that could be read; the error of those that could not.
fn keep(
    read: Result<Option<Inline>, String>,
    place: (u64, Modality),
    given: &mut Given,
) -> Result<(), String> {
    let read = read.map_err(|message| format!("column {}: {message}", place.1.name()))?;
    given.extend(read.map(|inline| (place, inline)));
    Ok(())
}

/// One object a line; a key that some line lacks is an empty cell there.
fn json_lines(path: &Path, file: String, findings: &mut Findings) -> Result<Rows, CorpusError> {
    let text = read_text(path, &file, findings)?;
    let mut objects: Vec<(u64, BTreeMap<String, String>)> = Vec::new();
    let mut header: Vec<String> = Vec::new();
    let mut given = Given::new();
    for (line, text) in (1..)
        .zip(text.lines())
        .filter(|(_, text)| !text.trim().is_empty())
    {
        let object = match object(text) {
            Ok(object) => object,
            Err(message) => {
                findings.add(Code::Json, &file, at(line), message);
                continue;
            }
        };
        let mut cells = BTreeMap::new();
        for (key, value) in object {
            let cell = json_cell(&key, value, line, &mut given).unwrap_or_else(|message| {
                findings.add(Code::Field, &file, at(line), message);
                String::new()
            });
            if !header.contains(&key) {
                header.push(key.clone());
            }
            if cells.insert(key.clone(), cell).is_some() {
                let message = format!("column {key}: expected once, found twice in one object");
                findings.add(Code::DuplicateColumn, &file, at(line), message);
            }
        }
        objects.push((line, cells));
    }
    let rows = (objects.iter())
        .map(|(line, cells)| {
            let cell = |key| cells.get(key).map_or("", String::as_str);
            (*line, header.iter().map(cell).collect())
        })
        .collect();
    let table = Table::new(path, file, header, rows, "line");
    columns::check(
        &table,
        |column, meant| without(&objects, column, meant),
        findings,
    );
    Ok(Rows { table, given })
}

/// The text of a value; features go to `given`.
fn json_cell(key: &str, value: Value, line: u64, given: &mut Given) -> Result<String, String> {
    match (value, modality_of(key)) {
        (Value::Null, _) => Ok(String::new()),
        (Value::String(text), _) => Ok(text),
        (Value::Array(list), Some(modality)) => {
            keep(Inline::of_json(&list), (line, modality), given)?;
            Ok(String::new())
        }
        (value @ (Value::Array(_) | Value::Object(_)), _) if is_known(key) => {
            let found = kind(&value);
            Err(format!(
                "column {key}: expected text or a number, found {found}"
            ))
        }
        (Value::Array(_) | Value::Object(_), _) => Ok(String::new()),
        (value, _) => Ok(value.to_string()),
    }
}

/// The lines that have a column, but not the one that it was probably meant to be.
fn without(
    objects: &[(u64, BTreeMap<String, String>)],
    column: &str,
    meant: &str,
) -> Vec<Option<String>> {
    let has = |cells: &BTreeMap<String, String>| {
        (cells.keys()).any(|key| key.eq_ignore_ascii_case(meant))
    };
    (objects.iter())
        .filter(|(_, cells)| cells.contains_key(column) && !has(cells))
        .map(|(line, _)| at(*line))
        .collect()
}

fn is_known(column: &str) -> bool {
    (columns::KNOWN.iter()).any(|name| column.eq_ignore_ascii_case(name))
}

/// The keys and values of a JSON object, those of a key that is there twice too.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn object(text: &str) -> Result<Vec<(String, Value)>, String> {
    if !text.trim_start().starts_with('{') {
        let start: String = text.trim().chars().take(20).collect();
        return Err(format!("expected one JSON object a line, found {start:?}"));
    }
    let pairs = serde_json::from_str::<Pairs>(text);
    let pairs = pairs.map_err(|error| {
        format!(
            "expected one JSON object a line, found: {}",
            in_words(&error)
        )
    })?;
    Ok(pairs.0)
}

/// An error in one line of JSON by its place in the line.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!(
        "{what} at byte {} (NaN and Infinity are no JSON: write null)",
        error.column()
    )
}

/// Rows are counted from 1.
fn parquet(path: &Path, file: String, findings: &mut Findings) -> Result<Rows, CorpusError> {
    let wrong = CorpusError::table(path);
    let reader = ParquetRecordBatchReaderBuilder::try_new(open_file(path)?).map_err(&wrong)?;
    check_codec(reader.metadata()).map_err(CorpusError::table(path))?;
    let fields = reader.schema().fields().clone();
    let header: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    for field in &fields {
        let modality = modality_of(field.name()).filter(|_| is_list(field.data_type()));
        if is_known(field.name()) && field.data_type().is_nested() && modality.is_none() {
            let found = inline::words(field.data_type());
            let message = format!(
                "column {}: expected text or numbers, found {found}",
                field.name()
            );
            findings.add(Code::Field, &file, None, message);
        }
    }
    let mut rows: Vec<(u64, csv::StringRecord)> = Vec::new();
    let mut given = Given::new();
    for batch in reader.build().map_err(&wrong)? {
        let batch = batch.map_err(CorpusError::table(path))?;
        let columns: Vec<Option<ArrayRef>> = (fields.iter().zip(batch.columns()))
            .map(|(field, column)| as_text(field.name(), column))
            .collect::<Result<_, _>>()
            .map_err(CorpusError::table(path))?;
        for i in 0..batch.num_rows() {
            let number = rows.len() as u64 + 1;
            let cells = columns.iter().map(|column| {
                let text = column
                    .as_ref()
                    .and_then(|column| column.as_string_opt::<i32>());
                text.filter(|text| text.is_valid(i))
                    .map_or("", |text| text.value(i))
            });
            rows.push((number, cells.collect()));
            for (field, column) in fields.iter().zip(batch.columns()) {
                let modality = modality_of(field.name()).filter(|_| is_list(field.data_type()));
                let Some(modality) = modality else { continue };
                let place = (number, modality);
                if let Err(message) = keep(Inline::of_arrow(column, i), place, &mut given) {
                    findings.add(Code::Field, &file, Some(format!("row {number}")), message);
                }
            }
        }
    }
    let table = Table::new(path, file, header, rows, "row");
    columns::check(&table, |_, meant| lacking(&table, meant), findings);
    Ok(Rows { table, given })
}

/// A known column of plain values as text.
fn as_text(name: &str, column: &ArrayRef) -> Result<Option<ArrayRef>, String> {
    if !is_known(name) || column.data_type().is_nested() {
        return Ok(None);
    }
    match cast(column, &DataType::Utf8) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(format!(
            "column {name}: expected text or numbers, found {}",
            inline::words(column.data_type())
        )),
    }
}

/// Every codec is read but one that nobody has a free reader of.
fn check_codec(metadata: &ParquetMetaData) -> Result<(), String> {
    let mut columns = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    match columns.any(|column| column.compression() == Compression::LZO) {
        true => Err("compressed with LZO, which is not read: write it with zstd, snappy, gzip, brotli, lz4 or none".to_owned()),
        false => Ok(()),
    }
}
