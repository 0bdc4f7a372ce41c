//! Tables in and out by Arrow's PyCapsule interface: no copy, and no package that must be there.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_pyarrow::FromPyArrow;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use unimse_python_call::errors::input;

/// A table with Arrow's PyCapsule interface: give it to `pyarrow.table`, `polars.DataFrame`, `pandas.DataFrame.from_arrow` or a query of
/// DuckDB. None of them copies it.
#[pyclass(module = "unimse", frozen)]
pub(crate) struct Table {
    schema: SchemaRef,
    batch: RecordBatch,
}

impl Table {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            batch,
        }
    }

    /// What `package.function(self)` gives.
    fn passed_to<'py>(
        table: &Bound<'py, Self>,
        package: &str,
        function: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = function
            .split('.')
            .try_fold(table.py().import(package)?.into_any(), |object, name| {
                object.getattr(name)
            })?;
        function.call1((table,))
    }
}

#[pymethods]
impl Table {
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(input)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// `requested_schema` is a wish that a producer may ignore, and this one does.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = [Ok(self.batch.clone())];
        let reader: Box<dyn RecordBatchReader + Send> =
            Box::new(RecordBatchIterator::new(batches, Arc::clone(&self.schema)));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }

    /// The names of its columns, in their order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().as_str()).collect()
    }

    /// A `pyarrow.Table` on the same memory.
    fn to_pyarrow<'py>(table: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::passed_to(table, "pyarrow", "table")
    }

    /// A `polars.DataFrame`.
    fn to_polars<'py>(table: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::passed_to(table, "polars", "DataFrame")
    }

    /// A `pandas.DataFrame`, by way of pyarrow.
    fn to_pandas<'py>(table: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_pyarrow(table)?.call_method0("to_pandas")
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __repr__(&self) -> String {
        let (rows, names) = (self.batch.num_rows(), self.column_names().join(", "));
        format!("<unimse.Table of {rows} rows: {names}>")
    }
}

/// The rows of any object with Arrow's PyCapsule interface, as one batch.
pub(crate) fn batch_of(table: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    if table.hasattr("__arrow_c_stream__")? {
        let reader = RecordBatchStreamReader::from_pyarrow_bound(table)?;
        let schema = reader.schema();
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(input)?;
        return match &batches[..] {
            [one] => Ok(one.clone()),
            several => arrow::compute::concat_batches(&schema, several).map_err(input),
        };
    }
    if table.hasattr("__arrow_c_array__")? {
        return RecordBatch::from_pyarrow_bound(table);
    }
    Err(PyTypeError::new_err(format!(
        "table: expected one with Arrow's PyCapsule interface, as of pandas, polars, pyarrow and DuckDB; found {}",
        table.get_type().name()?
    )))
}
