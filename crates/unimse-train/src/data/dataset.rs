//! Utterance tables and label tables joined by id into what the model reads and is taught.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tch::{Device, Tensor};
use unimse_corpus::splits::{Corpora, Holds, OneSplit, Reads, RowRef};
use unimse_corpus::{Code, Context, Corpus, Task, Utterance, context};
use unimse_labels::{Donor, Field, Form, Grammar, PerField, Source, UniversalLabel};
use unimse_model::batch::{Batch, Target};
use unimse_model::config::{Decoder, FeatureDims, Modality, ModelConfig};
use unimse_model::tokenizer::Encoded;

use crate::TrainError;
use crate::config::{RunConfig, TrainConfig};
use crate::data::labels_table::{LabelTable, Row as LabelRow};
use crate::data::reader::Reader;
use crate::data::row::{Row, collate, features};
use crate::data::sampler::Entry;

/// One encoded utterance; the features stay in their corpus.
#[derive(Debug, Clone)]
pub struct Example {
    /// Index into [`Dataset::corpora`].
    pub corpus: usize,
    /// Index into that corpus's utterances.
    pub utterance: usize,
    /// Token ids of the context window.
    pub ids: Vec<i64>,
    /// Segment of every token: 0 before, 1 current, 2 after.
    pub segments: Vec<i64>,
    /// The same without the words for the voice, where `ids` have some: what is read where the audio is taken away.
    pub mute: Option<Encoded>,
    /// What training teaches; `None` for rows that are only predicted.
    pub target: Option<Target>,
}

/// Corpora with the examples of one split.
#[derive(Debug)]
pub struct Dataset {
    /// The corpora, in canonical order, shared with other splits; those of the examples alone are this data set's.
    pub corpora: Vec<Arc<Corpus>>,
    /// The examples, corpus by corpus.
    pub examples: Vec<Example>,
    modalities: Vec<Modality>,
    pad: i64,
}

/// Reads the utterance tables of a run, without the tables of splits that the stage does not read.
///
/// # Errors
/// [`TrainError::Corpus`] as the tables say, and where no corpus is left. Features that are not finite are
/// read as 0 ([`unimse_corpus::zero_non_finite`]); standard error tells of them, as of those that ingest has met.
pub fn read_corpora<S: Reads>(folder: &Path) -> Result<Corpora<S>, TrainError> {
    let corpora = Corpora::read(folder)?;
    for corpus in corpora.list() {
        for note in corpus.notes_of_kind(Code::NonFinite) {
            eprintln!("warning: corpus {}: {note}", corpus.name);
        }
    }
    Ok(corpora)
}

/// Label tables of every corpus.
///
/// # Errors
/// As [`LabelTable::read`].
pub fn read_labels(folder: &Path, corpora: &[Arc<Corpus>]) -> Result<Vec<LabelTable>, TrainError> {
    corpora
        .iter()
        .map(|c| LabelTable::read(folder, &c.name))
        .collect()
}

/// The fields a run's grammar has beside the polarity: those of which some label holds a value.
#[must_use]
pub fn fields(tables: &[LabelTable]) -> Vec<Field> {
    let labels = || {
        let rows = tables.iter().flat_map(|t| &t.rows);
        rows.filter_map(|r| r.label.as_ref())
    };
    let known =
        |l: &UniversalLabel, field| matches!(l.field(field).source, Source::Gold | Source::Donor);
    let present = |field: &Field| labels().any(|label| known(label, *field));
    Field::BORROWED.into_iter().filter(present).collect()
}

/// The grammar of a run.
#[must_use]
pub fn grammar(config: &RunConfig, fields: &[Field]) -> Grammar {
    let mut grammar = Grammar::new(fields);
    grammar.form = config.labels.form;
    grammar.decimals = config.labels.decimals.get() as u8;
    grammar
}

/// Feature dimensions of the corpora, for the modalities in use.
#[must_use]
pub fn feature_dims(corpora: &[Arc<Corpus>], config: &ModelConfig) -> FeatureDims {
    let dims = |m: Modality, dim: &dyn Fn(&Corpus) -> Option<usize>| {
        if config.has(m) {
            corpora
                .iter()
                .filter_map(|corpus| dim(corpus))
                .map(|d| d as i64)
                .collect()
        } else {
            Default::default()
        }
    };
    FeatureDims {
        audio: dims(Modality::Audio, &|c| c.audio_dim),
        video: dims(Modality::Video, &|c| c.video_dim),
    }
}

