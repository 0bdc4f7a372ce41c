//! The unify stage (paper 3.2): embeds every text, finds donors, writes the label tables and what is known about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unimse_corpus::Corpus;
use unimse_labels::{DonorProtocol, Sample, Split, UnifyOptions, UniversalLabel, unify};
use unimse_model::Pooling;
use unimse_model::hub::{default_cache, resolve_encoder};

use unimse_run::{LabelSummary, artefact};

use crate::TrainError;
use crate::data::labels_table::{LabelTable, Row};
use crate::model::session::checkpoint_folder;
use crate::processes::Processes;
pub use crate::unify::embeddings::{Embeddings, Encoder, embed, embeddings_path, read_embeddings};
use crate::unify::embeddings::{embed_by, write_embeddings};
use crate::unify::summary::{summarise, summary_path};

mod agreement;
mod cache;
pub mod embeddings;
mod leak;
pub mod nearest;
pub mod summary;

/// Embeds, unifies and writes `out/<corpus>.parquet`, `out/embeddings/<corpus>.parquet` and `out/summary.json`.
///
/// `encoder` is a folder or a Hub id, `pooling` as of [`embed`], whose `cache` keeps embeddings between runs.
///
/// # Errors
/// [`TrainError`] of the part that failed.
pub fn run(
    corpus: &Path,
    out: &Path,
    encoder: &str,
    pooling: Option<Pooling>,
    cache: Option<&Path>,
    options: &UnifyOptions,
) -> Result<LabelSummary, TrainError> {
    let encoder = (encoder, pooling);
    run_together(corpus, out, encoder, cache, options, &Processes::alone())
}

/// [`run`] by several `processes`, each of which calls this, joined with its [`device`](crate::model::session::device). Every one embeds its part of the texts; what is written is to the byte that of one
/// process with as many threads. The one of rank 0 finds the donors and writes; all get the summary.
///
/// # Errors
/// As [`run`]; [`TrainError::Group`] where another process ends, [`TrainError::Config`] where one would embed or label something else than that of rank 0.
pub fn run_together(
    corpus: &Path,
    out: &Path,
    (encoder, pooling): (&str, Option<Pooling>),
    cache: Option<&Path>,
    options: &UnifyOptions,
    processes: &Processes,
) -> Result<LabelSummary, TrainError> {
    let corpora: Vec<Corpus> = (unimse_corpus::read(corpus, &Split::ALL)?.into_iter())
        .map(Arc::unwrap_or_clone)
        .collect();
    let texts: Vec<&str> = (corpora.iter().flat_map(|c| &c.utterances))
        .map(|u| u.text.as_str())
        .collect();
    processes.agree(&asked(options, out))?;
    let folder = encoder_folder(encoder, pooling)?;
    let embeddings = embed_by(processes, &texts, &folder, pooling, cache)?;
    processes.lead(|| {
        let embeddings = embeddings.unwrap_or_default(); // the leading process has them
        label(&corpora, &embeddings, options, out)
    })
}

/// What is done with the embeddings, by the flag that says so.
fn asked(options: &UnifyOptions, out: &Path) -> BTreeMap<String, String> {
    let UnifyOptions {
        donors,
        queries,
        min_similarity,
        seed,
    } = options;
    let out = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    let least = min_similarity.map_or_else(|| "none".to_owned(), |s| s.to_string());
    let parts = [
        ("--donors", donors.to_string()),
        ("--queries", queries.to_string()),
        ("--min-similarity", least),
        ("labels.donor_seed", seed.to_string()),
        ("--out", out.display().to_string()),
    ];
    let named = parts.map(|(name, value)| (name.to_owned(), value));
    named.into()
}

/// Finds donors and writes.
fn label(
    corpora: &[Corpus],
    embeddings: &Embeddings,
    options: &UnifyOptions,
    out: &Path,
) -> Result<LabelSummary, TrainError> {
    let samples: Vec<Sample> = corpora.iter().flat_map(Corpus::samples).collect();
    let labels = unify(&samples, &embeddings.rows, embeddings.dim, options)?;
    let summary = summarise(corpora, &samples, &labels, embeddings, options)?;
    let leaky = options.donors == DonorProtocol::All;
    write(corpora, labels, embeddings, leaky, out)?;
    artefact::write_json(&summary_path(out), &summary)?;
    Ok(summary)
}

/// Folder of the sentence encoder named by a folder or a Hub id, `pooling` as of [`embed`].
///
/// # Errors
/// [`TrainError::Model`] saying what to fetch.
pub fn encoder_folder(encoder: &str, pooling: Option<Pooling>) -> Result<PathBuf, TrainError> {
    match pooling {
        Some(_) => checkpoint_folder(encoder),
        None => Ok(resolve_encoder(encoder, &default_cache())?),
    }
}

/// The tables of labels and embeddings; `labels` and `embeddings` are in the order of the corpora and their utterances.
fn write(
    corpora: &[Corpus],
    labels: Vec<Option<UniversalLabel>>,
    embeddings: &Embeddings,
    leaky: bool,
    out: &Path,
) -> Result<(), TrainError> {
    let (mut labels, dim) = (labels.into_iter(), embeddings.dim);
    let mut at = 0;
    for c in corpora {
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
        let end = at + c.utterances.len() * dim;
        write_embeddings(out, c, &embeddings.rows[at..end], dim)?;
        at = end;
    }
    Ok(())
}
