//! `predictions.parquet`: what the model said of every dev and test utterance, beside gold (design section 7).

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float32Array, Float32Builder, ListArray, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Field as Column, Schema};
use parquet::file::metadata::KeyValue;
use unimse_labels::{IemocapEmotion, MeldEmotion};
use unimse_model::batch::Prediction;

use crate::TrainError;
use crate::dataset::Dataset;
use crate::labels_table::write_batch;
use crate::readout::{self, Readout};

/// Writes the predictions of the datasets (each with one prediction an example) in one step.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn write(
    path: &Path,
    parts: &[(&Dataset, &[Prediction])],
    readout: Readout,
) -> Result<(), TrainError> {
    let rows: Vec<(&unimse_corpus::Utterance, &Prediction)> = parts
        .iter()
        .flat_map(|(d, p)| {
            d.examples
                .iter()
                .zip(p.iter())
                .map(|(e, p)| (&d.corpora[e.corpus].utterances[e.utterance], p))
        })
        .collect();
    let text = |f: &dyn Fn(&unimse_corpus::Utterance, &Prediction) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(u, p)| f(u, p)).collect::<StringArray>())
    };
    let number = |f: &dyn Fn(&unimse_corpus::Utterance, &Prediction) -> Option<f32>| -> ArrayRef {
        Arc::new(rows.iter().map(|(u, p)| f(u, p)).collect::<Float32Array>())
    };
    let list = |f: &dyn Fn(&Prediction) -> Option<Vec<f64>>| -> ArrayRef {
        Arc::new(lists(rows.iter().map(|(_, p)| f(p))))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("corpus", text(&|u, _| Some(u.corpus.clone()))),
        ("split", text(&|u, _| Some(u.split.name().to_owned()))),
        ("utterance_id", text(&|u, _| Some(u.utterance_id.clone()))),
        (
            "polarity",
            text(&|_, p| Some(readout::polarity(p).name().to_owned())),
        ),
        (
            "intensity",
            number(&|_, p| (!p.intensity.is_empty()).then(|| readout.intensity.score(p))),
        ),
        (
            "meld",
            text(&|_, p| {
                p.meld
                    .as_ref()
                    .map(|_| MeldEmotion::ALL[readout.emotion.meld(p)].name().to_owned())
            }),
        ),
        (
            "iemocap",
            text(&|_, p| {
                p.iemocap.as_ref().map(|_| {
                    IemocapEmotion::ALL[readout.emotion.iemocap(p)]
                        .name()
                        .to_owned()
                })
            }),
        ),
        ("raw", text(&|_, p| Some(p.raw.clone()))),
        ("truth_score", number(&|u, _| u.score)),
        (
            "truth_polarity",
            text(&|u, _| u.polarity.map(|p| p.name().to_owned())),
        ),
        ("truth_emotion", text(&|u, _| u.emotion.clone())),
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
            KeyValue::new("schema_version".into(), "1".to_owned()),
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