impl Dataset {
    /// Encodes every utterance of a split of `corpora` with its context; with `labels`, utterances without a label are left out and the
    /// others carry a target. A stage that does not read a split cannot ask for it.
    ///
    /// # Errors
    /// [`TrainError::Data`] for an utterance that the label table lacks, [`TrainError::Model`] for text that cannot be encoded.
    pub fn new<S: Holds<T>, T: OneSplit>(
        corpora: &Corpora<S>,
        split: T,
        labels: Option<&[LabelTable]>,
        reader: Reader<'_>,
        config: &RunConfig,
    ) -> Result<Self, TrainError> {
        let model = &config.model;
        let windows: Vec<Vec<Context>> = corpora
            .list()
            .iter()
            .map(|c| {
                context(
                    &c.utterances,
                    model.context_before.get(),
                    model.context_after.get(),
                )
            })
            .collect();
        let targets = labels.map(|tables| Targets::new(tables, config));
        let mut examples = Vec::new();
        for RowRef { corpus, utterance } in corpora.rows(split) {
            let rows = &corpora.list()[corpus];
            let target = match &targets {
                None => None,
                Some(targets) => match targets.of_row(rows, utterance)? {
                    None => continue,
                    known => known,
                },
            };
            let line = |i: usize| {
                let spoken = &rows.utterances[i];
                (spoken.speaker.as_deref(), spoken.text.as_str())
            };
            let window = &windows[corpus][utterance];
            let around = [&window.before[..], &[utterance], &window.after[..]].concat();
            let lines: Vec<_> = around.into_iter().map(line).collect();
            let read = |voice: Option<&str>| reader.read(&lines, window.before.len(), voice);
            let audio = rows.utterances[utterance].audio.as_ref();
            let voice = reader.voice(Some(&rows.name), audio);
            let encoded = read(voice.as_deref())?;
            examples.push(Example {
                corpus,
                utterance,
                ids: encoded.ids,
                segments: encoded.segments,
                mute: voice.map(|_| read(None)).transpose()?,
                target,
            });
        }
        Ok(Self {
            corpora: corpora.list().to_vec(),
            examples,
            modalities: model.modalities.to_vec(),
            pad: reader.tokenizer.pad(),
        })
    }

    /// The utterance of an example.
    #[must_use]
    pub fn utterance(&self, example: &Example) -> &Utterance {
        &self.corpora[example.corpus].utterances[example.utterance]
    }

    /// The utterances of the examples of the corpus at `index`.
    pub fn utterances_of(&self, index: usize) -> impl Iterator<Item = &Utterance> {
        let examples = self.examples.iter().filter(move |e| e.corpus == index);
        examples.map(|e| self.utterance(e))
    }

