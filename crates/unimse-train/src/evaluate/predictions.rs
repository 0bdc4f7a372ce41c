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

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::data::labels_table::write_batch;
use crate::evaluate::readout::{Reading, read};
use unimse_run::Readout;

/// An utterance with what the model says of it and how that is read.
type Row<'a> = (&'a Utterance, &'a Prediction, Reading);

/// Writes the predictions of the datasets (each with one prediction an example) in one step.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn write(
    path: &Path,
    parts: &[(&Dataset, &[Prediction])],
    readout: Readout,
) -> Result<(), TrainError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (dataset, predictions) in parts {
        let pairs = dataset.examples.iter().zip(predictions.iter());
        rows.extend(pairs.map(|(e, p)| (dataset.utterance(e), p, read(readout, p))));
    }
    let columns = [
        names(&rows),
        readings(&rows),
        truths(&rows),
        distributions(&rows),
    ]
    .concat();
    let fields: Vec<Column> = columns
        .iter()
        .map(|(n, a)| Column::new(*n, a.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|c| c.1).collect(),
    )
    .map_err(|e| TrainError::artefact(path, e))?;
    write_batch(
        path,
        &batch,
        vec![
            KeyValue::new("schema_version".into(), "2".to_owned()),
            KeyValue::new("readout".into(), readout.to_string()),
        ],
    )
}

/// Columns by name.
type Columns = Vec<(&'static str, ArrayRef)>;

fn text<'a>(rows: &'a [Row<'a>], cell: impl Fn(&'a Row<'a>) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(cell).collect::<StringArray>())
}

/// Which utterance it is.
fn names(rows: &[Row<'_>]) -> Columns {
    vec![
        ("corpus", text(rows, |(u, ..)| Some(&u.corpus))),
        ("split", text(rows, |(u, ..)| Some(u.split.name()))),
        ("utterance_id", text(rows, |(u, ..)| Some(&u.utterance_id))),
    ]
}

/// What the model says, as the run reads it.
fn readings(rows: &[Row<'_>]) -> Columns {
    let scores = rows.iter().map(|(_, _, r)| r.intensity);
    let disagreements = rows
        .iter()
        .map(|(_, _, r)| (!r.disagreements.is_empty()).then(|| r.disagreements.join("; ")));
    vec![
        ("polarity", text(rows, |(.., r)| Some(r.polarity.name()))),
        ("intensity", Arc::new(scores.collect::<Float32Array>())),
        ("meld", text(rows, |(.., r)| Some(r.meld?.name()))),
        ("iemocap", text(rows, |(.., r)| Some(r.iemocap?.name()))),
        (
            "disagreements",
            Arc::new(disagreements.collect::<StringArray>()),
        ),
        ("raw", text(rows, |(_, p, _)| Some(&p.raw))),
    ]
}

/// Gold, where there is some.
fn truths(rows: &[Row<'_>]) -> Columns {
    let scores = rows.iter().map(|(u, ..)| u.score);
    vec![
        ("truth_score", Arc::new(scores.collect::<Float32Array>())),
        (
            "truth_polarity",
            text(rows, |(u, ..)| Some(u.polarity?.name())),
        ),
        ("truth_emotion", text(rows, |(u, ..)| u.emotion.as_deref())),
    ]
}

/// Probabilities in canonical order.
fn distributions(rows: &[Row<'_>]) -> Columns {
    let classes = |field| -> ArrayRef {
        let cells = rows
            .iter()
            .map(|(_, p, _)| Some(p.classes(field)?.to_vec()));
        Arc::new(lists(cells))
    };
    let scores = rows.iter().map(|(_, p, _)| {
        (!p.intensity.is_empty()).then(|| p.intensity.iter().map(|&(_, q)| q).collect())
    });
    vec![
        ("polarity_probabilities", classes(Field::Polarity)),
        ("intensity_probabilities", Arc::new(lists(scores))),
        ("meld_probabilities", classes(Field::Meld)),
        ("iemocap_probabilities", classes(Field::Iemocap)),
    ]
}

fn lists(values: impl Iterator<Item = Option<Vec<f64>>>) -> ListArray {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for v in values {
        if let Some(v) = &v {
            v.iter()
                .for_each(|&x| builder.values().append_value(x as f32));
        }
        builder.append(v.is_some());
    }
    builder.finish()
}
