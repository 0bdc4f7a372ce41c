//! The label table: the universal label of every utterance with the provenance of each field, as Arrow batches in both directions.

use crate::cell::{number, parsed, text};
use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{Field as Column, Schema};
use arrow::error::ArrowError;
use std::sync::Arc;
use unimse_labels::{
    Donor, Field, FieldValue, IemocapEmotion, Labelled, LabelledField, MeldEmotion, Polarity,
    Split, UniversalLabel,
};

/// One row: an utterance and its label; `None` where the utterance has no polarity.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// Utterance id, unique within its corpus.
    pub utterance_id: String,
    /// Split of the utterance.
    pub split: Split,
    /// Its label.
    pub label: Option<UniversalLabel>,
}

/// Rows as a batch: `utterance_id, split, polarity`, then for each of intensity, meld and iemocap its value and `<field>_source`,
/// `<field>_donor_corpus`, `<field>_donor_id`, `<field>_similarity`, `<field>_margin`.
///
/// # Errors
/// None that rows can cause.
pub fn labels_to_batch(rows: &[LabelRow]) -> Result<RecordBatch, ArrowError> {
    let text = |f: &dyn Fn(&LabelRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<StringArray>())
    };
    let mut columns: Vec<(String, ArrayRef, bool)> = vec![
        (
            "utterance_id".into(),
            text(&|r| Some(r.utterance_id.clone())),
            false,
        ),
        (
            "split".into(),
            text(&|r| Some(r.split.name().to_owned())),
            false,
        ),
        (
            "polarity".into(),
            text(&|r| r.label.as_ref().map(|l| l.polarity.name().to_owned())),
            true,
        ),
    ];
    for field in Field::BORROWED {
        let labels = rows
            .iter()
            .map(|r| r.label.as_ref().map(|l| l.field(field)))
            .collect();
        columns.extend(field_columns(field, labels));
    }
    let fields: Vec<Column> = columns
        .iter()
        .map(|(n, a, null)| Column::new(n, a.data_type().clone(), *null))
        .collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|c| c.1).collect(),
    )
}

/// The columns of one field: its value and where that came from.
fn field_columns(
    field: Field,
    labels: Vec<Option<LabelledField<'_>>>,
) -> Vec<(String, ArrayRef, bool)> {
    let name = |class: usize| field.classes()?.get(class).copied();
    let values: ArrayRef =
        match field {
            Field::Intensity => Arc::new(Float32Array::from_iter(labels.iter().map(|label| {
                match label.as_ref()?.value? {
                    FieldValue::Score(score) => Some(score),
                    FieldValue::Class(_) => None,
                }
            }))),
            _ => Arc::new(StringArray::from_iter(labels.iter().map(|label| {
                match label.as_ref()?.value? {
                    FieldValue::Class(class) => name(class),
                    FieldValue::Score(_) => None,
                }
            }))),
        };
    let sources = labels.iter().map(|l| l.as_ref().map(|l| l.source.name()));
    let donors: Vec<Option<&Donor>> = labels.iter().map(|l| l.as_ref()?.donor).collect();
    let text = |part: fn(&Donor) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter(
            donors.iter().map(|d| d.as_ref().map(|d| part(d))),
        ))
    };
    let number = |part: fn(&Donor) -> Option<f32>| -> ArrayRef {
        Arc::new(Float32Array::from_iter(
            donors.iter().map(|d| d.and_then(part)),
        ))
    };
    let columns: [(&str, ArrayRef); 6] = [
        ("", values),
        ("_source", Arc::new(StringArray::from_iter(sources))),
        ("_donor_corpus", text(|d| &d.corpus)),
        ("_donor_id", text(|d| &d.utterance_id)),
        ("_similarity", number(|d| Some(d.similarity))),
        ("_margin", number(|d| d.margin)),
    ];
    columns
        .into_iter()
        .map(|(suffix, column)| (format!("{field}{suffix}"), column, true))
        .collect()
}

/// Row `i` of a batch that [`labels_to_batch`] made.
///
/// # Errors
/// In words, naming the column.
pub fn label_row(batch: &RecordBatch, i: usize) -> Result<LabelRow, String> {
    let id = text(batch, "utterance_id", i)?
        .ok_or("utterance_id is null")?
        .to_owned();
    let split: Split = parsed(batch, "split", i)?.ok_or("split is null")?;
    let label = match parsed::<Polarity>(batch, "polarity", i)? {
        None => None,
        Some(polarity) => Some(UniversalLabel {
            polarity,
            intensity: field(batch, "intensity", i, number(batch, "intensity", i)?)?,
            meld: field(batch, "meld", i, parsed::<MeldEmotion>(batch, "meld", i)?)?,
            iemocap: field(
                batch,
                "iemocap",
                i,
                parsed::<IemocapEmotion>(batch, "iemocap", i)?,
            )?,
        }),
    };
    Ok(LabelRow {
        utterance_id: id,
        split,
        label,
    })
}

fn field<T>(
    batch: &RecordBatch,
    name: &str,
    i: usize,
    value: Option<T>,
) -> Result<Labelled<T>, String> {
    let source = parsed(batch, &format!("{name}_source"), i)?
        .ok_or_else(|| format!("{name}_source is null"))?;
    let donor = match text(batch, &format!("{name}_donor_id"), i)? {
        None => None,
        Some(id) => Some(Donor {
            corpus: text(batch, &format!("{name}_donor_corpus"), i)?
                .unwrap_or_default()
                .to_owned(),
            utterance_id: id.to_owned(),
            similarity: number(batch, &format!("{name}_similarity"), i)?
                .ok_or_else(|| format!("{name}_similarity is null"))?,
            margin: number(batch, &format!("{name}_margin"), i)?,
        }),
    };
    Ok(Labelled {
        value,
        source,
        donor,
    })
}