    /// What the sampler needs of every example.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.examples
            .iter()
            .map(|e| Entry {
                corpus: e.corpus,
                tokens: e.ids.len(),
            })
            .collect()
    }

    /// Task of the corpus at `index`.
    #[must_use]
    pub fn task(&self, index: usize) -> Task {
        self.corpora[index].task()
    }

    /// Pads the examples at `indices` into one batch on `device`. An index that stands twice is one utterance: its rows are no
    /// negatives of each other.
    ///
    /// # Errors
    /// [`TrainError::Data`] naming the utterance whose features cannot be used.
    pub fn batch(&self, indices: &[usize], device: Device) -> Result<Batch, TrainError> {
        self.batch_without(indices, 0..indices.len(), |_, _| false, device)
    }

    /// The rows at `own` of [`Dataset::batch`], without the audio or video that `lacks` takes away, by the place in the whole batch: it is asked of every
    /// row of that, in their order.
    ///
    /// # Errors
    /// As [`Dataset::batch`].
    pub fn batch_without(
        &self,
        indices: &[usize],
        own: Range<usize>,
        mut lacks: impl FnMut(usize, Modality) -> bool,
        device: Device,
    ) -> Result<Batch, TrainError> {
        let mut rows: Vec<Row<'_>> = indices.iter().map(|&i| self.row(i)).collect();
        for ((at, row), &example) in rows.iter_mut().enumerate().zip(indices) {
            if row.audio.is_some() && lacks(at, Modality::Audio) {
                row.audio = None;
                if let Some(mute) = &self.examples[example].mute {
                    (row.ids, row.segments) = (&mute.ids, &mute.segments);
                }
            }
            row.video = row.video.filter(|_| !lacks(at, Modality::Video));
        }
        let (rows, indices) = (&rows[own.clone()], &indices[own]);
        let mut batch = collate(rows, self.pad, device).map_err(|e| {
            let name = indices.get(e.row()).map(|&i| self.name(i));
            TrainError::Data(format!("{}: {e}", name.unwrap_or_default()))
        })?;
        let identity: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        batch.identity = Some(Tensor::from_slice(&identity).to_device(device));
        Ok(batch)
    }

    /// The example at `example` as the model reads it, without the modalities that the model lacks.
    #[must_use]
    pub fn row(&self, example: usize) -> Row<'_> {
        let e = &self.examples[example];
        let u = self.utterance(e);
        let used = |modality| self.modalities.contains(&modality);
        Row {
            ids: &e.ids,
            segments: &e.segments,
            audio: features(u.audio.as_ref().filter(|_| used(Modality::Audio))),
            video: features(u.video.as_ref().filter(|_| used(Modality::Video))),
        }
    }

    /// All examples as the model reads them, in their order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        (0..self.examples.len()).map(|i| self.row(i)).collect()
    }

    /// Targets of the examples at `indices`.
    ///
    /// # Errors
    /// [`TrainError::Data`] where one of them has none.
    pub fn targets(&self, indices: &[usize]) -> Result<Vec<Target>, TrainError> {
        let target = |&i: &usize| {
            self.examples[i]
                .target
                .clone()
                .ok_or_else(|| TrainError::Data(format!("{}: no label", self.name(i))))
        };
        indices.iter().map(target).collect()
    }

    /// Corpus and utterance of the example at `example`, for messages.
    #[must_use]
    pub fn name(&self, example: usize) -> String {
        let e = &self.examples[example];
        let corpus = &self.corpora[e.corpus];
        let id = &corpus.utterances[e.utterance].utterance_id;
        format!("corpus {}: utterance {id}", corpus.name)
    }
}

/// What the label tables teach.
struct Targets<'a> {
    /// Rows by utterance id, by corpus.
    tables: HashMap<&'a str, HashMap<&'a str, &'a LabelRow>>,
    train: &'a TrainConfig,
    /// Whether a text holds one emotion only.
    one_emotion: bool,
}

impl<'a> Targets<'a> {
    fn new(tables: &'a [LabelTable], config: &'a RunConfig) -> Self {
        let by_corpus = tables.iter().map(|t| (t.corpus.as_str(), t.by_id()));
        Self {
            tables: by_corpus.collect(),
            train: &config.train,
            one_emotion: config.labels.form == Form::Triple && config.model.decoder == Decoder::T5,
        }
    }

    /// The target of an utterance; `None` where it has no label.
    fn of_row(&self, corpus: &Corpus, utterance: usize) -> Result<Option<Target>, TrainError> {
        let (name, id) = (&corpus.name, &corpus.utterances[utterance].utterance_id);
        let table = self.tables.get(name.as_str()).ok_or_else(|| {
            TrainError::Data(format!("corpus {name}: no label table; run `unimse unify`"))
        })?;
        let row = table.get(id.as_str()).ok_or_else(|| {
            TrainError::Data(format!("corpus {name}: utterance {id} has no row in the label table; run `unimse unify` again"))
        })?;
        let label = row.label.as_ref();
        Ok(label.map(|label| target(label, self.train, self.one_emotion)))
    }
}

/// A borrowed field counts `donor_weight` times a power of its donor's similarity, a gold intensity `intensity_weight`, any other known field 1, a missing one 0. Where a text holds only
/// `one_emotion` it is an utterance's own.
fn target(label: &UniversalLabel, train: &TrainConfig, one_emotion: bool) -> Target {
    let borrowed = |donor: Option<&Donor>| {
        let similarity = donor.map_or(1.0, |donor| f64::from(donor.similarity).max(0.0));
        (train.donor_weight.get() * similarity.powf(train.donor_power.get())) as f32
    };
    let weight = |field| match (label.field(field).source, field) {
        (Source::Gold, Field::Intensity) => train.intensity_weight.get() as f32,
        (Source::Gold | Source::Rule, _) => 1.0,
        (Source::Donor, _) => borrowed(label.field(field).donor),
        (Source::Missing, _) => 0.0,
    };
    let lent = label.iemocap.source == Source::Gold && label.meld.source != Source::Gold;
    let mut plain = label.plain();
    plain.meld = plain.meld.filter(|_| !(one_emotion && lent));
    Target {
        label: plain,
        weights: PerField::from_fn(weight),
    }
}

#[cfg(test)]
mod tests;
