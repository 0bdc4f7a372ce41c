//! A small T5-style decoder over a closed label vocabulary, for backbones that have no decoder (ours, not the paper's).
//!
//! The vocabulary holds the start token, `unknown`, three polarities, every printable intensity and two sets of emotions;
//! a label is one token a field. Four things differ from a language model:
//!
//! - a field's softmax runs over its own tokens alone, and that of the intensity over the scores of the polarity's sign,
//!   in training as in decoding, so that nothing has to be learnt that the grammar knows;
//! - the target of the intensity is a discretised Gaussian around the score, which tells the decoder that 1.5 is nearer to
//!   1.6 than to 3.0; one-hot targets of 61 classes do not;
//! - the second of two emotions does not read the intensity, so that its exact probabilities need 21 beginnings of a label, one a pair of
//!   polarity and first emotion, where all would be 427;
//! - a linear readout of the mean over the current utterance's encoder states is added to the logits, so that the
//!   decoder has only to learn what a plain classifier cannot say.
//!
//! Encoder states `[batch, time, dim]` to logits `[batch, slots, vocabulary]`, one slot a field.

use tch::nn::Path;
use tch::{Device, Kind, Tensor};
use unimse_contrastive::masked_mean;
use unimse_labels::{Field, FieldValue, Grammar, PlainLabel, Polarity};

use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::config::LabelDecoderConfig;
use crate::error::{ModelError, Result};
use crate::head::{Head, Source};
use crate::layers::{Embedding, Linear};
use crate::marginals;
use crate::t5::{Blind, Branching, T5Config, T5Decoder};

mod search;

const START: i64 = 0;
const UNKNOWN: i64 = 1;
const FIRST: i64 = 2;
/// Added to the logits of tokens that cannot follow.
const IMPOSSIBLE: f32 = -1e30;

/// Inputs decoded at a time: with many beginnings each, their states stay in the cache.
const TOGETHER: i64 = 8;

/// A field of the label and where its tokens lie in the vocabulary.
#[derive(Debug, Clone, Copy)]
struct Slot {
    field: Field,
    first: i64,
    count: i64,
}

/// The closed vocabulary.
#[derive(Debug)]
struct Vocabulary {
    slots: Vec<Slot>,
    /// Every printable score, ascending.
    intensities: Vec<f32>,
    size: i64,
}

impl Vocabulary {
    fn new(grammar: &Grammar) -> Self {
        let intensities: Vec<f32> = Polarity::ALL
            .iter()
            .flat_map(|&p| grammar.intensity_values(p))
            .collect();
        let mut size = FIRST;
        let mut slots = Vec::new();
        let spoken = |field: &Field| *field == Field::Polarity || grammar.fields.contains(field);
        for field in Field::ALL.into_iter().filter(spoken) {
            let count = field.classes().map_or(intensities.len(), <[_]>::len) as i64;
            slots.push(Slot {
                field,
                first: size,
                count,
            });
            size += count;
        }
        Self {
            slots,
            intensities,
            size,
        }
    }

    /// The place of the second emotion, which does not see the intensity: the token of slot `n` stands at place `n + 1` and is
    /// predicted at place `n`. `None` where the grammar lacks one of the three.
    fn blind(&self) -> Option<Blind> {
        let slot = |field| self.slots.iter().position(|slot| slot.field == field);
        let (intensity, _, second) = (
            slot(Field::Intensity)?,
            slot(Field::Meld)?,
            slot(Field::Iemocap)?,
        );
        Some(Blind {
            query: second as i64,
            key: intensity as i64 + 1,
        })
    }

    /// Token of each slot; `unknown` where the label has no value.
    fn tokens(&self, label: &PlainLabel) -> Vec<i64> {
        let token = |slot: &Slot| {
            let polarity = self.polarity(label);
            let index = match (slot.field, label.get(slot.field)) {
                (Field::Polarity, _) => Some(polarity.index()),
                (_, Some(FieldValue::Class(class))) => Some(class),
                (_, Some(FieldValue::Score(score))) => Some(self.nearest(score, polarity)),
                (_, None) => None,
            };
            index.map_or(UNKNOWN, |index| slot.first + index as i64)
        };
        self.slots.iter().map(token).collect()
    }

