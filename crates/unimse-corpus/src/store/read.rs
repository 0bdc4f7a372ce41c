//! Reading: the corpora of a folder of tables, and the batches of one table.

use super::{GROUP, file_name, key, names, not_finite, open};
use crate::{
    Code, Corpus, CorpusError, CorpusKind, Split, Task, Utterance, draft::Modality, schema,
};
use arrow::array::RecordBatch;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use unimse_run::FeatureCards;

/// Reads the tables of `splits` that [`ingest`](crate::ingest) wrote into `dir`, features included; the tables of other splits are not
/// opened. The four data sets come in their order, then others by name; utterances are sorted by (split, dialogue, turn). A corpus without
/// a row in these splits is left out.
///
/// Features that are not finite are read as 0 ([`zero_non_finite`](crate::zero_non_finite)), and a note of the corpus tells of them.
/// [`Corpora`](crate::splits::Corpora) is the same with the splits as a type.
///
/// # Errors
/// When no table has a row of these splits, or one is unreadable or of another schema version.
pub fn read(dir: &Path, splits: &[Split]) -> Result<Vec<Arc<Corpus>>, CorpusError> {
    let names = names(dir)?;
    if names.is_empty() {
        return Err(no_tables(dir));
    }
    let mut corpora = Vec::new();
    for name in names {
        let corpus = read_corpus(dir, &name, splits)?;
        if !corpus.utterances.is_empty() {
            corpora.push(Arc::new(corpus));
        }
    }
    if corpora.is_empty() {
        let splits: Vec<&str> = splits.iter().map(|split| split.name()).collect();
        let splits = splits.join(", ");
        return Err(CorpusError::table(dir)(format!(
            "expected utterance tables with rows of {splits}, found none"
        )));
    }
    Ok(corpora)
}

/// The error of a folder without any table.
pub(crate) fn no_tables(dir: &Path) -> CorpusError {
    let message = "no utterance table; expected <corpus>-<split>.parquet as ingest writes them";
    CorpusError::table(dir)(message)
}

fn read_corpus(dir: &Path, name: &str, splits: &[Split]) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus {
        kind: CorpusKind::from_name(name).unwrap_or(CorpusKind::Own(Task::Sentiment)),
        name: name.to_owned(),
        taxonomy: None,
        utterances: Vec::new(),
        sources: Vec::new(),
        audio_dim: None,
        video_dim: None,
        features: FeatureCards::default(),
        notes: Vec::new(),
        synthetic: false,
    };
    for split in Split::ALL.into_iter().filter(|s| splits.contains(s)) {
        let path = dir.join(file_name(name, split));
        // whatever lies there: a broken link is an error, not a split without rows
        if fs::symlink_metadata(&path).is_ok() {
            read_table(&path, &mut corpus)?;
        }
    }
    Ok(corpus)
}

/// The record batches of one table with its columns as the schema has them, a row group at a time: a table never has to fit in memory.
/// [`Steps`](crate::Steps) gives the features of a batch as slices.
///
/// # Errors
/// When the table is unreadable or of another schema version; the iterator when a later part of the file is.
pub fn open_table(
    path: &Path,
) -> Result<impl Iterator<Item = Result<RecordBatch, CorpusError>> + use<>, CorpusError> {
    let (builder, _) = open(path)?;
    let batches = builder.with_batch_size(GROUP).build();
    let path = path.to_owned();
    Ok(batches
        .map_err(CorpusError::table(&path))?
        .map(move |batch| batch.map_err(CorpusError::table(&path))))
}

/// Adds the rows of a table to its corpus, and what its metadata say.
fn read_table(path: &Path, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let wrong = CorpusError::table(path);
    let (builder, metadata) = open(path)?;
    describe(&metadata, corpus).map_err(&wrong)?;
    for batch in builder.build().map_err(CorpusError::table(path))? {
        let batch = batch.map_err(CorpusError::table(path))?;
        let mut rows = schema::from_batch(&batch).map_err(&wrong)?;
        zero(&mut rows, path, corpus);
        corpus.utterances.extend(rows);
    }
    Ok(())
}

/// What the metadata of a table say of its corpus; its tables must agree on how the features were made.
fn describe(metadata: &BTreeMap<String, String>, corpus: &mut Corpus) -> Result<(), String> {
    let cards: FeatureCards = json(metadata, key::FEATURES)?.unwrap_or_default();
    if !corpus.utterances.is_empty() && cards != corpus.features {
        return Err(
            "expected features made as in the corpus' other tables, found others; run `unimse ingest` again".to_owned(),
        );
    }
    corpus.audio_dim = cards.audio.as_ref().map(|card| card.dimension);
    corpus.video_dim = cards.video.as_ref().map(|card| card.dimension);
    corpus.features = cards;
    if let CorpusKind::Own(_) = corpus.kind {
        let task = metadata.get(key::TASK).map_or("none", String::as_str);
        let known = Task::from_name(task);
        corpus.kind =
            CorpusKind::Own(known.ok_or(format!("metadata {}: unknown task {task}", key::TASK))?);
    }
    if metadata.contains_key(key::TAXONOMY) {
        corpus.taxonomy = json(metadata, key::TAXONOMY)?;
    }
    let synthetic = metadata.get(key::SYNTHETIC);
    corpus.synthetic |= synthetic.is_some_and(|value| value == "true");
    corpus.sources = json(metadata, key::SOURCES)?.unwrap_or_default();
    for note in json::<Vec<String>>(metadata, key::NOTES)?.unwrap_or_default() {
        if !corpus.notes.contains(&note) {
            corpus.notes.push(note);
        }
    }
    Ok(())
}

/// An entry of the metadata; `None` where a table has none.
fn json<T: serde::de::DeserializeOwned>(
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    let value = metadata.get(key).map(|text| serde_json::from_str(text));
    value
        .transpose()
        .map_err(|error| format!("metadata {key}: {error}"))
}

/// Sets to zero what is not finite in a table, which ingest did not write so, and keeps a note of it.
fn zero(rows: &mut [Utterance], path: &Path, corpus: &mut Corpus) {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    for u in rows {
        for (modality, sequence) in Modality::ALL.into_iter().zip([&mut u.audio, &mut u.video]) {
            let count = (sequence.as_mut()).map_or(0, |s| crate::zero_non_finite(&mut s.values));
            if count > 0 {
                let what = format!("{} ({count}): {}", u.utterance_id, not_finite(modality));
                let note = format!("{file}, {what} [{}]", Code::NonFinite);
                corpus.notes.push(note);
            }
        }
    }
}
