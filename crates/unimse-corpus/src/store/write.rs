//! Writing: utterances and their features, a row group at a time, then what they were made from.

use super::{GROUP, file_name, key, not_finite};
use crate::{
    Code, CorpusError, CorpusKind, SourceFile, Split, Utterance,
    draft::{Draft, Modality, Row},
    feature::Feature,
    finding::Findings,
    schema::{self, Dims, VERSION},
};
use arrow::datatypes::SchemaRef;
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
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
use std::{
    collections::BTreeMap,
    fs::File,
    panic::resume_unwind,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use unimse_run::DataSet;

/// How often a long table tells how far it is.
const PROGRESS: Duration = Duration::from_secs(2);
/// Most bytes of features of a row group, unless a single utterance has more.
const GROUP_BYTES: usize = 16 << 20;

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
    wanted: &dyn Fn() -> bool,
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
            let writer = write_rows(&path, draft, dims, &rows, findings, progress, wanted)?;
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
    let corpus = draft.kind.name().unwrap_or_default();
    let mut metadata = vec![
        (key::SCHEMA, VERSION.to_owned()),
        (key::SOURCES, json(path, sources)?),
        (
            key::LICENCE,
            DataSet::terms_of(corpus, synthetic).to_owned(),
        ),
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

/// Writes the rows of a table; its metadata and its end are left to [`finish`].
fn write_rows(
    path: &Path,
    draft: &Draft,
    dims: Dims,
    rows: &[&Row],
    findings: &mut Findings,
    progress: &mut dyn FnMut(&str),
    wanted: &dyn Fn() -> bool,
) -> Result<SerializedFileWriter<File>, CorpusError> {
    let wrong = CorpusError::table(path);
    let file = File::create(path).map_err(CorpusError::io(path))?;
    let schema = schema::schema(dims);
    let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties()));
    let (mut writer, columns) =
        (writer.and_then(ArrowWriter::into_serialized_writer)).map_err(&wrong)?;
    let encoder = Encoder {
        path,
        kind: draft.kind,
        dims,
        schema,
        columns,
    };
    let groups = groups(rows);
    let (mut done, mut reported) = (0, Instant::now());
    // as many row groups at a time as there are threads: memory stays that of a few groups
    for wave in groups.chunks(rayon::current_num_threads()) {
        if !wanted() {
            return Err(CorpusError::Interrupted);
        }
        let encoded: Vec<_> = (wave.par_iter().enumerate())
            .map(|(i, group)| encoder.encode(i, group))
            .collect::<Result<_, _>>()?;
        for ((chunks, non_finite), group) in encoded.into_iter().zip(wave) {
            let mut row_group = writer.next_row_group().map_err(&wrong)?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut row_group).map_err(&wrong)?;
            }
            row_group.close().map_err(&wrong)?;
            report_non_finite(group, &non_finite, draft, findings);
            done += group.len();
        }
        if reported.elapsed() > PROGRESS {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            progress(&format!("{name}: {done} of {} utterances", rows.len()));
            reported = Instant::now();
        }
    }
    Ok(writer)
}

/// Zstandard; neither dictionaries nor statistics of features.
fn properties() -> WriterProperties {
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
    properties.build()
}

/// Makes the column chunks of row groups.
struct Encoder<'a> {
    path: &'a Path,
    kind: CorpusKind,
    dims: Dims,
    schema: SchemaRef,
    columns: ArrowRowGroupWriterFactory,
}

/// The column chunks of a row group, and how many values of each row and modality were not finite.
type Encoded = (Vec<ArrowColumnChunk>, Vec<[usize; 2]>);

impl Encoder<'_> {
    fn encode(&self, number: usize, group: &[&Row]) -> Result<Encoded, CorpusError> {
        let wrong = CorpusError::table(self.path);
        let (loaded, non_finite) = load(group)?;
        let batch = schema::to_batch(self.kind, self.dims, &loaded);
        let batch = batch.map_err(CorpusError::table(self.path))?;
        drop(loaded);
        let columns = self.columns.create_column_writers(number);
        let mut columns = columns.map_err(&wrong)?;
        let mut next = columns.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array).map_err(&wrong)? {
                if let Some(column) = next.next() {
                    column.write(&leaf).map_err(&wrong)?;
                }
            }
        }
        let chunks = columns.into_iter().map(ArrowColumnWriter::close);
        let chunks = chunks.collect::<Result<Vec<_>, _>>();
        Ok((chunks.map_err(&wrong)?, non_finite))
    }
}

/// Row groups of at most [`GROUP`] utterances and [`GROUP_BYTES`] of features, so that any of them fits in memory several times.
fn groups<'a, 'r>(rows: &'a [&'r Row]) -> Vec<&'a [&'r Row]> {
    let bytes = |row: &Row| -> usize {
        let bytes_of = |modality| {
            row.feature(modality)
                .map_or(0, |f| f.steps * f.dim * size_of::<f32>())
        };
        Modality::ALL.into_iter().map(bytes_of).sum()
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
pub(crate) fn report_non_finite(
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
                findings.add(
                    Code::NonFinite,
                    &draft.name,
                    Some(row),
                    not_finite(modality),
                );
            }
        }
    }
}