    /// The sign of the intensity where the grammar has one, as in the text form.
    fn polarity(&self, label: &PlainLabel) -> Polarity {
        label
            .intensity
            .filter(|_| !self.intensities.is_empty())
            .map_or(label.polarity, Polarity::from_score)
    }

    /// Indices of the scores with the sign of `polarity`.
    fn scores(&self, polarity: Polarity) -> std::ops::Range<usize> {
        marginals::scores(&self.intensities, polarity)
    }

    fn nearest(&self, score: f32, polarity: Polarity) -> usize {
        let distance = |i: &usize| (self.intensities[*i] - score).abs();
        self.scores(polarity)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or(0)
    }

    /// Tokens that may follow in `slot` beside `polarity`.
    fn allowed(&self, slot: &Slot, polarity: Polarity) -> std::ops::Range<i64> {
        match slot.field {
            Field::Intensity => {
                let scores = self.scores(polarity);
                slot.first + scores.start as i64..slot.first + scores.end as i64
            }
            _ => slot.first..slot.first + slot.count,
        }
    }

    /// Target distribution of the intensity: `exp(-(v - score)^2 / 2 sigma^2)` over the scores `v` of the polarity's sign, normalised.
    fn gaussian(&self, score: f32, polarity: Polarity, sigma: f64) -> Vec<(usize, f32)> {
        let scores = self.scores(polarity);
        if sigma == 0.0 {
            return vec![(self.nearest(score, polarity), 1.0)];
        }
        let exponent =
            |i: usize| -f64::from(self.intensities[i] - score).powi(2) / (2.0 * sigma * sigma);
        let top = scores
            .clone()
            .map(exponent)
            .fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.clone().map(|i| (exponent(i) - top).exp()).sum();
        scores
            .map(|i| (i, ((exponent(i) - top).exp() / total) as f32))
            .collect()
    }
}

/// Teacher forcing of one batch. See [`LabelDecoder::loss`].
struct Teacher {
    /// `[batch, slots]` i64: start token and all fields but the last.
    inputs: Tensor,
    /// `[batch, slots, vocabulary]`: target distribution times weight.
    targets: Tensor,
    /// `[batch, slots, vocabulary]`: 0 where a token may stand, very negative elsewhere.
    impossible: Tensor,
}

/// The decoder. Parameters under the path it is given: `decoder.*`, `embedding.*`, `head.*`, `readout.*`.
#[derive(Debug)]
pub struct LabelDecoder {
    vocabulary: Vocabulary,
    grammar: Grammar,
    decoder: T5Decoder,
    readout: Linear,
    sigma: f64,
}

impl LabelDecoder {
    /// On encoder states of width `dim`.
    ///
    /// # Errors
    /// `dim` is no multiple of the number of heads.
    pub fn new(
        p: &Path<'_>,
        grammar: &Grammar,
        dim: i64,
        config: &LabelDecoderConfig,
    ) -> Result<Self> {
        let heads = config.heads.get() as i64;
        if heads < 1 || dim % heads != 0 {
            return Err(ModelError::Input(format!(
                "label_decoder.heads: expected a divisor of the backbone's width {dim}, found {heads}"
            )));
        }
        let vocabulary = Vocabulary::new(grammar);
        let shape = T5Config::label_decoder(
            vocabulary.size,
            dim,
            heads,
            config.layers.get(),
            2 * dim,
            config.dropout.get(),
        );
        let embedding = Embedding::new(&(p / "embedding"), vocabulary.size, dim, 1.0);
        let head = Linear::without_bias(&(p / "head"), dim, vocabulary.size, 0.02);
        Ok(Self {
            decoder: T5Decoder::new(&(p / "decoder"), &shape, embedding, Some(head))
                .with_blind(vocabulary.blind()),
            readout: Linear::normal(&(p / "readout"), dim, vocabulary.size, 0.02),
            sigma: config.sigma.get(),
            grammar: grammar.clone(),
            vocabulary,
        })
    }

