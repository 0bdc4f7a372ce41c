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
//! Where no training row has two fields beside the polarity ([`apart`](crate::ModelConfig::apart)), every field reads the polarity alone.
//!
//! Encoder states `[batch, time, dim]` to logits `[batch, slots, vocabulary]`, one slot a field.

use tch::nn::Path;
use tch::{Kind, Tensor};
use unimse_contrastive::masked_mean;
use unimse_labels::{Grammar, PerField};

use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::config::LabelDecoderConfig;
use crate::error::{ModelError, Result};
use crate::head::{Head, Source, Teaching, disagreement};
use crate::layers::{Embedding, Linear};
use crate::t5::{Branching, Memory, T5Config, T5Decoder};

mod search;
mod teacher;
mod vocabulary;

pub(crate) use self::teacher::Teacher;
pub(crate) use self::vocabulary::Vocabulary;

/// Inputs decoded at a time: with many beginnings each, their states stay in the cache.
const TOGETHER: i64 = 8;

/// The decoder. Parameters under the path it is given: `decoder.*`, `embedding.*`, `head.*`, `readout.*`.
#[derive(Debug)]
pub struct LabelDecoder {
    vocabulary: Vocabulary,
    grammar: Grammar,
    decoder: T5Decoder,
    readout: Linear,
    sigma: f64,
    /// `[slots, vocabulary]`: what logit adjustment adds to the logits while training.
    adjustment: Option<Tensor>,
}

impl LabelDecoder {
    /// On encoder states of width `dim`; with `apart` every field reads the polarity and no other field.
    ///
    /// # Errors
    /// `dim` is no multiple of the number of heads.
    pub fn new(
        p: &Path<'_>,
        grammar: &Grammar,
        dim: i64,
        config: &LabelDecoderConfig,
        apart: bool,
    ) -> Result<Self> {
        let heads = config.heads.get() as i64;
        if heads < 1 || dim % heads != 0 {
            return Err(ModelError::Input(format!(
                "label_decoder.heads: expected a divisor of the backbone's width {dim}, found {heads}"
            )));
        }
        let vocabulary = Vocabulary {
            apart,
            ..Vocabulary::new(grammar)
        };
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
            adjustment: None,
            grammar: grammar.clone(),
            vocabulary,
        })
    }
}

/// Mean encoder state of the current utterance, fp32.
fn pool(source: &Tensor, current: &Tensor) -> Result<Tensor> {
    masked_mean(source, current).map_err(|e| ModelError::Input(e.to_string()))
}

/// A label is one token a field, so that a length penalty is of no use here.
impl Head for LabelDecoder {
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        teaching: &Teaching,
    ) -> Result<Tensor> {
        let (states, train) = (source.states, teaching.train);
        let (vocabulary, device) = (&self.vocabulary, states.device());
        let teacher = Teacher::new(vocabulary, targets, self.sigma, teaching.smoothing, device);
        let readout = self.readout.forward(&pool(states, source.current)?);
        let memory = Memory::of_text(states, source.mask);
        let mut logits = self
            .decoder
            .forward_on(tape, &teacher.inputs, &memory, train)
            .to_kind(Kind::Float)
            + readout.unsqueeze(1);
        if let Some(adjustment) = self.adjustment.as_ref().filter(|_| train) {
            logits += adjustment.to_device(device);
        }
        let (loss, chances) = teacher.cross_entropy(&logits);
        if teaching.r_drop == 0.0 {
            return Ok(loss);
        }
        let weights = teacher.targets.sum_dim_intlist(-1, false, Kind::Float);
        Ok(loss + disagreement(&chances, &weights) * teaching.r_drop)
    }

    /// Exact probabilities but for a ten-millionth of all; `beams` 1 gives the greedy label, more the most probable one of all.
    fn predict(&self, source: &Source<'_>, beams: usize, _: f64) -> Result<Vec<Prediction>> {
        let readout = self.readout.forward(&pool(source.states, source.current)?);
        let batch = source.states.size()[0];
        let some = (0..batch).step_by(TOGETHER as usize).map(|from| {
            let part = |x: &Tensor| x.narrow(0, from, TOGETHER.min(batch - from));
            let decoding = Branching::new(&self.decoder, &part(source.states), &part(source.mask));
            let (vocabulary, grammar) = (&self.vocabulary, &self.grammar);
            search::search(vocabulary, grammar, decoding, &part(&readout), beams > 1)
        });
        Ok(some.flatten().collect())
    }

    fn adjust(&mut self, shares: &PerField<Vec<f64>>, strength: f64) -> Result<()> {
        self.adjustment = Some(self.vocabulary.log_shares(shares) * strength);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
