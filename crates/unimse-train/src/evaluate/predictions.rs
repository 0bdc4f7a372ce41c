//! `predictions.parquet`: what the model said of every dev and test utterance, beside gold.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float32Array, Float32Builder, ListArray, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Field as Column, Schema};
use parquet::file::metadata::KeyValue;
use unimse_corpus::Utterance;
use unimse_model::batch::Prediction;

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::data::labels_table::write_batch;
use crate::evaluate::readout::{Reading, read};
use unimse_run::Readout;

/// Writes the predictions of the datasets (each with one prediction an example) in one step.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn write(
    path: &Path,
    parts: &[(&Dataset, &[Prediction])],
    readout: Readout,
) -> Result<(), TrainError> {
    let rows: Vec<(&Utterance, &Prediction, Reading)> = parts
        .iter()
        .flat_map(|(d, p)| {
            d.examples
                .iter()
                .zip(p.iter())
                .map(|(e, p)| (d.utterance(e), p, read(readout, p)))
        })
        .collect();
    let said = |f: &dyn Fn(&Reading) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, _, r)| f(r)).collect::<StringArray>())
    };
    let text = |f: &dyn Fn(&Utterance) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(u, _, _)| f(u)).collect::<StringArray>())
    };
    let list = |f: &dyn Fn(&Prediction) -> Option<Vec<f64>>| -> ArrayRef {
        Arc::new(lists(rows.iter().map(|(_, p, _)| f(p))))
    };
    let scores = rows.iter().map(|(_, _, r)| r.intensity);
    let truths = rows.iter().map(|(u, _, _)| u.score);
    let raw = rows.iter().map(|(_, p, _)| Some(p.raw.clone()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("corpus", text(&|u| Some(u.corpus.clone()))),
        ("split", text(&|u| Some(u.split.name().to_owned()))),
        ("utterance_id", text(&|u| Some(u.utterance_id.clone()))),
        ("polarity", said(&|r| Some(r.polarity.name().to_owned()))),
        ("intensity", Arc::new(scores.collect::<Float32Array>())),
        ("meld", said(&|r| r.meld.map(|e| e.name().to_owned()))),
        ("iemocap", said(&|r| r.iemocap.map(|e| e.name().to_owned()))),
        (
            "disagreements",
            said(&|r| (!r.disagreements.is_empty()).then(|| r.disagreements.join("; "))),
        ),
        ("raw", Arc::new(raw.collect::<StringArray>())),
        ("truth_score", Arc::new(truths.collect::<Float32Array>())),
        (
            "truth_polarity",
            text(&|u| u.polarity.map(|p| p.name().to_owned())),
        ),
        ("truth_emotion", text(&|u| u.emotion.clone())),
        (
            "polarity_probabilities",
            list(&|p| Some(p.polarity.to_vec())),
        ),
        (
            "intensity_probabilities",
            list(&|p| {
                (!p.intensity.is_empty()).then(|| p.intensity.iter().map(|&(_, q)| q).collect())
            }),
        ),
        ("meld_probabilities", list(&|p| p.meld.clone())),
        ("iemocap_probabilities", list(&|p| p.iemocap.clone())),
    ];
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
