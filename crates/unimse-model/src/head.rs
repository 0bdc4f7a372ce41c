//! What turns encoder states `[batch, time, dim]` into labels (paper, sections 3.2 and 3.6). A head owns its decoder.

use std::fmt;

use tch::{Kind, Tensor};

use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::error::Result;

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
