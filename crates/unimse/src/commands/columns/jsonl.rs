//! JSON lines: one object a line; empty lines are left out, errors count lines from 1.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{Cell, Sink, Wrong, wrong};
use crate::commands::rows::without_bom;

pub(super) fn read(path: &Path, columns: &[String], sink: &mut Sink<'_>) -> Result<()> {
    let mut file = BufReader::new(unimse_formats::open_file(path)?);
    let mut bytes = Vec::new();
    let mut numbers = vec![Vec::new(); columns.len()];
    for line in 1.. {
        bytes.clear();
        let read = file.read_until(b'\n', &mut bytes);
        if read.with_context(|| path.display().to_string())? == 0 {
            break;
        }
        let failed = |found: String| {
            anyhow!(
                "{}: line {line}: expected one JSON object, found {found}",
                path.display()
            )
        };
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| failed("bytes that are no UTF-8".to_owned()))?;
        let text = if line == 1 { without_bom(text) } else { text };
        if text.trim().is_empty() {
            continue;
        }
        let values = object(text, columns).map_err(|error| failed(in_words(&error)))?;
        let cells = cells(&values, &mut numbers);
        let taken = cells.and_then(|cells| sink(&cells));
        taken.map_err(|cell| wrong(path, &format!("line {line}"), columns, &cell))?;
    }
    Ok(())
}

/// The values of `columns` in one line, by their place in them.
fn object(text: &str, columns: &[String]) -> serde_json::Result<Vec<Option<Value>>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let values = Wanted(columns).deserialize(&mut reader)?;
    reader.end()?;
    Ok(values)
}

/// The columns to be read of an object; each once.
struct Wanted<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<Option<Value>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(key) = map.next_key::<String>()? {
            match self.0.iter().position(|column| *column == key) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(at) if values[at].is_some() => {
                    return Err(A::Error::custom(format!("column {key} twice")));
                }
                Some(at) => values[at] = Some(map.next_value()?),
            }
        }
        Ok(values)
    }
}

/// An error by its place in the line.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!(
        "{what} at byte {} (NaN and Infinity are no JSON)",
        error.column()
    )
}

/// The values as cells; lists are put into `numbers`, one place a column.
fn cells<'a>(
    values: &'a [Option<Value>],
    numbers: &'a mut [Vec<f64>],
) -> Result<Vec<Cell<'a>>, Wrong> {
    let places = values.iter().zip(numbers).enumerate();
    let cell = |(column, (value, numbers)): (usize, (&'a Option<Value>, &'a mut Vec<f64>))| {
        let refused = |found: &str| {
            Err(Wrong {
                column,
                expected: "text, a number or a list of numbers".to_owned(),
                found: found.to_owned(),
            })
        };
        Ok(match value {
            None | Some(Value::Null) => Cell::Missing,
            Some(Value::String(text)) => Cell::Text(text),
            Some(Value::Bool(yes)) => Cell::Text(if *yes { "true" } else { "false" }),
            Some(Value::Number(number)) => Cell::Number(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::Array(list)) => {
                numbers.clear();
                numbers.extend(list.iter().map_while(Value::as_f64));
                if numbers.len() < list.len() {
                    return refused("a list with something else");
                }
                Cell::Numbers(numbers)
            }
            Some(Value::Object(_)) => return refused("an object"),
        })
    };
    places.map(cell).collect()
}
