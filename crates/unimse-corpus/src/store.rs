//! Parquet tables: one file a corpus and split, `<corpus>-<split>.parquet`, zstd, with their provenance.

use crate::{
    Corpus, CorpusError, CorpusKind, SourceFile, Split, Task, Utterance,
    draft::{Draft, Modality, Row},
    feature::Feature,
    finding::Findings,
    schema::{self, Dims, VERSION},
};
use arrow::array::RecordBatch;
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::ParquetRecordBatchReaderBuilder,
        arrow_writer::{ArrowColumnWriter, compute_leaves},
    },
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    panic::resume_unwind,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use unimse_formats::open_file;
use unimse_run::FeatureCards;

/// Most utterances of a row group.
const GROUP: usize = 512;
/// How often a long table tells how far it is.
const PROGRESS: Duration = Duration::from_secs(2);
/// Most bytes of features of a row group, unless a single utterance has more.
const GROUP_BYTES: usize = 16 << 20;

/// Metadata keys of a table.
mod key {
    pub(super) const SCHEMA: &str = "unimse.schema";
    pub(super) const SOURCES: &str = "unimse.sources";
    pub(super) const LICENCE: &str = "unimse.licence";
    pub(super) const TASK: &str = "unimse.task";
    pub(super) const TAXONOMY: &str = "unimse.taxonomy";
    pub(super) const SYNTHETIC: &str = "unimse.synthetic";
    pub(super) const FEATURES: &str = "unimse.features";
    pub(super) const NOTES: &str = "unimse.notes";
}

/// File name of a table.
pub(crate) fn file_name(corpus: &str, split: Split) -> String {
    format!("{corpus}-{split}.parquet")
}

/// SHA-256 of a file, hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, CorpusError> {
    let file = open_file(path)?;
    let mut file = io::BufReader::with_capacity(1 << 18, file);
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(CorpusError::io(path))?;
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn licence(kind: CorpusKind, synthetic: bool) -> &'static str {
    if synthetic {
        return "synthetic demo data of the unimse project, MIT OR Apache-2.0";
    }
    match kind {
        CorpusKind::Mosi | CorpusKind::Mosei => {
            "CMU Multimodal SDK data; see its licence; do not redistribute"
        }
        CorpusKind::Meld => {
            "MELD, GPL-3.0 for the annotations; the series belongs to its owners; do not redistribute"
        }
        CorpusKind::Iemocap => {
            "IEMOCAP, under the release agreement of the University of Southern California; do not redistribute"
        }
        CorpusKind::Own(_) => "as the owner of the source says",
    }
}

/// What one written table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Name of the corpus.
    pub corpus: String,
    /// Its split.
    pub split: Split,
    /// Rows of the table.
    pub utterances: usize,
    /// Different dialogues or videos.
    pub dialogues: usize,
    /// Utterances with audio.
    pub audio: usize,
    /// Utterances with video.
    pub video: usize,
    /// Audio features a step, of the corpus.
    pub audio_dim: Option<usize>,
    /// Video features a step, of the corpus.
    pub video_dim: Option<usize>,
    /// Number of utterances by label: emotion where the corpus has emotions, else polarity; `none` without one.
    pub labels: BTreeMap<String, usize>,
    /// What the adapter repaired or left out.
    pub notes: Vec<String>,
    /// Generated demo data.
    pub synthetic: bool,
}

