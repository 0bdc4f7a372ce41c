//! Sentence embeddings: texts to unit rows, and the tables a run keeps.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field as Column, Float32Type, Schema};
use indicatif::{ProgressBar, ProgressStyle};
use parquet::file::metadata::KeyValue;
use sha2::{Digest, Sha256};
use unimse_corpus::Corpus;
use unimse_model::Precision;
use unimse_model::sentence::{Pooling, SentenceEncoder};
use unimse_run::{artefact, cache_folder};

use crate::TrainError;
use crate::data::labels_table::{read_batches, write_batch};
use crate::model::session::device;
use crate::processes::Processes;
use crate::train::identity::Identity;
use crate::unify::cache::{Key, Known};

/// Texts a batch of the sentence encoder holds.
const BATCH: usize = 64;

/// Unit rows, one a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings {
    /// Row-major `[sentences, dim]`.
    pub rows: Vec<f32>,
    /// Width of a row.
    pub dim: usize,
}

impl Embeddings {
    pub(super) fn row(&self, at: usize) -> &[f32] {
        &self.rows[at * self.dim..(at + 1) * self.dim]
    }
}

/// The folder that keeps embeddings between runs, in [`cache_folder`]; `None` where there is none.
#[must_use]
pub fn default_cache() -> Option<PathBuf> {
    Some(cache_folder()?.join("embeddings"))
}

/// Embeds `texts` with the encoder in `folder`, pooled as it says itself or as `pooling` does, in their order; equal texts once, so that their rows are equal to the bit
/// and ties between donors are true ties. Always fp32: a donor must not depend on the CPU.
///
/// With `cache`, texts that this encoder has embedded before are read from `<cache>/<fingerprint of the encoder>.parquet`
/// and the others are added to it; the encoder is loaded only if there are any.
///
/// # Errors
/// [`TrainError::Model`] of the encoder, [`TrainError::Artefact`] for a broken cache file, with its path.
pub fn embed(
    texts: &[&str],
    folder: &Path,
    pooling: Option<Pooling>,
    cache: Option<&Path>,
) -> Result<Embeddings, TrainError> {
    let found = embed_by(&Processes::alone(), texts, folder, pooling, cache)?;
    found.ok_or_else(|| TrainError::Data("no process leads".to_owned()))
}

/// [`embed`] by `processes`, all of which call this with the same texts: the leading one reads the cache and adds to it, and alone gets the embeddings;
/// every one embeds its part of the texts that are new, to the bit as one process with as many threads.
pub(crate) fn embed_by(
    processes: &Processes,
    texts: &[&str],
    folder: &Path,
    pooling: Option<Pooling>,
    cache: Option<&Path>,
) -> Result<Option<Embeddings>, TrainError> {
    let fingerprint = SentenceEncoder::fingerprint(folder, pooling)?;
    let path = cache.map(|cache| cache.join(format!("{fingerprint}.parquet")));
    let keys: Vec<Key> = texts
        .iter()
        .map(|text| Sha256::digest(text).into())
        .collect();
    let digest = artefact::hex(&Sha256::digest(keys.concat()));
    let identity = Identity {
        tables: BTreeMap::from([("the texts".to_owned(), digest)]),
        backbone: BTreeMap::from([("fingerprint".to_owned(), fingerprint)]),
        ..Identity::here()
    };
    processes.agree(&identity.parts())?;
    let mut known = match &path {
        Some(path) if processes.leads() && path.exists() => Known::read(path)?,
        _ => Known::default(),
    };
    let new = processes.lead(|| Ok(known.lacks(&keys)))?;
    if !new.is_empty() {
        if let (true, size @ 2..) = (processes.leads(), processes.rank().size) {
            eprintln!(
                "unify: {} new texts, embedded by {size} processes",
                new.len()
            );
        }
        let unknown: Vec<&str> = new.iter().map(|&at| texts[at]).collect();
        let embeddings = encode(processes, &unknown, folder, pooling)?;
        known.add(new.into_iter().map(|at| keys[at]), embeddings);
        if let Some(path) = path.filter(|_| processes.leads()) {
            known.write(&path)?;
        }
    }
    Ok(processes.leads().then(|| known.of(&keys)))
}

