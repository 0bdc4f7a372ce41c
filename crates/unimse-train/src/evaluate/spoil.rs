//! Inputs with something missing or spoiled: the conditions under which `evaluate.robustness` answers again.
//!
//! Words for the voice ([`crate::data::voice`]) are audio: they say what is left of it.
//!
//! What is drawn at random depends on the seed, the utterance and the modality alone. A word or frame that is missing at one rate is missing at
//! every higher one, and a line loses the same words wherever it stands.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use unimse_corpus::{Context, Sequence, Utterance, context};
use unimse_model::tokenizer::Encoded;
use unimse_model::{Modality, SequenceRef};

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::data::reader::Reader;
use crate::data::row::{Row, features};

/// What is done to the inputs of every row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// These modalities are kept, the others taken away. Without text the current utterance is empty and stands alone, as one whose words nobody
    /// has written down.
    Only(Vec<Modality>),
    /// Every word, of the context too, and every frame is left out with this probability. A sequence that loses all is absent.
    Missing(f64),
    /// Every row has the features of another one in this modality: the rows that have some are exchanged in one circle.
    Shuffled(Modality),
    /// Gaussian noise of this standard deviation is added to every value of the standardised features.
    Noise(f64),
}

/// A row of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnRow {
    ids: Vec<i64>,
    segments: Vec<i64>,
    audio: Option<Sequence>,
    video: Option<Sequence>,
}

impl OwnRow {
    fn of(row: &Row<'_>) -> Self {
        let own = |sequence: Option<SequenceRef<'_>>| {
            sequence.map(|s| Sequence {
                dim: s.dim,
                values: s.values.to_vec(),
            })
        };
        Self {
            ids: row.ids.to_vec(),
            segments: row.segments.to_vec(),
            audio: own(row.audio),
            video: own(row.video),
        }
    }

    /// As the model reads it.
    pub(super) fn row(&self) -> Row<'_> {
        Row {
            ids: &self.ids,
            segments: &self.segments,
            audio: features(self.audio.as_ref()),
            video: features(self.video.as_ref()),
        }
    }

    /// Whether the model reads of `row` what it reads of this one.
    pub(super) fn equals(&self, row: &Row<'_>) -> bool {
        let same = |own: &Option<Sequence>, other: Option<SequenceRef<'_>>| match (own, other) {
            (None, None) => true,
            (Some(own), Some(other)) => own.dim == other.dim && own.values == other.values,
            _ => false,
        };
        self.ids == row.ids
            && self.segments == row.segments
            && same(&self.audio, row.audio)
            && same(&self.video, row.video)
    }

    fn sequence(&mut self, modality: Modality) -> &mut Option<Sequence> {
        if modality == Modality::Audio {
            &mut self.audio
        } else {
            &mut self.video
        }
    }
}

/// The modalities beside text.
pub(super) const FEATURES: [Modality; 2] = [Modality::Audio, Modality::Video];

/// Some rows of a data set, all of one corpus, and what it takes to spoil them.
pub(super) struct Spoiler<'a> {
    dataset: &'a Dataset,
    reader: Reader<'a>,
    /// The neighbours of every utterance of the corpus.
    windows: Vec<Context>,
    /// The rows, as examples of the data set.
    rows: &'a [usize],
    seed: u64,
}

impl<'a> Spoiler<'a> {
    /// For `rows`, examples of the corpus at `corpus` of `dataset`.
    pub(super) fn new(
        dataset: &'a Dataset,
        reader: Reader<'a>,
        config: &RunConfig,
        corpus: usize,
        rows: &'a [usize],
    ) -> Self {
        let model = &config.model;
        let (before, after) = (model.context_before.get(), model.context_after.get());
        let utterances = &dataset.corpora[corpus].utterances;
        Self {
            dataset,
            reader,
            windows: context(utterances, before, after),
            rows,
            seed: config.evaluate.seed,
        }
    }

    /// Modalities that some of the rows have and the model reads.
    pub(super) fn modalities(&self) -> Vec<Modality> {
        let rows = || self.rows.iter().map(|&at| self.dataset.row(at));
        let mut found = vec![Modality::Text];
        found.extend(rows().any(|r| r.audio.is_some()).then_some(Modality::Audio));
        found.extend(rows().any(|r| r.video.is_some()).then_some(Modality::Video));
        found
    }

    /// The rows under `condition`, in their order.
    ///
    /// # Errors
    /// [`TrainError::Model`] for text that cannot be encoded.
    pub(super) fn rows(&self, condition: &Condition) -> Result<Vec<OwnRow>, TrainError> {
        let plain = self
            .rows
            .iter()
            .map(|&at| OwnRow::of(&self.dataset.row(at)));
        let mut rows: Vec<OwnRow> = plain.collect();
        match condition {
            Condition::Only(kept) => keep(kept, &mut rows),
            Condition::Missing(rate) => self.drop_frames(*rate, &mut rows),
            Condition::Shuffled(modality) => self.exchange(*modality, &mut rows),
            Condition::Noise(sd) => self.add_noise(*sd, &mut rows),
        }
        for (row, &at) in rows.iter_mut().zip(self.rows) {
            if let Some(text) = self.text(condition, at, row.audio.as_ref())? {
                (row.ids, row.segments) = (text.ids, text.segments);
            }
        }
        Ok(rows)
    }

