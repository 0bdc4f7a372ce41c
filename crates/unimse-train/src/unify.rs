//! The unify stage (paper 3.2): embeds every text, finds donors, writes the label tables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field as Column, Float32Type, Schema};
use indicatif::{ProgressBar, ProgressStyle};
use parquet::file::metadata::KeyValue;
use unimse_corpus::Corpus;
use unimse_labels::{DonorProtocol, Sample, Source, UnifyOptions, UniversalLabel, unify};
use unimse_model::sentence::SentenceEncoder;

use crate::TrainError;
use crate::labels_table::{LabelTable, Row, read_batches, write_batch};
use crate::session::{checkpoint_folder, device};

/// Texts a batch of the sentence encoder holds.
const BATCH: usize = 64;

/// Embeds, unifies and writes `out/<corpus>.parquet` and `out/embeddings/<corpus>.parquet`.
///
/// # Errors
/// [`TrainError`] of the part that failed.
pub fn run(
    corpus: &Path,
    out: &Path,
    encoder: &str,
    options: &UnifyOptions,
) -> Result<Vec<LabelTable>, TrainError> {
    let corpora = unimse_corpus::read_tables(corpus)?;
    let embeddings = embed(&corpora, encoder)?;
    let samples: Vec<Sample> = corpora.iter().flat_map(Corpus::samples).collect();
    let dim = embeddings.dim;
    let labels = unify(&samples, &embeddings.rows, dim, options)?;
    let leaky = options.donors == DonorProtocol::All;

    let mut labels = labels.into_iter();
    let mut at = 0;
    let mut tables = Vec::with_capacity(corpora.len());
    for c in &corpora {
        let rows = c.utterances.iter().map(|u| Row {
            utterance_id: u.utterance_id.clone(),
            split: u.split,
            label: labels.next().flatten(),
        });
        let table = LabelTable {
            corpus: c.name.clone(),
            rows: rows.collect(),
            leaky,
        };
        table.write(out)?;
        let n = c.utterances.len();
        write_embeddings(
            &embeddings_path(out, &c.name),
            c,
            &embeddings.rows[at * dim..(at + n) * dim],
            dim,
        )?;
        at += n;
        tables.push(table);
    }
    Ok(tables)
}

/// One line a corpus: how many values of each field are gold, borrowed, ruled or missing.
#[must_use]
pub fn coverage(tables: &[LabelTable]) -> Vec<String> {
    let of = |t: &LabelTable, name: &str, source: &dyn Fn(&UniversalLabel) -> Source| {
        let count = |s: Source| {
            t.rows
                .iter()
                .filter_map(|r| r.label.as_ref())
                .filter(|l| source(l) == s)
                .count()
        };
        let [gold, donor, rule, missing] =
            [Source::Gold, Source::Donor, Source::Rule, Source::Missing].map(count);
        format!("{name} {gold} gold {donor} borrowed {rule} by rule {missing} missing")
    };
    let line = |t: &LabelTable| {
        let fields = [
            of(t, "intensity", &|l| l.intensity.source),
            of(t, "meld", &|l| l.meld.source),
            of(t, "iemocap", &|l| l.iemocap.source),
        ];
        format!(
            "{}: {}{}",
            t.corpus,
            fields.join("; "),
            if t.leaky {
                " (leaky: test rows donate)"
            } else {
                ""
            }
        )
    };
    tables.iter().map(line).collect()
}

/// Unit rows, one a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Row-major `[sentences, dim]`.
    pub rows: Vec<f32>,
    /// Width of a row.
    pub dim: usize,
}

/// Embeds the text of every utterance, corpus by corpus, equal texts once: their rows are equal to the bit, so that ties between
/// donors are true ties. Embeddings are always fp32: a donor must not depend on the CPU.
fn embed(corpora: &[Corpus], encoder: &str) -> Result<Embeddings, TrainError> {
    let folder = checkpoint_folder(encoder)?;
    let model = SentenceEncoder::load(&folder, device(), unimse_model::Precision::Fp32)?;
    let utterances = || corpora.iter().flat_map(|c| &c.utterances);
    let mut unique: Vec<String> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for u in utterances() {
        index.entry(&u.text).or_insert_with(|| {
            unique.push(u.text.clone());
            unique.len() - 1
        });
    }
    let bar = ProgressBar::new(unique.len() as u64);
    let template = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("embedding texts");
    let rows = model.encode(&unique, BATCH, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let dim = model.dim() as usize;
    let row = |u: &unimse_corpus::Utterance| {
        let at = index[u.text.as_str()];
        &rows[at * dim..(at + 1) * dim]
    };
    let rows = utterances().flat_map(row).copied().collect();
    Ok(Embeddings { rows, dim })
}

/// File of a corpus's embeddings within a labels folder.
#[must_use]
pub fn embeddings_path(labels: &Path, corpus: &str) -> PathBuf {
    labels.join("embeddings").join(format!("{corpus}.parquet"))
}

fn write_embeddings(
    path: &Path,
    corpus: &Corpus,
    rows: &[f32],
    dim: usize,
) -> Result<(), TrainError> {
    let ids: StringArray = corpus
        .utterances
        .iter()
        .map(|u| Some(u.utterance_id.as_str()))
        .collect();
    let item = Arc::new(Column::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(rows.to_vec()));
    let list = FixedSizeListArray::try_new(item, dim as i32, values, None)
        .map_err(|e| TrainError::artefact(path, e))?;
    let schema = Schema::new(vec![
        Column::new("utterance_id", DataType::Utf8, false),
        Column::new("embedding", list.data_type().clone(), false),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(list)];
    let batch = RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|e| TrainError::artefact(path, e))?;
    write_batch(
        path,
        &batch,
        vec![KeyValue::new("schema_version".into(), "1".to_owned())],
    )
}

/// Reads the embeddings of `corpus`, in the order of its utterances.
///
/// # Errors
/// [`TrainError::Artefact`] naming the file where an id is missing or a column is not what was written.
pub fn read_embeddings(labels: &Path, corpus: &Corpus) -> Result<Embeddings, TrainError> {
    let path = embeddings_path(labels, &corpus.name);
    let (batches, _) = read_batches(&path)?;
    let mut by_id = std::collections::HashMap::new();
    let mut dim = 0;
    for batch in &batches {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| TrainError::artefact(&path, format!("column {name} is missing")))
        };
        let ids = column("utterance_id")?.as_string_opt::<i32>();
        let lists = column("embedding")?.as_fixed_size_list_opt();
        let (Some(ids), Some(lists)) = (ids, lists) else {
            return Err(TrainError::artefact(
                &path,
                "expected columns utterance_id: text and embedding: fixed-size list",
            ));
        };
        dim = lists.value_length() as usize;
        for i in 0..batch.num_rows() {
            let row = lists.value(i);
            let row = row
                .as_primitive_opt::<Float32Type>()
                .ok_or_else(|| TrainError::artefact(&path, "embedding: expected f32 values"))?;
            by_id.insert(ids.value(i).to_owned(), row.values().to_vec());
        }
    }
    let mut rows = Vec::with_capacity(corpus.utterances.len() * dim);
    for u in &corpus.utterances {
        let row = by_id.get(&u.utterance_id);
        rows.extend_from_slice(row.ok_or_else(|| {
            TrainError::artefact(
                &path,
                format!(
                    "utterance {} has no embedding; run `unimse unify` again",
                    u.utterance_id
                ),
            )
        })?);
    }
    Ok(Embeddings { rows, dim })
}
