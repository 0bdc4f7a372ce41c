//! The loss of a batch (paper, section 3.6, equation 7): the labels, the contrast between modalities, and what a configuration adds.

use tch::Tensor;
use unimse_contrastive::masked_mean;

use super::{Encoded, UniModel, current};
use crate::batch::{Batch, Target};
use crate::checkpointing::Tape;
use crate::config::Modality;
use crate::contrast::Anchor;
use crate::error::{ModelError, Result};
use crate::head::{Source, Teaching};
use crate::losses::Losses;
use crate::lstm::ModalityStates;
use crate::share::Share;

impl UniModel {
    /// Loss of a batch, `targets` one per row; with `train` dropout is on and everything that only training has is added.
    ///
    /// # Errors
    /// A batch that does not fit the model, a loss that is not finite.
    pub fn loss(&self, batch: &Batch, targets: &[Target], train: bool) -> Result<Losses<'_>> {
        if train {
            return self.training_loss(batch, targets, 1.0, None);
        }
        self.objective(batch, targets, &Teaching::default(), (0.0, None))
    }

    /// [`UniModel::loss`] of a training that is still warming up: the contrastive losses count `contrast` times what they are configured to.
    /// With `share`, `batch` is what this process has of a batch that it shares with others, who call this at the same time: the values are those
    /// of the whole batch, and the gradients of all processes add up to that of one which has it whole. Rows are told apart by `batch.identity`.
    ///
    /// # Errors
    /// As [`UniModel::loss`].
    pub fn training_loss(
        &self,
        batch: &Batch,
        targets: &[Target],
        contrast: f64,
        share: Option<&Share<'_>>,
    ) -> Result<Losses<'_>> {
        let loss = &self.config.loss;
        let teaching = Teaching {
            train: true,
            smoothing: loss.label_smoothing.get(),
            r_drop: loss.r_drop.get(),
        };
        if teaching.r_drop == 0.0 {
            return self.objective(batch, targets, &teaching, (contrast, share));
        }
        let twice = [targets, targets].concat();
        self.objective(&batch.twice(), &twice, &teaching, (contrast, share))
    }

    fn objective(
        &self,
        batch: &Batch,
        targets: &[Target],
        teaching: &Teaching,
        (contrast, share): (f64, Option<&Share<'_>>),
    ) -> Result<Losses<'_>> {
        if targets.len() as i64 != batch.size {
            return Err(ModelError::Input(format!(
                "targets: expected {}, found {}",
                batch.size,
                targets.len()
            )));
        }
        let recompute = teaching.train && self.config.checkpointing;
        let tape = if recompute {
            Tape::recompute()
        } else {
            Tape::plain()
        };
        let between = self.contrast.as_ref().filter(|_| teaching.train);
        let current = current(batch);
        let mut anchors = Vec::new();
        let encoded = self.encode(&*self.text, batch, teaching.train, &tape, &mut |states| {
            if let Some(between) = between {
                anchors.push(between.anchor(anchors.len(), states, [&batch.mask, &current]));
            }
        })?;
        let anchors = anchors.into_iter().collect::<Result<Vec<_>>>()?;
        let source = Source {
            states: &encoded.states,
            mask: &batch.mask,
            current: &current,
            others: Some(&encoded.others),
        };
        let task = self.head.loss(&tape, &source, targets, teaching)?;
        let task = match share {
            Some(share) => task * share.weight(),
            None => task,
        };
        let mut losses = Losses::of_task(task);
        if teaching.train {
            let (rows, shared) = ((batch, targets), (contrast, share));
            self.between_modalities(&mut losses, &anchors, &encoded, batch, shared)?;
            self.beside(&mut losses, &encoded, &current, rows, shared)?;
        }
        losses.complete(share)?;
        if recompute {
            // What is left of the graph leads to the last blocks only; nobody shall take it for the whole.
            let plain = losses.total.detach();
            losses.checkpoints = Some((std::mem::replace(&mut losses.total, plain), tape));
        }
        Ok(losses)
    }

    /// Adds the contrastive losses of text with audio and video (paper, equation 6).
    fn between_modalities(
        &self,
        losses: &mut Losses<'_>,
        anchors: &[Anchor],
        encoded: &Encoded,
        batch: &Batch,
        (warm, share): (f64, Option<&Share<'_>>),
    ) -> Result<()> {
        let Some(contrast) = &self.contrast else {
            return Ok(());
        };
        let (c, identity) = (&self.config.contrastive, batch.identity.as_ref());
        let mut add = |weight, states: &Option<ModalityStates>, modality| {
            if weight == 0.0 {
                return Ok(Vec::new());
            }
            let each = contrast.losses(anchors, states.as_ref(), modality, identity, share)?;
            losses.add(weight * warm, &each)
        };
        let text_audio = add(c.alpha.get(), &encoded.audio, Modality::Audio)?;
        let text_video = add(c.beta.get(), &encoded.video, Modality::Video)?;
        (losses.text_audio, losses.text_video) = (text_audio, text_video);
        Ok(())
    }

    /// Adds what the paper does not have: heads on one modality alone, and the contrast between samples.
    fn beside(
        &self,
        losses: &mut Losses<'_>,
        encoded: &Encoded,
        current: &Tensor,
        (batch, targets): (&Batch, &[Target]),
        (warm, share): (f64, Option<&Share<'_>>),
    ) -> Result<()> {
        if let Some(auxiliary) = &self.auxiliary {
            let (audio, video) = (encoded.audio.as_ref(), encoded.video.as_ref());
            let part = auxiliary.loss(audio, video, targets, share)?;
            let weight = self.config.loss.auxiliary.get();
            losses.auxiliary = part.map(|part| losses.add_one(weight, &part));
        }
        if let Some(samples) = &self.samples {
            let text = masked_mean(&encoded.states, current);
            let text = text.map_err(|e| ModelError::Input(e.to_string()))?;
            let doubled = self.config.loss.r_drop.get() > 0.0;
            let fresh = if doubled { batch.size / 2 } else { batch.size };
            let part = samples.loss(&text, targets, batch.identity.as_ref(), fresh, share)?;
            let weight = self.config.contrastive.samples.get() * warm;
            losses.samples = losses.add(weight, &[part])?.first().copied();
        }
        Ok(())
    }
}