/// Writes the three tables of a corpus into `folder`, synced.
pub(crate) fn write(
    draft: &Draft,
    folder: &Path,
    synthetic: bool,
    findings: &mut Findings,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Summary>, CorpusError> {
    let dims = Dims {
        audio: draft.dim(Modality::Audio),
        video: draft.dim(Modality::Video),
    };
    // the sources are hashed while the first table is written
    thread::scope(|scope| {
        let mut hashing = Some(scope.spawn(|| draft.hash_sources()));
        let mut sources = Vec::new();
        let mut summaries = Vec::new();
        for split in Split::ALL {
            let rows = draft.rows.iter();
            let rows: Vec<&Row> = rows.filter(|row| row.utterance.split == split).collect();
            if rows.is_empty() {
                continue;
            }
            let path = folder.join(file_name(&draft.name, split));
            let writer = write_rows(&path, draft, dims, &rows, findings, progress)?;
            if let Some(hashing) = hashing.take() {
                sources = hashing
                    .join()
                    .unwrap_or_else(|panic| resume_unwind(panic))?;
            }
            finish(&path, writer, draft, &sources, synthetic, findings)?;
            summaries.push(summary(draft, split, &rows, dims, synthetic, findings));
        }
        Ok(summaries)
    })
}

fn summary(
    draft: &Draft,
    split: Split,
    rows: &[&Row],
    dims: Dims,
    synthetic: bool,
    findings: &Findings,
) -> Summary {
    let mut labels = BTreeMap::new();
    for row in rows {
        let u = &row.utterance;
        let label = u
            .emotion
            .as_deref()
            .or(u.polarity.map(crate::Polarity::name))
            .unwrap_or("none");
        *labels.entry(label.to_owned()).or_default() += 1;
    }
    let mut dialogues: Vec<_> = rows.iter().map(|row| &row.utterance.dialogue_id).collect();
    dialogues.dedup();
    Summary {
        corpus: draft.name.clone(),
        split,
        utterances: rows.len(),
        dialogues: dialogues.len(),
        audio: rows.iter().filter(|row| row.audio.is_some()).count(),
        video: rows.iter().filter(|row| row.video.is_some()).count(),
        audio_dim: dims.audio,
        video_dim: dims.video,
        labels,
        notes: findings.notes(),
        synthetic,
    }
}

/// Metadata and end of a table whose rows are written, synced.
fn finish(
    path: &Path,
    mut writer: SerializedFileWriter<File>,
    draft: &Draft,
    sources: &[SourceFile],
    synthetic: bool,
    findings: &Findings,
) -> Result<(), CorpusError> {
    let mut metadata = vec![
        (key::SCHEMA, VERSION.to_owned()),
        (key::SOURCES, json(path, sources)?),
        (key::LICENCE, licence(draft.kind, synthetic).to_owned()),
        (key::TASK, draft.kind.task().name().to_owned()),
        (key::SYNTHETIC, synthetic.to_string()),
    ];
    if let Some(taxonomy) = &draft.taxonomy {
        metadata.push((key::TAXONOMY, json(path, taxonomy)?));
    }
    metadata.push((key::FEATURES, json(path, &draft.cards)?));
    metadata.push((key::NOTES, json(path, &findings.notes())?));
    for (name, value) in metadata {
        writer.append_key_value_metadata(KeyValue::new(name.to_owned(), value));
    }
    let file = writer.into_inner().map_err(CorpusError::table(path))?;
    file.sync_all().map_err(CorpusError::io(path))
}

fn write_rows(
    path: &Path,
    draft: &Draft,
    dims: Dims,
    rows: &[&Row],
    findings: &mut Findings,
    progress: &mut dyn FnMut(&str),
) -> Result<SerializedFileWriter<File>, CorpusError> {
    let (wrong, kind) = (CorpusError::table(path), draft.kind);
    let mut properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    for modality in Modality::ALL {
        let leaf = ColumnPath::new(
            [modality.name(), "list", "item", "list", "item"]
                .map(String::from)
                .to_vec(),
        );
        properties = properties
            .set_column_dictionary_enabled(leaf.clone(), false)
            .set_column_statistics_enabled(leaf, EnabledStatistics::None);
    }
    let file = File::create(path).map_err(CorpusError::io(path))?;
    let schema = schema::schema(dims);
    let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build()));
    let (mut writer, columns) =
        (writer.and_then(ArrowWriter::into_serialized_writer)).map_err(&wrong)?;
    let encode = |number: usize, group: &[&Row]| -> Result<_, CorpusError> {
        let (loaded, non_finite) = load(group)?;
        let batch = schema::to_batch(kind, dims, &loaded).map_err(CorpusError::table(path))?;
        drop(loaded);
        let mut columns = columns
            .create_column_writers(number)
            .map_err(CorpusError::table(path))?;
        let mut next = columns.iter_mut();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array).map_err(CorpusError::table(path))? {
                if let Some(column) = next.next() {
                    column.write(&leaf).map_err(CorpusError::table(path))?;
                }
            }
        }
        let chunks = columns.into_iter().map(ArrowColumnWriter::close);
        let chunks = chunks.collect::<Result<Vec<_>, _>>();
        Ok((chunks.map_err(CorpusError::table(path))?, non_finite))
    };
    let groups = groups(rows);
    let (mut done, mut told) = (0, Instant::now());
    // as many row groups at a time as there are threads: memory stays that of a few groups
    for wave in groups.chunks(rayon::current_num_threads()) {
        let encoded: Vec<_> = (wave.par_iter().enumerate())
            .map(|(i, group)| encode(i, group))
            .collect::<Result<_, _>>()?;
        for ((chunks, non_finite), group) in encoded.into_iter().zip(wave) {
            let mut row_group = writer.next_row_group().map_err(&wrong)?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut row_group).map_err(&wrong)?;
            }
            row_group.close().map_err(&wrong)?;
            tell(group, &non_finite, draft, findings);
            done += group.len();
        }
        if told.elapsed() > PROGRESS {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            progress(&format!("{name}: {done} of {} utterances", rows.len()));
            told = Instant::now();
        }
    }
    Ok(writer)
}

