//! Single cells of a table: text and numbers by column name and row, with errors that name the column.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type};

/// The column of this name and type.
///
/// # Errors
/// In words, where there is none.
pub fn column<'a>(
    batch: &'a RecordBatch,
    name: &str,
    kind: &DataType,
) -> Result<&'a ArrayRef, String> {
    let array = batch
        .column_by_name(name)
        .ok_or_else(|| format!("column {name} is missing"))?;
    if array.data_type() == kind {
        Ok(array)
    } else {
        Err(format!(
            "column {name}: expected {kind}, found {}",
            array.data_type()
        ))
    }
}

/// The text in row `i` of a column; `None` where it is null.
///
/// # Errors
/// As [`column()`].
pub fn text<'a>(batch: &'a RecordBatch, name: &str, i: usize) -> Result<Option<&'a str>, String> {
    let array = column(batch, name, &DataType::Utf8)?.as_string::<i32>();
    Ok(array.is_valid(i).then(|| array.value(i)))
}

/// The number in row `i` of a column; `None` where it is null.
///
/// # Errors
/// As [`column()`].
pub fn number(batch: &RecordBatch, name: &str, i: usize) -> Result<Option<f32>, String> {
    let array = column(batch, name, &DataType::Float32)?.as_primitive::<Float32Type>();
    Ok(array.is_valid(i).then(|| array.value(i)))
}

/// The word in row `i` of a column, of a closed vocabulary; `None` where it is null.
///
/// # Errors
/// As [`column()`], and a word outside the vocabulary.
pub(crate) fn parsed<T: std::str::FromStr>(
    batch: &RecordBatch,
    name: &str,
    i: usize,
) -> Result<Option<T>, String> {
    text(batch, name, i)?
        .map(|s| {
            s.parse()
                .map_err(|_| format!("column {name}: unknown value {s:?}"))
        })
        .transpose()
}
