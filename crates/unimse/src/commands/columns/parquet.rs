//! Parquet: only the columns asked for are decoded; errors count rows from 1.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Cell, Sink, position, wrong};

/// Rows that are decoded at once.
const BATCH: usize = 8192;

pub(super) fn read(path: &Path, columns: &[String], sink: &mut Sink<'_>) -> Result<()> {
    let name = || path.display().to_string();
    let file = unimse_formats::open_file(path)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).with_context(name)?;
    let schema = builder.schema().clone();
    let fields = schema.fields().iter();
    let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
    let places = columns.iter().map(|column| position(path, &names, column));
    let places: Vec<usize> = places.collect::<Result<_>>()?;
    let wanted = ProjectionMask::roots(builder.parquet_schema(), places);
    let reader = builder.with_projection(wanted).with_batch_size(BATCH);
    let mut row = 0_usize;
    for batch in reader.build().with_context(name)? {
        let batch = batch.with_context(name)?;
        let mut decoded = Vec::new();
        for column in columns {
            let array = batch.column_by_name(column);
            let array = array.with_context(|| format!("{}: column {column} is gone", name()))?;
            decoded
                .push(Column::new(array).with_context(|| format!("{}: column {column}", name()))?);
        }
        for at in 0..batch.num_rows() {
            row += 1;
            let cells: Vec<Cell<'_>> = decoded.iter().map(|column| column.cell(at)).collect();
            sink(&cells).map_err(|cell| wrong(path, &format!("row {row}"), columns, &cell))?;
        }
    }
    Ok(())
}

/// A column of a batch as what its cells are.
enum Column {
    Numbers(Float64Array),
    Text(StringArray),
    /// The lists, and all their numbers; one that is null is NaN.
    Lists(ListArray, Vec<f64>),
}

impl Column {
    fn new(array: &ArrayRef) -> Result<Self> {
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        Ok(match array.data_type() {
            number if number.is_numeric() => {
                Self::Numbers(cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Boolean
            | DataType::Null
            | DataType::Dictionary(..) => {
                Self::Text(cast(array, &DataType::Utf8)?.as_string().clone())
            }
            DataType::List(inner)
            | DataType::LargeList(inner)
            | DataType::FixedSizeList(inner, _)
                if inner.data_type().is_numeric() =>
            {
                let lists = cast(array, &DataType::List(item))?.as_list::<i32>().clone();
                let numbers = lists.values().as_primitive::<Float64Type>().iter();
                let numbers = numbers.map(|number| number.unwrap_or(f64::NAN)).collect();
                Self::Lists(lists, numbers)
            }
            other => bail!("expected numbers, text or lists of numbers, found {other}"),
        })
    }

    fn cell(&self, at: usize) -> Cell<'_> {
        match self {
            Self::Numbers(numbers) if numbers.is_valid(at) => Cell::Number(numbers.value(at)),
            Self::Text(text) if text.is_valid(at) => Cell::Text(text.value(at)),
            Self::Lists(lists, numbers) if lists.is_valid(at) => {
                let ends = lists.value_offsets();
                let (start, end) = (ends[at] as usize, ends[at + 1] as usize);
                Cell::Numbers(numbers.get(start..end).unwrap_or_default())
            }
            _ => Cell::Missing,
        }
    }
}