/// Row groups of at most [`GROUP`] utterances and [`GROUP_BYTES`] of features, so that any of them fits in memory several times.
fn groups<'a, 'r>(rows: &'a [&'r Row]) -> Vec<&'a [&'r Row]> {
    let bytes = |row: &Row| -> usize {
        let of = |modality| {
            row.feature(modality)
                .map_or(0, |f| f.steps * f.dim * size_of::<f32>())
        };
        Modality::ALL.into_iter().map(of).sum()
    };
    let (mut groups, mut start, mut sum) = (Vec::new(), 0, 0);
    for (i, row) in rows.iter().enumerate() {
        if i > start && (i - start == GROUP || sum + bytes(row) > GROUP_BYTES) {
            groups.push(&rows[start..i]);
            (start, sum) = (i, 0);
        }
        sum += bytes(row);
    }
    groups.push(&rows[start..]);
    groups
}

fn json<T: serde::Serialize + ?Sized>(path: &Path, value: &T) -> Result<String, CorpusError> {
    serde_json::to_string(value).map_err(CorpusError::table(path))
}

/// Utterances with their features, and how many values of each modality were not finite: those are zero now.
pub(crate) fn load(rows: &[&Row]) -> Result<(Vec<Utterance>, Vec<[usize; 2]>), CorpusError> {
    let load = |row: &&Row| {
        let mut utterance = row.utterance.clone();
        let mut non_finite = [0; 2];
        for (modality, count) in Modality::ALL.into_iter().zip(&mut non_finite) {
            let loaded = row.feature(modality).map(Feature::load).transpose()?;
            *count = loaded.as_ref().map_or(0, |loaded| loaded.non_finite);
            let sequence = loaded.map(|loaded| loaded.sequence);
            match modality {
                Modality::Audio => utterance.audio = sequence,
                Modality::Video => utterance.video = sequence,
            }
        }
        Ok((utterance, non_finite))
    };
    let loaded: Vec<_> = rows
        .par_iter()
        .map(load)
        .collect::<Result<_, CorpusError>>()?;
    Ok(loaded.into_iter().unzip())
}

