//! Universal labels for the rows of a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use pyo3::prelude::*;
use unimse_corpus::{LabelRow, labels_to_batch, samples_from_batch};
use unimse_labels::{Sample, UnifyOptions, UniversalLabel, unify_while};

use crate::arguments::{Matrix, choice};
use crate::table::{Table, batch_of};
use unimse_python_call::errors::input;
use unimse_python_call::work;

#[pyfunction]
#[pyo3(signature = (table, embeddings, *, donors = "train", queries = "train+dev", min_similarity = None, seed = 1))]
pub(crate) fn unify(
    table: &Bound<'_, PyAny>,
    embeddings: &Bound<'_, PyAny>,
    donors: &str,
    queries: &str,
    min_similarity: Option<f32>,
    seed: u64,
) -> PyResult<Table> {
    let options = UnifyOptions {
        donors: choice(donors)?,
        queries: choice(queries)?,
        min_similarity,
        seed,
    };
    let batch = batch_of(table)?;
    let embeddings = Matrix::new("embeddings", embeddings)?;
    let (values, dim) = (embeddings.values()?, embeddings.dim());
    let labels = work::run(table.py(), |wanted| {
        let samples = samples_from_batch(&batch).map_err(|error| format!("table: {error}"))?;
        let labels = unify_while(&samples, values, dim, &options, || wanted.is())
            .map_err(|error| error.to_string())?;
        labelled(samples.into_iter().zip(labels)).map_err(|error| error.to_string())
    })?;
    Ok(Table::new(labels.map_err(input)?))
}

/// The label table with the corpus of every row before it.
pub(crate) fn labelled(
    rows: impl IntoIterator<Item = (Sample, Option<UniversalLabel>)>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let row = |(sample, label): (Sample, _)| {
        let row = LabelRow {
            utterance_id: sample.utterance_id,
            split: sample.split,
            label,
        };
        (sample.corpus, row)
    };
    let (names, rows): (Vec<String>, Vec<LabelRow>) = rows.into_iter().map(row).unzip();
    let corpus: ArrayRef = Arc::new(StringArray::from(names));
    let batch = labels_to_batch(&rows)?;
    let mut fields = vec![Arc::new(Field::new("corpus", DataType::Utf8, false))];
    fields.extend(batch.schema().fields().iter().cloned());
    let columns = [&[corpus][..], batch.columns()].concat();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
