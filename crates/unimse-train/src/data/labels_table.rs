//! `labels/<corpus>.parquet`: the universal label of every utterance with the provenance of each field.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
pub use unimse_corpus::LabelRow as Row;
use unimse_corpus::{label_row, labels_to_batch};

use crate::TrainError;
use unimse_run::artefact;

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
        let batch = labels_to_batch(&self.rows).map_err(|e| TrainError::artefact(&path, e))?;
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
                rows.push(label_row(batch, i).map_err(|m| {
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
    use unimse_labels::{Donor, Labelled, MeldEmotion, Polarity, Source, Split, UniversalLabel};

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