/// Reports what [`load`] had to set to zero: in which utterance, how many values, of which file.
pub(crate) fn tell(
    rows: &[&Row],
    non_finite: &[[usize; 2]],
    draft: &Draft,
    findings: &mut Findings,
) {
    for (row, counts) in rows.iter().zip(non_finite) {
        for (modality, count) in Modality::ALL.into_iter().zip(counts) {
            if *count > 0 {
                let file = row.feature(modality).and_then(Feature::file);
                let file = file.and_then(|path| draft.name_of(path));
                let file = file.map_or(String::new(), |name| format!(" in {name}"));
                let row = format!("{} ({count}{file})", row.utterance.utterance_id);
                findings.warn("NON_FINITE", &draft.name, Some(row), not_finite(modality));
            }
        }
    }
}

/// Reads the tables that [`ingest`](crate::ingest) wrote into `dir`, features included: the four data sets in their order, then others by
/// name; utterances sorted by (split, dialogue, turn).
///
/// # Errors
/// When there is no table, or one is unreadable or of another schema version.
pub fn read_tables(dir: &Path) -> Result<Vec<Corpus>, CorpusError> {
    let mut corpora = Vec::new();
    for name in names(dir)? {
        let mut corpus = Corpus {
            kind: CorpusKind::from_name(&name).unwrap_or(CorpusKind::Own(Task::Sentiment)),
            name: name.clone(),
            taxonomy: None,
            utterances: Vec::new(),
            sources: Vec::new(),
            audio_dim: None,
            video_dim: None,
            features: FeatureCards::default(),
            notes: Vec::new(),
            synthetic: false,
        };
        for path in Split::ALL.map(|split| dir.join(file_name(&name, split))) {
            // whatever lies there: a broken link is an error, not a split without rows
            if fs::symlink_metadata(&path).is_ok() {
                read_table(&path, &mut corpus)?;
            }
        }
        corpora.push(corpus);
    }
    if corpora.is_empty() {
        let message = "no utterance table; expected <corpus>-<split>.parquet as ingest writes them"
            .to_owned();
        return Err(CorpusError::Table {
            path: dir.to_owned(),
            message,
        });
    }
    Ok(corpora)
}

/// Names of the corpora that have a table in `dir`: the four data sets in their order, then others by name.
fn names(dir: &Path) -> Result<Vec<String>, CorpusError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(CorpusError::io(dir))? {
        let file = entry.map_err(CorpusError::io(dir))?.file_name();
        let file = file.to_string_lossy();
        let split = |split| {
            file.strip_suffix(&format!("-{split}.parquet"))
                .map(str::to_owned)
        };
        names.extend(
            Split::ALL
                .into_iter()
                .find_map(split)
                .filter(|name| !name.is_empty()),
        );
    }
    let known = CorpusKind::KNOWN.into_iter().filter_map(CorpusKind::name);
    let mut ordered: Vec<String> = known.filter_map(|name| names.take(name)).collect();
    ordered.extend(names);
    Ok(ordered)
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

type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Opens a table of our schema version, with its metadata.
fn open(path: &Path) -> Result<(Builder, BTreeMap<String, String>), CorpusError> {
    let file = open_file(path)?;
    let builder = Builder::try_new(file).map_err(CorpusError::table(path))?;
    let file_metadata = builder.metadata().file_metadata();
    let entries = file_metadata.key_value_metadata().into_iter().flatten();
    let metadata: BTreeMap<String, String> = entries
        .filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?)))
        .collect();
    let found = metadata.get(key::SCHEMA).map_or("none", String::as_str);
    if found != VERSION {
        return Err(CorpusError::Table {
            path: path.to_owned(),
            message: format!(
                "expected an utterance table of schema version {VERSION}, found {found}; run `unimse ingest` again"
            ),
        });
    }
    Ok((builder, metadata))
}