fn encode(
    processes: &Processes,
    texts: &[&str],
    folder: &Path,
    pooling: Option<Pooling>,
) -> Result<Embeddings, TrainError> {
    let encoder = Encoder::load(folder, pooling)?;
    let bar = match processes.leads() {
        true => ProgressBar::new(texts.len() as u64),
        false => ProgressBar::hidden(),
    };
    let template = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("embedding texts");
    let rows = encoder.rows(processes, texts, &mut |done| {
        bar.set_position(done as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    let dim = encoder.dim();
    Ok(Embeddings { rows, dim })
}

/// A sentence encoder that stays loaded, for who embeds again and again; [`embed`] loads one only for texts that it does not know.
pub struct Encoder(SentenceEncoder);

impl Encoder {
    /// Loads the encoder in `folder`, as [`embed`] does.
    ///
    /// # Errors
    /// [`TrainError::Model`].
    pub fn load(folder: &Path, pooling: Option<Pooling>) -> Result<Self, TrainError> {
        let model = SentenceEncoder::load(folder, pooling, device(), Precision::Fp32)?;
        Ok(Self(model))
    }

    /// Width of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.0.dim() as usize
    }

    /// The embeddings of `texts`, in their order, equal texts once; the values of [`embed`] without a cache. `tick` hears after each batch
    /// how many different texts are done, and may stop the work with an error.
    ///
    /// # Errors
    /// [`TrainError::Model`], and what `tick` says.
    pub fn embed(
        &self,
        texts: &[&str],
        tick: &mut dyn FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Embeddings, TrainError> {
        let (mut places, mut different) = (HashMap::new(), Vec::new());
        for text in texts {
            places.entry(*text).or_insert_with(|| {
                different.push(*text);
                different.len() - 1
            });
        }
        let known = Embeddings {
            rows: self.rows(&Processes::alone(), &different, tick)?,
            dim: self.dim(),
        };
        let rows = texts.iter().flat_map(|text| known.row(places[text]));
        Ok(Embeddings {
            rows: rows.copied().collect(),
            dim: known.dim,
        })
    }

    /// The embeddings `[texts, dim]` of `texts`, in their order, each batch of them by one of the `processes`.
    fn rows(
        &self,
        processes: &Processes,
        texts: &[&str],
        tick: &mut dyn FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<f32>, TrainError> {
        let (dim, sentences) = (self.dim(), self.0.sentences(texts, BATCH)?);
        let batches = sentences.batches();
        let all = processes.answer(
            (&self.0, device()),
            batches.len(),
            |encoder, at| Ok(encoder.embed(&sentences, at)?),
            |done| tick(batches[..done].iter().map(Vec::len).sum()),
        )?;
        let mut rows = vec![0.0; texts.len() * dim];
        for (places, values) in batches.iter().zip(all) {
            for (&at, row) in places.iter().zip(values.chunks_exact(dim)) {
                rows[at * dim..(at + 1) * dim].copy_from_slice(row);
            }
        }
        Ok(rows)
    }
}

/// The values of the column `embedding`, row after row, and their width; `None` where there is no such column.
pub(super) fn lists(batch: &RecordBatch) -> Option<(Vec<f32>, usize)> {
    let lists = batch
        .column_by_name("embedding")?
        .as_fixed_size_list_opt()?;
    let dim = usize::try_from(lists.value_length()).ok()?;
    if lists.null_count() > 0 {
        return None;
    }
    let mut rows = Vec::with_capacity(lists.len() * dim);
    for at in 0..lists.len() {
        let row = lists.value(at);
        rows.extend_from_slice(row.as_primitive_opt::<Float32Type>()?.values());
    }
    Some((rows, dim))
}

pub(super) fn write_rows(
    path: &Path,
    name: &str,
    names: ArrayRef,
    rows: &[f32],
    dim: usize,
) -> Result<(), TrainError> {
    let item = Arc::new(Column::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(rows.to_vec()));
    let list = FixedSizeListArray::try_new(item, dim as i32, values, None)
        .map_err(|e| TrainError::artefact(path, e))?;
    let schema = Schema::new(vec![
        Column::new(name, names.data_type().clone(), false),
        Column::new("embedding", list.data_type().clone(), false),
    ]);
    let columns: Vec<ArrayRef> = vec![names, Arc::new(list)];
    let batch = RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|e| TrainError::artefact(path, e))?;
    write_batch(
        path,
        &batch,
        vec![KeyValue::new("schema_version".into(), "1".to_owned())],
    )
}

/// File of a corpus's embeddings within a labels folder.
#[must_use]
pub fn embeddings_path(labels: &Path, corpus: &str) -> PathBuf {
    labels.join("embeddings").join(format!("{corpus}.parquet"))
}

/// Writes the embeddings of a corpus, `rows` in the order of its utterances, into a labels folder.
pub(crate) fn write_embeddings(
    labels: &Path,
    corpus: &Corpus,
    rows: &[f32],
    dim: usize,
) -> Result<(), TrainError> {
    let ids = corpus
        .utterances
        .iter()
        .map(|u| Some(u.utterance_id.as_str()));
    let ids: ArrayRef = Arc::new(ids.collect::<StringArray>());
    write_rows(
        &embeddings_path(labels, &corpus.name),
        "utterance_id",
        ids,
        rows,
        dim,
    )
}

/// Reads the embeddings of `corpus`, in the order of its utterances.
///
/// # Errors
/// [`TrainError::Artefact`] naming the file where an id is missing or a column is not what was written.
pub fn read_embeddings(labels: &Path, corpus: &Corpus) -> Result<Embeddings, TrainError> {
    let ids: Vec<&str> = (corpus.utterances.iter())
        .map(|u| u.utterance_id.as_str())
        .collect();
    read_embeddings_of(labels, &corpus.name, &ids)
}

/// Reads the embeddings of utterances of a corpus, in the order of `ids`.
pub(crate) fn read_embeddings_of(
    labels: &Path,
    corpus: &str,
    ids: &[&str],
) -> Result<Embeddings, TrainError> {
    let path = embeddings_path(labels, corpus);
    let (batches, _) = read_batches(&path)?;
    let (mut places, mut all, mut width) = (HashMap::new(), Vec::new(), 0);
    for batch in &batches {
        let known = batch
            .column_by_name("utterance_id")
            .and_then(|c| c.as_string_opt::<i32>());
        let (Some(known), Some((rows, dim))) = (known, lists(batch)) else {
            let expected = "expected columns utterance_id: text and embedding: f32 lists of one length, none null";
            return Err(TrainError::artefact(&path, expected));
        };
        width = dim;
        all.extend(rows);
        for id in known {
            places.insert(id.unwrap_or_default(), places.len());
        }
    }
    let mut ordered = Vec::with_capacity(ids.len() * width);
    for id in ids {
        let place = places.get(id);
        let row = place.and_then(|&at| all.get(at * width..(at + 1) * width));
        ordered.extend_from_slice(row.ok_or_else(|| {
            TrainError::artefact(
                &path,
                format!("utterance {id} has no embedding; run `unimse unify` again"),
            )
        })?);
    }
    Ok(Embeddings {
        rows: ordered,
        dim: width,
    })
}
