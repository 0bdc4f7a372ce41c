//! Forward and backward of one batch, and what is kept of one whose loss is no number.

use serde::Serialize;
use unimse_c10d::Gradients;
use unimse_model::ModelError;
use unimse_model::batch::{Batch, Target};
use unimse_run::{Step, artefact};

use crate::TrainError;
use crate::train::accumulation;
use crate::train::checkpoint::LoopState;
use crate::train::trainer::Trainer;

/// `RUN/non_finite.json`: the batch whose loss was no number.
#[derive(Debug, Serialize)]
struct NonFiniteBatch {
    /// Epoch and batch, from 1.
    epoch: usize,
    batch: usize,
    /// Updates made before it.
    step: i64,
    /// The parts of the loss.
    loss: String,
    /// Corpus and utterance of every row.
    utterances: Vec<String>,
}

impl Trainer<'_> {
    /// Forward and backward of the batch that `state` stands before: its loss, and its part of the event. After the last batch of an update the gradients
    /// are those of all processes.
    pub(super) fn micro_step(
        &self,
        batches: &[Vec<usize>],
        state: &LoopState,
        (batch, targets): &(Batch, Vec<Target>),
    ) -> Result<(f64, Step), TrainError> {
        tch::manual_seed(self.step_seed(state.epoch, state.batch));
        let share = self.processes.share(batches[state.batch].len());
        let contrast = self.rates.contrast(state.step);
        let model = &self.session.model;
        let losses = match model.training_loss(batch, targets, contrast, share.as_ref()) {
            Err(ModelError::NonFinite(parts)) => {
                return Err(self.non_finite(parts, &batches[state.batch], state));
            }
            other => other?,
        };
        let total = losses.value;
        let event = Step {
            epoch: state.epoch as u64,
            loss: Some(total),
            task: Some(losses.task),
            text_audio: losses.text_audio.iter().copied().map(Some).collect(),
            text_video: losses.text_video.iter().copied().map(Some).collect(),
            auxiliary: losses.auxiliary,
            samples: losses.samples,
            ..Step::default()
        };
        let (at, accumulate) = (state.batch, self.config.accumulate.get());
        let last = accumulation::completes(at + 1, batches.len(), accumulate);
        let sums = last.then(|| self.processes.gradients(model)).transpose()?;
        losses.backward(accumulation::share(batches, at, accumulate));
        sums.flatten().map_or(Ok(()), Gradients::finish)?;
        Ok((total, event))
    }

    /// The error of a batch whose loss is no number; the batch is kept in the run folder for whoever looks for the cause.
    fn non_finite(&self, loss: String, indices: &[usize], state: &LoopState) -> TrainError {
        let (epoch, batch, step) = (state.epoch + 1, state.batch + 1, state.step);
        let utterances: Vec<String> = indices.iter().map(|&i| self.train.name(i)).collect();
        let among = utterances.first().cloned().unwrap_or_default();
        let rows = utterances.len();
        let what = format!(
            "the loss of epoch {epoch}, batch {batch} ({loss}; {rows} utterances, among them {among}; all in non_finite.json)"
        );
        let kept = NonFiniteBatch {
            epoch,
            batch,
            step,
            loss,
            utterances,
        };
        let path = self.paths.run.join("non_finite.json");
        let leads = self.processes.leads();
        match leads
            .then(|| artefact::write_json(&path, &kept))
            .transpose()
        {
            Ok(_) => TrainError::NonFinite { what, step },
            Err(error) => error.into(),
        }
    }
}
