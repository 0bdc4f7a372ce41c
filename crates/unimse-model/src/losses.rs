//! The loss of a batch and its parts (paper, section 3.6, equation 7).

use tch::{Kind, Tensor};

use crate::checkpointing::Tape;
use crate::error::{ModelError, Result};
use crate::share::Share;

/// Losses of one batch; [`Losses::backward`] computes their gradients. `'m` is the life of the model.
#[derive(Debug)]
pub struct Losses<'m> {
    /// Scalar f32: `task + alpha * sum text_audio + beta * sum text_video` (paper, equation 7), and what the sections `loss` and `contrastive` add. Differentiable, except under
    /// gradient checkpointing, where it has no graph and only [`Losses::backward`] knows the way.
    pub total: Tensor,
    /// Value of `total`; where several processes share a batch, of the whole batch, whereas `total` is what gives the gradient of the rows here.
    pub value: f64,
    /// Task loss, the mean over utterances of the weighted sum over fields; with `loss.r_drop` its disagreement too.
    pub task: f64,
    /// Contrastive loss text-audio of each fused layer, first to last; empty where it was not computed.
    pub text_audio: Vec<f64>,
    /// Contrastive loss text-video of each fused layer, first to last; empty where it was not computed.
    pub text_video: Vec<f64>,
    /// Loss of the heads on audio and video alone, before its weight; `None` where it was not computed.
    pub auxiliary: Option<f64>,
    /// Contrast between samples, before its weight; `None` where it was not computed.
    pub samples: Option<f64>,
    /// Of the total, what every process that shares the batch has whole: the contrastive losses.
    whole: f64,
    /// Under gradient checkpointing the differentiable total and what it was computed on.
    pub(crate) checkpoints: Option<(Tensor, Tape<'m>)>,
}

impl Losses<'_> {
    /// The task loss alone, a scalar.
    pub(crate) fn of_task(task: Tensor) -> Self {
        Self {
            task: task.double_value(&[]),
            total: task,
            value: f64::NAN,
            whole: 0.0,
            text_audio: Vec::new(),
            text_video: Vec::new(),
            auxiliary: None,
            samples: None,
            checkpoints: None,
        }
    }

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
        let values: Vec<f64> = Vec::try_from(each.detach().to_kind(Kind::Double))?;
        self.whole += values.iter().sum::<f64>() * weight;
        Ok(values)
    }

    /// Adds `weight` times the loss `part`, a scalar, to the total; gives its value.
    pub(crate) fn add_one(&mut self, weight: f64, part: &Tensor) -> f64 {
        self.total += part * weight;
        part.double_value(&[])
    }

    /// Puts together what the processes of `share` have. Refuses a total that is NaN or infinite; the error says which part of it is at fault.
    pub(crate) fn complete(&mut self, share: Option<&Share<'_>>) -> Result<()> {
        self.value = self.total.double_value(&[]);
        if let Some(share) = share {
            let here = [
                self.task,
                self.auxiliary.unwrap_or(0.0),
                self.value - self.whole,
            ];
            let [task, auxiliary, parts] = share.sum(here)?;
            (self.task, self.value) = (task, parts + self.whole);
            self.auxiliary = self.auxiliary.map(|_| auxiliary);
        }
        if self.value.is_finite() {
            return Ok(());
        }
        let mut parts = format!(
            "task {}, text-audio {:?}, text-video {:?}",
            self.task, self.text_audio, self.text_video
        );
        for (name, value) in [("auxiliary", self.auxiliary), ("samples", self.samples)] {
            parts.extend(value.map(|value| format!(", {name} {value}")));
        }
        Err(ModelError::NonFinite(parts))
    }

    /// Adds the gradients of `weight * total` to those of the model's parameters.
    pub fn backward(self, weight: f64) {
        match self.checkpoints {
            None => (self.total * weight).backward(),
            Some((total, tape)) => tape.backward(&(total * weight)),
        }
    }
}
