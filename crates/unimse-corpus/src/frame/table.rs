//! A Parquet file as a frame: its columns of one value a row; lists are not read.

use super::FRAME_KEYS;
use crate::{CorpusError, Steps, store};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader},
    compute::cast,
    datatypes::{DataType, Float32Type, Float64Type, Int32Type},
};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use polars::prelude::{Column, DataFrame, PolarsResult};
use std::path::Path;
use unimse_formats::open_file;

/// The columns of a Parquet file that hold text, numbers or truth values, in their order.
pub(super) fn scalars(path: &Path) -> Result<DataFrame, CorpusError> {
    let wrong = CorpusError::table(path);
    let file = open_file(path)?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(CorpusError::table(path))?;
    let fields = builder.schema().fields().iter().enumerate();
    let wanted: Vec<usize> = fields
        .filter(|(_, field)| is_scalar(field.data_type()))
        .map(|(at, _)| at)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).build();
    let reader = reader.map_err(CorpusError::table(path))?;
    // a file without a row has its columns too
    let empty = RecordBatch::new_empty(reader.schema());
    let mut frame = frame_of(&empty).map_err(&wrong)?;
    for batch in reader {
        let batch = batch.map_err(CorpusError::table(path))?;
        let rows = frame_of(&batch).map_err(&wrong)?;
        frame.vstack_mut(&rows).map_err(CorpusError::table(path))?;
    }
    Ok(frame)
}

fn is_scalar(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Int32 | DataType::Float32 | DataType::Float64 => true,
        DataType::Dictionary(_, value) => **value == DataType::Utf8,
        _ => false,
    }
}

fn frame_of(batch: &RecordBatch) -> Result<DataFrame, String> {
    let columns: Vec<Column> = (batch.schema_ref().fields().iter())
        .zip(batch.columns())
        .map(|(field, array)| column(field.name(), array))
        .collect::<Result<_, _>>()?;
    DataFrame::new(batch.num_rows(), columns).map_err(|error| error.to_string())
}

fn column(name: &str, array: &ArrayRef) -> Result<Column, String> {
    let wrong = || format!("column {name}: unexpected {}", array.data_type());
    macro_rules! numbers {
        ($type:ty) => {{
            let array = array.as_primitive_opt::<$type>().ok_or_else(wrong)?;
            Column::new(name.into(), array.iter().collect::<Vec<_>>())
        }};
    }
    Ok(match array.data_type() {
        DataType::Int32 => numbers!(Int32Type),
        DataType::Float32 => numbers!(Float32Type),
        DataType::Float64 => numbers!(Float64Type),
        DataType::Boolean => {
            let array = array.as_boolean_opt().ok_or_else(wrong)?;
            Column::new(name.into(), array.iter().collect::<Vec<_>>())
        }
        _ => {
            let text = cast(array, &DataType::Utf8).map_err(|_| wrong())?;
            let text = text.as_string_opt::<i32>().ok_or_else(wrong)?;
            Column::new(name.into(), text.iter().collect::<Vec<_>>())
        }
    })
}

/// What a file says of utterances, each column but the [`FRAME_KEYS`] behind a prefix; the truth and the dialogue that it repeats are left out.
pub(super) fn renamed(frame: DataFrame, prefix: &str) -> PolarsResult<DataFrame> {
    let height = frame.height();
    let columns = frame.into_columns().into_iter();
    let columns = columns
        .filter(|column| !column.name().starts_with("truth_") && column.name() != "dialogue_id")
        .map(
            |column| match FRAME_KEYS.contains(&column.name().as_str()) {
                true => column,
                false => {
                    let name = format!("{prefix}{}", column.name());
                    column.with_name(name.into())
                }
            },
        );
    DataFrame::new(height, columns.collect())
}

/// The [`FRAME_KEYS`] of a table of utterances and the steps of their features.
pub(super) fn steps_of(path: &Path) -> Result<DataFrame, CorpusError> {
    let mut keys = scalars(path)?
        .select(FRAME_KEYS)
        .map_err(CorpusError::table(path))?;
    let mut counts: [Vec<Option<u32>>; 2] = Default::default();
    let names = ["audio", "video"];
    for batch in store::open_table(path)? {
        let batch = batch?;
        for (name, counts) in names.into_iter().zip(&mut counts) {
            let wrong =
                |message: String| CorpusError::table(path)(format!("column {name}: {message}"));
            let column = batch.column_by_name(name);
            let column = column.ok_or_else(|| wrong("missing".to_owned()))?;
            let features = Steps::view(column).map_err(wrong)?;
            let steps = |row| {
                let found = features.get(row)?;
                u32::try_from(found.values.len() / found.dim.max(1)).ok()
            };
            counts.extend((0..batch.num_rows()).map(steps));
        }
    }
    for (name, counts) in names.into_iter().zip(counts) {
        let column = Column::new(format!("{name}_steps").into(), counts);
        keys.with_column(column).map_err(CorpusError::table(path))?;
    }
    Ok(keys)
}