    /// Mean over utterances of the weighted sum over fields of the cross-entropy, in nats, fp32 scalar.
    ///
    /// # Shapes
    /// `source` `[batch, time, dim]`, `mask` and `current` `[batch, time]` bool: where a token stands, where one of the current
    /// utterance stands. One target per row. The decoder's blocks are put on `tape`.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Tensor,
        mask: &Tensor,
        current: &Tensor,
        targets: &[Target],
        train: bool,
    ) -> Result<Tensor> {
        let teacher = self.teacher(targets, source.device());
        let readout = self.readout.forward(&pool(source, current)?).unsqueeze(1);
        let logits = self
            .decoder
            .forward_on(tape, &teacher.inputs, source, mask, train)
            .to_kind(Kind::Float)
            + readout;
        let chances = (logits + teacher.impossible).log_softmax(-1, Kind::Float);
        Ok((chances * teacher.targets).sum(Kind::Float) / -(targets.len().max(1) as f64))
    }

    /// Constrained decoding with the probabilities of every field, exact but for a ten-millionth of all probability; arguments as in
    /// [`LabelDecoder::loss`]. `beams` is that of the configuration: 1 gives the greedy label, more the most probable one of all.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn predict(
        &self,
        source: &Tensor,
        mask: &Tensor,
        current: &Tensor,
        beams: usize,
    ) -> Result<Vec<Prediction>> {
        let readout = self.readout.forward(&pool(source, current)?);
        let batch = source.size()[0];
        let some = (0..batch).step_by(TOGETHER as usize).map(|from| {
            let part = |x: &Tensor| x.narrow(0, from, TOGETHER.min(batch - from));
            let decoding = Branching::new(&self.decoder, &part(source), &part(mask));
            let (vocabulary, grammar) = (&self.vocabulary, &self.grammar);
            search::search(vocabulary, grammar, decoding, &part(&readout), beams > 1)
        });
        Ok(some.flatten().collect())
    }

    fn teacher(&self, targets: &[Target], device: Device) -> Teacher {
        let (slots, size) = (self.vocabulary.slots.len(), self.vocabulary.size as usize);
        let mut inputs = Vec::with_capacity(targets.len() * slots);
        let mut wanted = vec![0f32; targets.len() * slots * size];
        let mut impossible = vec![IMPOSSIBLE; wanted.len()];
        for (row, target) in targets.iter().enumerate() {
            let tokens = self.vocabulary.tokens(&target.label);
            let polarity = self.vocabulary.polarity(&target.label);
            inputs.push(START);
            inputs.extend(&tokens[..slots - 1]);
            for (at, (slot, &token)) in self.vocabulary.slots.iter().zip(&tokens).enumerate() {
                let cell = (row * slots + at) * size;
                let allowed = self.vocabulary.allowed(slot, polarity);
                impossible[cell + allowed.start as usize..cell + allowed.end as usize].fill(0.0);
                if token == UNKNOWN {
                    continue;
                }
                let weight = target.weights[slot.field];
                match target.label.get(slot.field) {
                    Some(FieldValue::Score(score)) => {
                        for (index, share) in self.vocabulary.gaussian(score, polarity, self.sigma)
                        {
                            wanted[cell + slot.first as usize + index] = share * weight;
                        }
                    }
                    _ => wanted[cell + token as usize] = weight,
                }
            }
        }
        let shape = [targets.len() as i64, slots as i64, size as i64];
        let place = |values: &[f32]| Tensor::from_slice(values).view(shape).to_device(device);
        Teacher {
            inputs: Tensor::from_slice(&inputs)
                .view([shape[0], shape[1]])
                .to_device(device),
            targets: place(&wanted),
            impossible: place(&impossible),
        }
    }
}

/// Mean encoder state of the current utterance, fp32.
fn pool(source: &Tensor, current: &Tensor) -> Result<Tensor> {
    masked_mean(source, current).map_err(|e| ModelError::Input(e.to_string()))
}

/// The closed vocabulary, which has no use for a length penalty.
impl Head for LabelDecoder {
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        train: bool,
    ) -> Result<Tensor> {
        let (states, mask, current) = (source.states, source.mask, source.current);
        LabelDecoder::loss(self, tape, states, mask, current, targets, train)
    }

    fn predict(&self, source: &Source<'_>, beams: usize, _: f64) -> Result<Vec<Prediction>> {
        LabelDecoder::predict(self, source.states, source.mask, source.current, beams)
    }
}

#[cfg(test)]
mod tests;
