//! `predictions.parquet`: what the model said of every dev and test utterance, beside gold.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float32Array, Float32Builder, ListArray, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Field as Column, Schema};
use parquet::file::metadata::KeyValue;
use unimse_corpus::Utterance;
use unimse_labels::Field;
use unimse_model::batch::Prediction;
use unimse_run::{PredictedRow, Readout};

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::data::labels_table::write_batch;
use crate::evaluate::readout::read;

/// Writes the predictions of the datasets (each with one prediction an example) in one step.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn write(
    path: &Path,
    parts: &[(&Dataset, &[Prediction])],
    readout: Readout,
) -> Result<(), TrainError> {
    let mut rows = Vec::new();
    for (dataset, predictions) in parts {
        let pairs = dataset.examples.iter().zip(predictions.iter());
        rows.extend(pairs.map(|(e, p)| row(dataset.utterance(e), p, readout)));
    }
    write_rows(path, &rows, readout)
}

/// Writes rows that were read by `readout` in one step.
///
/// # Errors
/// As [`write()`].
pub fn write_rows(path: &Path, rows: &[PredictedRow], readout: Readout) -> Result<(), TrainError> {
    let columns = columns(rows);
    let fields: Vec<Column> = columns
        .iter()
        .map(|(name, array)| Column::new(*name, array.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| TrainError::artefact(path, e))?;
    let metadata = vec![
        KeyValue::new("schema_version".into(), PredictedRow::SCHEMA.to_string()),
        KeyValue::new("readout".into(), readout.to_string()),
    ];
    write_batch(path, &batch, metadata)
}

/// What the model says of `u`, as `readout` reads it, beside gold.
fn row(u: &Utterance, p: &Prediction, readout: Readout) -> PredictedRow {
    let reading = read(readout, p);
    let narrow = |values: &[f64]| values.iter().map(|&q| q as f32).collect();
    let classes = |field| p.classes(field).map(narrow);
    let scores: Vec<f64> = p.intensity.iter().map(|&(_, q)| q).collect();
    let name = |name: &'static str| name.to_owned();
    PredictedRow {
        corpus: u.corpus.clone(),
        split: name(u.split.name()),
        utterance_id: u.utterance_id.clone(),
        dialogue_id: Some(u.dialogue_id.clone()),
        polarity: name(reading.polarity.name()),
        intensity: reading.intensity,
        meld: reading.meld.map(|emotion| name(emotion.name())),
        iemocap: reading.iemocap.map(|emotion| name(emotion.name())),
        disagreements: Some(reading.disagreements.join("; ")).filter(|why| !why.is_empty()),
        raw: p.raw.clone(),
        truth_score: u.score,
        truth_polarity: u.polarity.map(|polarity| name(polarity.name())),
        truth_emotion: u.emotion.clone(),
        polarity_probabilities: classes(Field::Polarity),
        intensity_probabilities: Some(narrow(&scores)).filter(|_| !scores.is_empty()),
        meld_probabilities: classes(Field::Meld),
        iemocap_probabilities: classes(Field::Iemocap),
    }
}

/// Every column with its name, in the order of the fields of a row.
fn columns(rows: &[PredictedRow]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("corpus", text(rows, |r| Some(r.corpus.as_str()))),
        ("split", text(rows, |r| Some(r.split.as_str()))),
        (
            "utterance_id",
            text(rows, |r| Some(r.utterance_id.as_str())),
        ),
        ("dialogue_id", text(rows, |r| r.dialogue_id.as_deref())),
        ("polarity", text(rows, |r| Some(r.polarity.as_str()))),
        ("intensity", numbers(rows, |r| r.intensity)),
        ("meld", text(rows, |r| r.meld.as_deref())),
        ("iemocap", text(rows, |r| r.iemocap.as_deref())),
        ("disagreements", text(rows, |r| r.disagreements.as_deref())),
        ("raw", text(rows, |r| Some(r.raw.as_str()))),
        ("truth_score", numbers(rows, |r| r.truth_score)),
        (
            "truth_polarity",
            text(rows, |r| r.truth_polarity.as_deref()),
        ),
        ("truth_emotion", text(rows, |r| r.truth_emotion.as_deref())),
        (
            "polarity_probabilities",
            lists(rows, |r| r.polarity_probabilities.as_deref()),
        ),
        (
            "intensity_probabilities",
            lists(rows, |r| r.intensity_probabilities.as_deref()),
        ),
        (
            "meld_probabilities",
            lists(rows, |r| r.meld_probabilities.as_deref()),
        ),
        (
            "iemocap_probabilities",
            lists(rows, |r| r.iemocap_probabilities.as_deref()),
        ),
    ]
}

fn text(rows: &[PredictedRow], cell: impl Fn(&PredictedRow) -> Option<&str>) -> ArrayRef {
    Arc::new(rows.iter().map(cell).collect::<StringArray>())
}

fn numbers(rows: &[PredictedRow], cell: impl Fn(&PredictedRow) -> Option<f32>) -> ArrayRef {
    Arc::new(rows.iter().map(cell).collect::<Float32Array>())
}

fn lists(rows: &[PredictedRow], cell: impl Fn(&PredictedRow) -> Option<&[f32]>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for row in rows {
        let values = cell(row);
        builder.values().append_slice(values.unwrap_or_default());
        builder.append(values.is_some());
    }
    let lists: ListArray = builder.finish();
    Arc::new(lists)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_columns_are_the_fields_of_a_row() {
        let row = PredictedRow {
            corpus: "mosi".to_owned(),
            intensity: Some(1.5),
            polarity_probabilities: Some(vec![0.25, 0.25, 0.5]),
            ..PredictedRow::default()
        };
        let fields = serde_json::to_value(&row).unwrap();
        let columns = columns(&[row]);
        let mut names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let mut expected: Vec<&String> = fields.as_object().unwrap().keys().collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        for (name, array) in columns {
            assert_eq!(array.is_null(0), fields[name].is_null(), "{name}");
        }
    }
}
