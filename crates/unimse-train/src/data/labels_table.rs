//! `labels/<corpus>.parquet`: the universal label of every utterance with the provenance of each field.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field as Column, Float32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use unimse_labels::{
    Donor, Field, FieldValue, IemocapEmotion, Labelled, LabelledField, MeldEmotion, Polarity,
    Split, UniversalLabel,
};

use crate::TrainError;
use unimse_run::artefact;

/// One row: an utterance and its label; `None` where the utterance has no polarity.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Utterance id, unique within its corpus.
    pub utterance_id: String,
    /// Split of the utterance.
    pub split: Split,
    /// Its label.
    pub label: Option<UniversalLabel>,
}

/// The labels of one corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelTable {
    /// Corpus name.
    pub corpus: String,
    /// Rows in the order of the utterance tables.
    pub rows: Vec<Row>,
    /// True where test rows could donate (`--donors all`): everything downstream is marked.
    pub leaky: bool,
}

impl LabelTable {
    /// The file of a corpus within a labels folder.
    #[must_use]
    pub fn path(folder: &Path, corpus: &str) -> PathBuf {
        folder.join(format!("{corpus}.parquet"))
    }

    /// Labels by utterance id.
    #[must_use]
    pub fn by_id(&self) -> HashMap<&str, &Row> {
        self.rows
            .iter()
            .map(|r| (r.utterance_id.as_str(), r))
            .collect()
    }

    /// Writes `folder/<corpus>.parquet` in one step.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
    pub fn write(&self, folder: &Path) -> Result<(), TrainError> {
        let path = Self::path(folder, &self.corpus);
        let rows = &self.rows;
        let text = |f: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
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
        let batch = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|c| c.1).collect(),
        )
        .map_err(|e| TrainError::artefact(&path, e))?;
        let metadata = vec![
            KeyValue::new("schema_version".into(), "1".to_owned()),
            KeyValue::new("corpus".into(), self.corpus.clone()),
            KeyValue::new("leaky".into(), self.leaky.to_string()),
        ];
        write_batch(&path, &batch, metadata)
    }

    /// Reads what [`LabelTable::write`] wrote.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Artefact`] that names file, row and column.
    pub fn read(folder: &Path, corpus: &str) -> Result<Self, TrainError> {
        let path = Self::path(folder, corpus);
        let (batches, metadata) = read_batches(&path)?;
        let leaky = metadata.get("leaky").is_some_and(|v| v == "true");
        let mut rows = Vec::new();
        for batch in &batches {
            let base = rows.len();
            for i in 0..batch.num_rows() {
                rows.push(read_row(batch, i).map_err(|m| {
                    TrainError::artefact(&path, format!("row {}: {m}", base + i + 1))
                })?);
            }
        }
        Ok(Self {
            corpus: corpus.to_owned(),
            rows,
            leaky,
        })
    }
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

fn read_row(batch: &RecordBatch, i: usize) -> Result<Row, String> {
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
    Ok(Row {
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

pub(crate) fn column<'a>(
    batch: &'a RecordBatch,
    name: &str,
    kind: &DataType,
) -> Result<&'a ArrayRef, String> {
    let array = batch
        .column_by_name(name)
        .ok_or_else(|| format!("column {name} is missing"))?;
    if array.data_type() == kind {
        Ok(array)
    } else {
        Err(format!(
            "column {name}: expected {kind}, found {}",
            array.data_type()
        ))
    }
}

pub(crate) fn text<'a>(
    batch: &'a RecordBatch,
    name: &str,
    i: usize,
) -> Result<Option<&'a str>, String> {
    let array = column(batch, name, &DataType::Utf8)?.as_string::<i32>();
    Ok(array.is_valid(i).then(|| array.value(i)))
}

pub(crate) fn number(batch: &RecordBatch, name: &str, i: usize) -> Result<Option<f32>, String> {
    let array = column(batch, name, &DataType::Float32)?.as_primitive::<Float32Type>();
    Ok(array.is_valid(i).then(|| array.value(i)))
}

fn parsed<T: std::str::FromStr>(
    batch: &RecordBatch,
    name: &str,
    i: usize,
) -> Result<Option<T>, String> {
    text(batch, name, i)?
        .map(|s| {
            s.parse()
                .map_err(|_| format!("column {name}: unknown value {s:?}"))
        })
        .transpose()
}

/// Writes one batch as Parquet with zstd, in one step.
pub(crate) fn write_batch(
    path: &Path,
    batch: &RecordBatch,
    metadata: Vec<KeyValue>,
) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = artefact::temporary(folder)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata))
        .set_created_by("unimse".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties))
        .map_err(|e| TrainError::artefact(path, e))?;
    writer
        .write(batch)
        .map_err(|e| TrainError::artefact(path, e))?;
    writer.close().map_err(|e| TrainError::artefact(path, e))?;
    Ok(artefact::persist(file, path)?)
}

/// Reads all batches of a Parquet file and its key-value metadata.
pub(crate) fn read_batches(
    path: &Path,
) -> Result<(Vec<RecordBatch>, HashMap<String, String>), TrainError> {
    let file = std::fs::File::open(path).map_err(TrainError::io(path, "opening"))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| TrainError::artefact(path, e))?;
    let metadata = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .map(|kv| {
            kv.iter()
                .filter_map(|k| Some((k.key.clone(), k.value.clone()?)))
                .collect()
        })
        .unwrap_or_default();
    let reader = builder.build().map_err(|e| TrainError::artefact(path, e))?;
    let batches = reader
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| TrainError::artefact(path, e))?;
    Ok((batches, metadata))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use unimse_labels::Source;

    use super::*;

    #[test]
    fn a_table_reads_back_as_written() {
        let donor = Donor {
            corpus: "meld".into(),
            utterance_id: "train_dia0_utt1".into(),
            similarity: 0.5,
            margin: Some(0.25),
        };
        let label = UniversalLabel {
            polarity: Polarity::Positive,
            intensity: Labelled {
                value: Some(1.6),
                source: Source::Gold,
                donor: None,
            },
            meld: Labelled {
                value: Some(MeldEmotion::Joy),
                source: Source::Donor,
                donor: Some(donor),
            },
            iemocap: Labelled {
                value: None,
                source: Source::Missing,
                donor: None,
            },
        };
        let table = LabelTable {
            corpus: "mosi".into(),
            rows: vec![
                Row {
                    utterance_id: "v_1".into(),
                    split: Split::Train,
                    label: Some(label),
                },
                Row {
                    utterance_id: "v_2".into(),
                    split: Split::Test,
                    label: None,
                },
            ],
            leaky: true,
        };
        let folder = tempfile::tempdir().unwrap();
        table.write(folder.path()).unwrap();
        assert_eq!(LabelTable::read(folder.path(), "mosi").unwrap(), table);
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mosi.parquet"), b"PAR1 no").unwrap();
        let error = LabelTable::read(folder.path(), "mosi")
            .unwrap_err()
            .to_string();
        assert!(error.contains("mosi.parquet"), "{error}");
    }
}
