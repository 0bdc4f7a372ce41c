//! What an evaluation left, read again: rows of `predictions.parquet`, and the video or dialogue of test rows from the utterance tables.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field as Column, Float32Type};
use unimse_corpus::cell::{column, number, text};
use unimse_labels::Split;
use unimse_run::PredictedRow;

use crate::TrainError;
use crate::data::labels_table::read_batches;

/// The rows of these splits in a `predictions.parquet`, in their order.
///
/// # Errors
/// [`TrainError`] with the path and, for a cell, its row and column; a file of another version.
pub fn predicted_rows(path: &Path, splits: &[Split]) -> Result<Vec<PredictedRow>, TrainError> {
    let (batches, metadata) = read_batches(path)?;
    let version = metadata.get("schema_version").map_or("none", |v| v);
    let (oldest, newest) = (PredictedRow::OLDEST, PredictedRow::SCHEMA);
    if !version
        .parse()
        .is_ok_and(|v| (oldest..=newest).contains(&v))
    {
        return Err(TrainError::artefact(
            path,
            format!(
                "schema_version: expected {oldest} to {newest}, found {version}; run `unimse evaluate` again"
            ),
        ));
    }
    let (mut rows, mut before) = (Vec::new(), 0);
    for batch in &batches {
        for i in 0..batch.num_rows() {
            let failed =
                |m: String| TrainError::artefact(path, format!("row {}: {m}", before + i + 1));
            let split = text(batch, "split", i).map_err(failed)?;
            if splits.iter().any(|wanted| split == Some(wanted.name())) {
                rows.push(row(batch, i).map_err(failed)?);
            }
        }
        before += batch.num_rows();
    }
    Ok(rows)
}

fn row(batch: &RecordBatch, i: usize) -> Result<PredictedRow, String> {
    let some = |name| Ok::<_, String>(text(batch, name, i)?.map(str::to_owned));
    let must = |name: &str| {
        let value = text(batch, name, i)?;
        let value = value.ok_or_else(|| format!("column {name}: expected a value, found null"))?;
        Ok::<_, String>(value.to_owned())
    };
    Ok(PredictedRow {
        corpus: must("corpus")?,
        split: must("split")?,
        utterance_id: must("utterance_id")?,
        dialogue_id: match batch.column_by_name("dialogue_id") {
            Some(_) => some("dialogue_id")?,
            None => None,
        },
        polarity: must("polarity")?,
        intensity: number(batch, "intensity", i)?,
        meld: some("meld")?,
        iemocap: some("iemocap")?,
        disagreements: some("disagreements")?,
        raw: must("raw")?,
        truth_score: number(batch, "truth_score", i)?,
        truth_polarity: some("truth_polarity")?,
        truth_emotion: some("truth_emotion")?,
        polarity_probabilities: list(batch, "polarity_probabilities", i)?,
        intensity_probabilities: list(batch, "intensity_probabilities", i)?,
        meld_probabilities: list(batch, "meld_probabilities", i)?,
        iemocap_probabilities: list(batch, "iemocap_probabilities", i)?,
    })
}

fn list(batch: &RecordBatch, name: &str, i: usize) -> Result<Option<Vec<f32>>, String> {
    let item = Column::new("item", DataType::Float32, true);
    let lists = column(batch, name, &DataType::List(item.into()))?.as_list::<i32>();
    if lists.is_null(i) {
        return Ok(None);
    }
    let values = lists.value(i);
    if values.null_count() > 0 {
        return Err(format!("column {name}: expected numbers, found null"));
    }
    Ok(Some(values.as_primitive::<Float32Type>().values().to_vec()))
}

/// The video or dialogue of every test row of `corpus`, by utterance; `tables` is the folder of a run's utterance tables.
///
/// # Errors
/// [`TrainError`] with the path of the table.
pub(crate) fn groups(tables: &Path, corpus: &str) -> Result<HashMap<String, String>, TrainError> {
    let path = tables.join(format!("{corpus}-{}.parquet", Split::Test));
    let mut groups = HashMap::new();
    for batch in unimse_corpus::open_table(&path)? {
        let batch = batch?;
        for i in 0..batch.num_rows() {
            let cell = |name| match text(&batch, name, i) {
                Ok(Some(value)) => Ok(value.to_owned()),
                Ok(None) => Err(TrainError::artefact(&path, format!("{name} is null"))),
                Err(message) => Err(TrainError::artefact(&path, message)),
            };
            groups.insert(cell("utterance_id")?, cell("dialogue_id")?);
        }
    }
    Ok(groups)
}