fn read_table(path: &Path, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let wrong = |message: String| CorpusError::Table {
        path: path.to_owned(),
        message,
    };
    let (builder, metadata) = open(path)?;
    let cards = metadata.get(key::FEATURES).map_or("{}", String::as_str);
    let cards: FeatureCards = serde_json::from_str(cards)
        .map_err(|e| wrong(format!("metadata {}: {e}", key::FEATURES)))?;
    if !corpus.utterances.is_empty() && cards != corpus.features {
        return Err(wrong(
            "expected features made as in the corpus' other tables, found others; run `unimse ingest` again".to_owned(),
        ));
    }
    corpus.audio_dim = cards.audio.as_ref().map(|card| card.dimension);
    corpus.video_dim = cards.video.as_ref().map(|card| card.dimension);
    corpus.features = cards;
    if let CorpusKind::Own(_) = corpus.kind {
        let task = metadata.get(key::TASK).map_or("none", String::as_str);
        let task = Task::from_name(task)
            .ok_or_else(|| wrong(format!("metadata {}: unknown task {task}", key::TASK)))?;
        corpus.kind = CorpusKind::Own(task);
    }
    if let Some(text) = metadata.get(key::TAXONOMY) {
        let taxonomy = serde_json::from_str(text);
        corpus.taxonomy =
            taxonomy.map_err(|e| wrong(format!("metadata {}: {e}", key::TAXONOMY)))?;
    }
    corpus.synthetic |= metadata
        .get(key::SYNTHETIC)
        .is_some_and(|value| value == "true");
    let sources = metadata
        .get(key::SOURCES)
        .map_or(Ok(Vec::new()), |text| serde_json::from_str(text));
    corpus.sources = sources.map_err(|e| wrong(format!("metadata {}: {e}", key::SOURCES)))?;
    let notes = metadata.get(key::NOTES).map_or(Ok(Vec::new()), |text| {
        serde_json::from_str::<Vec<String>>(text)
    });
    for note in notes.map_err(|e| wrong(format!("metadata {}: {e}", key::NOTES)))? {
        if !corpus.notes.contains(&note) {
            corpus.notes.push(note);
        }
    }
    for batch in builder.build().map_err(CorpusError::table(path))? {
        let batch = batch.map_err(CorpusError::table(path))?;
        let mut rows = schema::from_batch(&batch).map_err(wrong)?;
        zero(&mut rows, path, corpus);
        corpus.utterances.extend(rows);
    }
    Ok(())
}

/// Sets to zero what is not finite in a table, which ingest did not write so, and keeps a note of it.
fn zero(rows: &mut [Utterance], path: &Path, corpus: &mut Corpus) {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    for u in rows {
        for (modality, sequence) in Modality::ALL.into_iter().zip([&mut u.audio, &mut u.video]) {
            let count = (sequence.as_mut()).map_or(0, |s| crate::zero_non_finite(&mut s.values));
            if count > 0 {
                let what = format!("{} ({count}): {}", u.utterance_id, not_finite(modality));
                corpus.notes.push(format!("{file}, {what} [NON_FINITE]"));
            }
        }
    }
}

fn not_finite(modality: Modality) -> String {
    format!(
        "{} values that are not finite: set to zero",
        modality.name()
    )
}

/// Removes the tables of earlier runs that `written` does not replace, and moves the new ones from `staging` over.
pub(crate) fn publish(staging: &Path, out: &Path, written: &[String]) -> Result<(), CorpusError> {
    for name in written {
        fs::rename(staging.join(name), out.join(name)).map_err(CorpusError::io(&out.join(name)))?;
    }
    for corpus in names(out)? {
        for name in Split::ALL.map(|split| file_name(&corpus, split)) {
            let path = out.join(&name);
            let ours = || CorpusKind::from_name(&corpus).is_some() || open(&path).is_ok();
            if !written.contains(&name) && path.exists() && ours() {
                fs::remove_file(&path).map_err(CorpusError::io(&path))?;
            }
        }
    }
    sync_folder(out)
}

/// Makes renames inside a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), CorpusError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(CorpusError::io(folder))
}
