//! What turns encoder states `[batch, time, dim]` into labels (paper, sections 3.2 and 3.6). A head owns its decoder.

use std::fmt;

use tch::{Kind, Tensor};
use unimse_labels::PerField;

use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::error::Result;
use crate::fusion::Others;

/// What a head reads of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// Encoder states `[batch, time, dim]`.
    pub states: &'s Tensor,
    /// `[batch, time]` bool, true where a token is.
    pub mask: &'s Tensor,
    /// `[batch, time]` bool, true where one of the current utterance is.
    pub current: &'s Tensor,
    /// What fused blocks of a decoder mix in; `None` where none is fused.
    pub others: Option<&'s Others>,
}

/// How labels are taught; the default is the plain cross-entropy without dropout.
#[derive(Debug, Clone, Copy, Default)]
pub struct Teaching {
    /// Whether dropout is on.
    pub train: bool,
    /// Share of a class's target that all classes of its field get alike (Szegedy et al., 2016, section 7).
    pub smoothing: f64,
    /// Weight of R-Drop; not 0 only where the second half of the rows repeats the first.
    pub r_drop: f64,
}

/// R-Drop (Liang et al., 2021, equation 3): how far two passes over the same rows, with different dropout, disagree: the mean over rows of
/// the weighted sum over places of `(KL(p || q) + KL(q || p)) / 2`, nats, fp32 scalar.
///
/// # Shapes
/// `chances` `[2 rows, places, classes]` log-probabilities, the second pass behind the first; `weights` `[2 rows, places]`, alike in both.
pub(crate) fn disagreement(chances: &Tensor, weights: &Tensor) -> Tensor {
    let rows = chances.size()[0] / 2;
    let [p, q] = [0, rows].map(|from| chances.narrow(0, from, rows));
    // KL(p || q) + KL(q || p) = sum (p - q) (log p - log q)
    let each = ((p.exp() - q.exp()) * (p - q)).sum_dim_intlist(-1, false, Kind::Float);
    (each * weights.narrow(0, 0, rows)).sum(Kind::Float) * (0.5 / rows.max(1) as f64)
}

/// The half of the model behind the encoder.
pub trait Head: fmt::Debug + Send {
    /// Mean over utterances of the weighted sum over the parts of a label of the cross-entropy, in nats, fp32 scalar. One target a
    /// row; the decoder's blocks are put on `tape`.
    ///
    /// # Errors
    /// Shapes that do not fit each other, a tokenizer that fails.
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        teaching: &Teaching,
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

    /// Logit adjustment while training (Menon et al., 2021, equation 10): `strength` times the logarithm of the share that each class has in
    /// training is added to its logit, so that the model answers as if classes were equally frequent. `shares` is empty for fields that are left as
    /// they are.
    ///
    /// # Errors
    /// A head that has no logit for a class.
    fn adjust(&mut self, shares: &PerField<Vec<f64>>, strength: f64) -> Result<()>;

    /// The same head with weights cast once, for repeated use without gradients; `None`, the default, where that gains nothing.
    fn cast(&self, _kind: Kind) -> Option<Box<dyn Head>> {
        None
    }
}
