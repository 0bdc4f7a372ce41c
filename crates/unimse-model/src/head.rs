//! What turns encoder states `[batch, time, dim]` into labels (paper, sections 3.2 and 3.6). A head owns its decoder.

use std::fmt;
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::error::Result;
use crate::label_decoder::LabelDecoder;
use crate::t5::T5Decoder;
use crate::text_decoder::TextDecoder;

/// What a head reads of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// Encoder states `[batch, time, dim]`.
    pub states: &'s Tensor,
    /// `[batch, time]` bool, true where a token is.
    pub mask: &'s Tensor,
    /// `[batch, time]` bool, true where one of the current utterance is.
    pub current: &'s Tensor,
}

/// The half of the model behind the encoder.
pub trait Head: fmt::Debug + Send {
    /// Mean over utterances of the weighted sum over the parts of a label of the cross-entropy, in nats, fp32 scalar. One target a
    /// row; the decoder's blocks are put on `tape`; `train` switches dropout on.
    ///
    /// # Errors
    /// Shapes that do not fit each other, a tokenizer that fails.
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        train: bool,
    ) -> Result<Tensor>;

    /// Constrained decoding, one prediction a row; `beams` and `length_penalty` as in the configuration.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    fn predict(
        &self,
        source: &Source<'_>,
        beams: usize,
        length_penalty: f64,
    ) -> Result<Vec<Prediction>>;

    /// The same head with weights cast once, for repeated use without gradients; `None`, the default, where that gains nothing.
    fn cast(&self, _kind: Kind) -> Option<Box<dyn Head>> {
        None
    }
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

/// The decoder of a T5 checkpoint on the text form of labels.
#[derive(Debug)]
pub struct TextHead {
    labels: Arc<TextDecoder>,
    decoder: T5Decoder,
}

impl TextHead {
    /// `decoder` speaks the tokens of `labels`.
    pub fn new(labels: TextDecoder, decoder: T5Decoder) -> Self {
        Self {
            labels: Arc::new(labels),
            decoder,
        }
    }
}

impl Head for TextHead {
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        train: bool,
    ) -> Result<Tensor> {
        let (states, mask) = (source.states, source.mask);
        self.labels
            .loss(&self.decoder, tape, states, mask, targets, train)
    }

    fn predict(
        &self,
        source: &Source<'_>,
        beams: usize,
        length_penalty: f64,
    ) -> Result<Vec<Prediction>> {
        let (states, mask) = (source.states, source.mask);
        let found = self
            .labels
            .predict(&self.decoder, states, mask, beams, length_penalty);
        Ok(found)
    }

    fn cast(&self, kind: Kind) -> Option<Box<dyn Head>> {
        Some(Box::new(Self {
            labels: self.labels.clone(),
            decoder: self.decoder.cast(kind, None),
        }))
    }
}
