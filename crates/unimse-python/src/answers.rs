//! Rows of a table as JSON lines, which a model answers, and its answers as a table again.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float32Builder, Int64Array, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Field as Column, Schema};
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use unimse_python_call::errors::input;
use unimse_python_call::work;
use unimse_run::{Answer, Classes, Intensity, NonFinite};

use crate::table::{Table, batch_of};

/// Columns that `unimse predict` takes out of a row; of its answer only the text has the name of one.
const TAKEN: [&str; 5] = ["text", "context", "context_after", "audio", "video"];

/// The rows of a table as JSON lines; what is null there is null here.
#[pyfunction]
pub(crate) fn json_lines<'py>(table: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let batch = batch_of(table)?;
    let lines = work::run(table.py(), |_| {
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, LineDelimited>(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        Ok::<Vec<u8>, arrow::error::ArrowError>(writer.into_inner())
    })?;
    let lines = lines.map_err(|error| input(format_args!("table: {error}")))?;
    Ok(PyBytes::new(table.py(), &lines))
}

/// The answers to the rows of `table`, one JSON line a row, as columns; behind them the columns of the table that are no input of the model,
/// `input_` before the name of one that an answer has too.
#[pyfunction]
pub(crate) fn answer_table(table: &Bound<'_, PyAny>, lines: &[u8]) -> PyResult<Table> {
    let batch = batch_of(table)?;
    let answers = work::run(table.py(), |_| {
        let lines = lines.split(|&byte| byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(serde_json::from_slice)
            .collect::<Result<Vec<Answer>, _>>()
    })?;
    let answers = answers.map_err(input)?;
    let mut columns = columns(&answers);
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name();
        if TAKEN.contains(&name.as_str()) {
            continue;
        }
        let twice = columns.iter().any(|(own, _)| own == name);
        let name = if twice {
            format!("input_{name}")
        } else {
            name.clone()
        };
        columns.push((name, Arc::clone(column)));
    }
    let fields = columns
        .iter()
        .map(|(name, column)| Column::new(name, column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(Table::new(
        RecordBatch::try_new(Arc::new(schema), columns).map_err(input)?,
    ))
}

/// What the answers say, named as in `predictions.parquet`; a column is null where the run has no such field.
fn columns(answers: &[Answer]) -> Vec<(String, ArrayRef)> {
    let mut columns = vec![("text".to_owned(), text(answers, |a| Some(a.text.as_str())))];
    columns.extend(classes(answers, "polarity", |a| Some(&a.polarity)));
    for (name, cell) in [
        ("intensity", (|i| i.value) as fn(Intensity) -> f32),
        ("intensity_low", |i| i.low),
        ("intensity_high", |i| i.high),
    ] {
        let values = answers.iter().map(|a| a.intensity.map(cell));
        columns.push((name.to_owned(), Arc::new(values.collect::<Float32Array>())));
    }
    columns.extend(classes(answers, "meld", |a| a.meld.as_ref()));
    columns.extend(classes(answers, "iemocap", |a| a.iemocap.as_ref()));
    let why = answers.iter().map(|a| a.disagreements.join("; "));
    let why = why.map(|why| Some(why).filter(|why| !why.is_empty()));
    let why: ArrayRef = Arc::new(why.collect::<StringArray>());
    columns.push(("disagreements".to_owned(), why));
    for (name, count) in [
        ("non_finite_audio", (|n| n.audio) as fn(NonFinite) -> usize),
        ("non_finite_video", |n| n.video),
    ] {
        let counts = answers.iter().map(|a| count(a.non_finite) as i64);
        columns.push((
            name.to_owned(),
            Arc::new(Int64Array::from_iter_values(counts)),
        ));
    }
    columns
}

/// The class that was chosen of a field, and the probabilities of all of them.
fn classes(
    answers: &[Answer],
    name: &str,
    cell: fn(&Answer) -> Option<&Classes>,
) -> [(String, ArrayRef); 2] {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for answer in answers {
        let classes = cell(answer);
        let values = classes.into_iter().flat_map(|c| c.probabilities.iter());
        values.for_each(|(_, &value)| lists.values().append_value(value));
        lists.append(classes.is_some());
    }
    let chosen = text(answers, |a| cell(a).map(|c| c.label.as_str()));
    [
        (name.to_owned(), chosen),
        (format!("{name}_probabilities"), Arc::new(lists.finish())),
    ]
}

fn text(answers: &[Answer], cell: impl Fn(&Answer) -> Option<&str>) -> ArrayRef {
    Arc::new(answers.iter().map(cell).collect::<StringArray>())
}
