//! Predicting: constrained decoding without gradients (paper, section 3.2: a label is generated).

use super::{CURRENT, Labels, Text, UniModel};
use crate::batch::{Batch, Prediction};
use crate::checkpointing::Tape;
use crate::error::{ModelError, Result};

impl UniModel {
    /// The model as it stands now, for predicting many batches: see [`Inference`].
    pub fn inference(&self) -> Inference<'_> {
        Inference {
            model: self,
            text: tch::no_grad(|| self.text.cast()),
        }
    }

    /// [`Inference::predict`] of one batch.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn predict(&self, batch: &Batch) -> Result<Vec<Prediction>> {
        self.inference().predict(batch)
    }
}

/// A model without gradients whose backbone is cast to the compute kind once, where a pass of [`UniModel::loss`] casts it
/// anew. In fp32 nothing is cast.
#[derive(Debug)]
pub struct Inference<'m> {
    model: &'m UniModel,
    text: Text,
}

impl Inference<'_> {
    /// Constrained decoding of a batch; one prediction per row.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn predict(&self, batch: &Batch) -> Result<Vec<Prediction>> {
        tch::no_grad(|| {
            let model = self.model;
            let source = model
                .encode(&self.text, batch, false, &Tape::plain(), &mut |_| {})?
                .states;
            let (beams, penalty) = (model.config.beam, model.config.length_penalty);
            match (&model.labels, &self.text) {
                (Labels::Text(labels), Text::T5(t5)) => {
                    Ok(labels.predict(&t5.decoder, &source, &batch.mask, beams, penalty))
                }
                (Labels::Closed(labels), _) => labels.predict(
                    &source,
                    &batch.mask,
                    &batch.segments.eq(CURRENT).logical_and(&batch.mask),
                    beams,
                ),
                (Labels::Text(_), _) => Err(ModelError::Input(
                    "the t5 decoder needs a t5 backbone".to_owned(),
                )),
            }
        })
    }
}