    /// What is read of the text of an example under `condition`, with the words for the voice that `audio` is then; `None` where it stays as it is.
    fn text(
        &self,
        condition: &Condition,
        at: usize,
        audio: Option<&Sequence>,
    ) -> Result<Option<Encoded>, TrainError> {
        let corpus = &self.dataset.corpora[self.dataset.examples[at].corpus].name;
        let voice = self.reader.voice(Some(corpus), audio);
        let voice = voice.as_deref();
        Ok(match condition {
            Condition::Only(kept) if !kept.contains(&Modality::Text) => {
                Some(self.reader.read(&[(None, "")], 0, voice)?)
            }
            Condition::Missing(rate) => Some(self.left_of(at, *rate, voice)?),
            _ if self.reader.voice.is_some() => Some(self.left_of(at, 0.0, voice)?),
            _ => None,
        })
    }

    /// The text of an example in its context, every word left out with the probability `rate`.
    fn left_of(&self, at: usize, rate: f64, voice: Option<&str>) -> Result<Encoded, TrainError> {
        let example = &self.dataset.examples[at];
        let utterances = &self.dataset.corpora[example.corpus].utterances;
        let window = &self.windows[example.utterance];
        let around = [&window.before[..], &[example.utterance], &window.after[..]].concat();
        let spoken: Vec<(Option<&str>, String)> = around
            .into_iter()
            .map(|i| {
                let u = &utterances[i];
                let words = without_some(&u.text, rate, self.random(u, Modality::Text));
                (u.speaker.as_deref(), words)
            })
            .collect();
        let lines: Vec<_> = spoken
            .iter()
            .map(|(who, text)| (*who, text.as_str()))
            .collect();
        self.reader.read(&lines, window.before.len(), voice)
    }

    fn drop_frames(&self, rate: f64, rows: &mut [OwnRow]) {
        for (row, &at) in rows.iter_mut().zip(self.rows) {
            let u = self.dataset.utterance(&self.dataset.examples[at]);
            for modality in FEATURES {
                let sequence = row.sequence(modality);
                if let Some(s) = sequence.as_mut() {
                    drop_frames(s, rate, self.random(u, modality));
                }
                *sequence = sequence.take().filter(|s| s.steps() > 0);
            }
        }
    }

    fn exchange(&self, modality: Modality, rows: &mut [OwnRow]) {
        let has = |row: &mut OwnRow| row.sequence(modality).is_some();
        let mut with: Vec<usize> = (0..rows.len()).filter(|&at| has(&mut rows[at])).collect();
        // Sattolo's shuffle: one circle, so that no row keeps its own
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(modality as u64);
        for last in (1..with.len()).rev() {
            with.swap(last, random.random_range(..last));
        }
        let Some(&first) = with.first() else { return };
        let mut held = rows[first].sequence(modality).take();
        for &at in with.iter().skip(1).chain([&first]) {
            held = std::mem::replace(rows[at].sequence(modality), held);
        }
    }

    fn add_noise(&self, sd: f64, rows: &mut [OwnRow]) {
        for (row, &at) in rows.iter_mut().zip(self.rows) {
            let u = self.dataset.utterance(&self.dataset.examples[at]);
            for modality in FEATURES {
                let mut random = self.random(u, modality);
                let values = row
                    .sequence(modality)
                    .iter_mut()
                    .flat_map(|s| &mut s.values);
                values.for_each(|value| *value += (sd * gaussian(&mut random)) as f32);
            }
        }
    }

    /// Random numbers of one utterance and modality.
    fn random(&self, u: &Utterance, modality: Modality) -> ChaCha8Rng {
        // FNV-1a of the name
        let name = u.corpus.bytes().chain([0]).chain(u.utterance_id.bytes());
        let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ hash);
        random.set_stream(modality as u64);
        random
    }
}

/// Takes away the audio and video that are not `kept`.
fn keep(kept: &[Modality], rows: &mut [OwnRow]) {
    for row in rows {
        for modality in FEATURES.into_iter().filter(|m| !kept.contains(m)) {
            *row.sequence(modality) = None;
        }
    }
}

/// A text without the words that `random` leaves out; as it is where it loses none.
fn without_some(text: &str, rate: f64, mut random: ChaCha8Rng) -> String {
    let words = text.split_whitespace();
    let all = words.clone().count();
    let kept: Vec<&str> = words.filter(|_| random.random::<f64>() >= rate).collect();
    if kept.len() == all {
        text.to_owned()
    } else {
        kept.join(" ")
    }
}

/// Takes out the steps that `random` leaves out.
fn drop_frames(s: &mut Sequence, rate: f64, mut random: ChaCha8Rng) {
    let steps = s.values.chunks_exact(s.dim.max(1));
    let kept = steps.filter(|_| random.random::<f64>() >= rate);
    s.values = kept.flatten().copied().collect();
}

/// Standard normal, after Box and Muller (1958).
fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
#[path = "spoil/tests.rs"]
mod tests;
