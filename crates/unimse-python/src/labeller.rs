//! Universal labels of a stream: donors that are parsed once and kept, asked by one table after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, GenericListArray, OffsetSizeTrait,
    RecordBatch,
};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Schema};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use unimse_corpus::samples_from_batch;
use unimse_labels::Labeller as Kept;

use crate::labels::labelled;
use crate::table::{Table, batch_of};
use unimse_python_call::errors::input;
use unimse_python_call::work;

/// The column of sentence embeddings.
const EMBEDDING: &str = "embedding";

/// What `unimse.stream.Labeller` asks: donors as they are kept, and the columns that they came with, for its copies in other processes.
#[pyclass(module = "unimse._native", frozen)]
pub(crate) struct Labeller {
    kept: Mutex<Kept>,
    /// Of the donors, without the embeddings.
    columns: RecordBatch,
    min_similarity: Option<f32>,
}

#[pymethods]
impl Labeller {
    #[new]
    #[pyo3(signature = (donors, min_similarity = None))]
    fn new(donors: &Bound<'_, PyAny>, min_similarity: Option<f32>) -> PyResult<Self> {
        let batch = batch_of(donors)?;
        let made = work::run(donors.py(), |_| {
            let samples = samples_from_batch(&batch)?;
            let (values, dim) = embeddings(&batch)?;
            Kept::new(samples, values.values().to_vec(), dim, min_similarity)
                .map_err(|error| error.to_string())
        })?;
        let places: Vec<usize> = (batch.schema().fields().iter().enumerate())
            .filter_map(|(place, field)| (field.name() != EMBEDDING).then_some(place))
            .collect();
        Ok(Self {
            kept: Mutex::new(made.map_err(input)?),
            columns: batch.project(&places).map_err(input)?,
            min_similarity,
        })
    }

    fn __call__(&self, block: &Bound<'_, PyAny>) -> PyResult<Table> {
        let batch = batch_of(block)?;
        let has_polarity = |batch: &RecordBatch| batch.column_by_name("polarity").is_some();
        if has_polarity(&batch) != has_polarity(&self.columns) {
            return Err(input(
                "column polarity: expected in the donors and in the rows that ask, or in neither",
            ));
        }
        let labels = work::run(block.py(), |wanted| {
            let samples = samples_from_batch(&batch)?;
            let (values, dim) = embeddings(&batch)?;
            let mut kept = self.kept();
            if dim != kept.dim() && !samples.is_empty() {
                let expected = kept.dim();
                return Err(format!(
                    "{EMBEDDING}: expected {expected} dimensions, found {dim}"
                ));
            }
            let rows = kept
                .label(samples, values.values(), || wanted.is())
                .map_err(|error| error.to_string())?;
            drop(kept);
            labelled(rows).map_err(|error| error.to_string())
        })?;
        Ok(Table::new(labels.map_err(input)?))
    }

    /// The type, and with what it is called to be another such object: for pickle, which copies large columns as they lie.
    fn __reduce__<'py>(labeller: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = labeller.py();
        let this = labeller.get();
        let donors = Bound::new(py, Table::new(this.donors().map_err(input)?))?;
        let donors = donors.call_method0("to_pyarrow")?;
        (labeller.get_type(), (donors, this.min_similarity)).into_pyobject(py)
    }

    fn __len__(&self) -> usize {
        self.columns.num_rows()
    }
}

impl Labeller {
    /// What one call leaves the next one finds as it was, whatever became of that call.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The donors as a table that they can be made of.
    fn donors(&self) -> Result<RecordBatch, String> {
        let kept = self.kept();
        let dim = i32::try_from(kept.dim()).map_err(|error| error.to_string())?;
        let values: ArrayRef = Arc::new(Float32Array::from(kept.embeddings().to_vec()));
        let item: FieldRef = Arc::new(Field::new_list_field(DataType::Float32, true));
        let lists = FixedSizeListArray::try_new(item, dim, values, None)
            .map_err(|error| error.to_string())?;
        let column = Field::new(EMBEDDING, lists.data_type().clone(), false);
        let mut fields = self.columns.schema().fields().to_vec();
        fields.push(Arc::new(column));
        let columns = [self.columns.columns(), &[Arc::new(lists)]].concat();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| e.to_string())
    }
}

/// The column `embedding` as a matrix `[rows, dim]`, read where it lies; `dim` is 0 where lists of any length have no row.
fn embeddings(batch: &RecordBatch) -> Result<(Float32Array, usize), String> {
    let column = batch
        .column_by_name(EMBEDDING)
        .ok_or(format!("column {EMBEDDING} is missing"))?;
    let null = |row: usize| {
        let row = row + 1;
        format!("row {row}: column {EMBEDDING}: expected numbers, found null")
    };
    if let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
        return Err(null(row));
    }
    let of_float = |item: &FieldRef| *item.data_type() == DataType::Float32;
    let (values, dim) = match column.data_type() {
        DataType::List(item) if of_float(item) => flat(column.as_list::<i32>())?,
        DataType::LargeList(item) if of_float(item) => flat(column.as_list::<i64>())?,
        DataType::FixedSizeList(item, dim) if of_float(item) => {
            let lists = column.as_fixed_size_list();
            (lists.values().clone(), usize::try_from(*dim).unwrap_or(0))
        }
        found => {
            return Err(format!(
                "column {EMBEDDING}: expected lists of float32, found {found}"
            ));
        }
    };
    match values
        .nulls()
        .and_then(|nulls| nulls.iter().position(|valid| !valid))
    {
        Some(at) => Err(null(at / dim)),
        None => Ok((values.as_primitive::<Float32Type>().clone(), dim)),
    }
}

/// The values of lists that must be of one length, and that length.
fn flat<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Result<(ArrayRef, usize), String> {
    let length = |row: usize| lists.value_length(row).as_usize();
    let dim = if lists.is_empty() { 0 } else { length(0) };
    if let Some(row) = (0..lists.len()).find(|&row| length(row) != dim) {
        return Err(format!(
            "row {}: column {EMBEDDING}: expected {dim} numbers as in row 1, found {}",
            row + 1,
            length(row)
        ));
    }
    let start = lists.value_offsets()[0].as_usize();
    Ok((lists.values().slice(start, lists.len() * dim), dim))
}
