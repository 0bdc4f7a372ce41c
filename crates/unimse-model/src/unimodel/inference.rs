//! Predicting: constrained decoding without gradients (paper, section 3.2: a label is generated).

use super::{UniModel, current};
use crate::batch::{Batch, Prediction};
use crate::checkpointing::Tape;
use crate::encoder::TextEncoder;
use crate::error::Result;
use crate::head::{Head, Source};

impl UniModel {
    /// The model as it stands now, for predicting many batches: see [`Inference`].
    pub fn inference(&self) -> Inference<'_> {
        Inference {
            model: self,
            text: tch::no_grad(|| self.text.cast()),
            head: tch::no_grad(|| self.head.cast(self.text.kind())),
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
    text: Box<dyn TextEncoder>,
    /// Where a cast gains something.
    head: Option<Box<dyn Head>>,
}

impl Inference<'_> {
    /// Constrained decoding of a batch; one prediction per row.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn predict(&self, batch: &Batch) -> Result<Vec<Prediction>> {
        tch::no_grad(|| {
            let model = self.model;
            let encoded = model.encode(&*self.text, batch, false, &Tape::plain(), &mut |_| {})?;
            let source = Source {
                states: &encoded.states,
                mask: &batch.mask,
                current: &current(batch),
                others: Some(&encoded.others),
            };
            let text = &model.config.model;
            let head = self.head.as_ref().unwrap_or(&model.head);
            head.predict(&source, text.beam.get(), text.length_penalty.get())
        })
    }
}
