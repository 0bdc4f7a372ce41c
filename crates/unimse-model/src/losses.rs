//! The loss of a batch and its parts (paper, section 3.6, equation 7).

use tch::{Kind, Tensor};

use crate::checkpointing::Tape;
use crate::error::{ModelError, Result};

/// Losses of one batch; [`Losses::backward`] computes their gradients. `'m` is the life of the model.
#[derive(Debug)]
pub struct Losses<'m> {
    /// Scalar f32: `task + alpha * sum text_audio + beta * sum text_video` (paper, equation 7). Differentiable, except under
    /// gradient checkpointing, where it has no graph and only [`Losses::backward`] knows the way.
    pub total: Tensor,
    /// Task loss, the mean over utterances of the weighted sum over fields.
    pub task: f64,
    /// Contrastive loss text-audio of each fused layer, first to last; empty where it was not computed.
    pub text_audio: Vec<f64>,
    /// Contrastive loss text-video of each fused layer, first to last; empty where it was not computed.
    pub text_video: Vec<f64>,
    /// Under gradient checkpointing the differentiable total and what it was computed on.
    pub(crate) checkpoints: Option<(Tensor, Tape<'m>)>,
}

impl Losses<'_> {
    /// Adds `weight` times each of the contrastive losses `each`, scalars, to the total; gives their values.
    ///
    /// # Errors
    /// LibTorch refuses to copy them.
    pub(crate) fn add(&mut self, weight: f64, each: &[Tensor]) -> Result<Vec<f64>> {
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let each = Tensor::stack(each, 0);
        self.total += each.sum(Kind::Float) * weight;
        Ok(Vec::try_from(each.detach().to_kind(Kind::Double))?)
    }

    /// Refuses a total that is NaN or infinite; the error says which part of it is at fault.
    pub(crate) fn check_finite(&self) -> Result<()> {
        if self.total.double_value(&[]).is_finite() {
            return Ok(());
        }
        Err(ModelError::NonFinite(format!(
            "task {}, text-audio {:?}, text-video {:?}",
            self.task, self.text_audio, self.text_video
        )))
    }

    /// Adds the gradients of `weight * total` to those of the model's parameters.
    pub fn backward(self, weight: f64) {
        match self.checkpoints {
            None => (self.total * weight).backward(),
            Some((total, tape)) => tape.backward(&(total * weight)),
        }
    }
}
