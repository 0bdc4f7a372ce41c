//! Predicting: constrained decoding without gradients (paper, section 3.2: a label is generated).

use tch::Tensor;
use unimse_contrastive::{masked_mean, normalise};

use super::{Encoded, UniModel, current};
use crate::batch::{Batch, Prediction};
use crate::checkpointing::Tape;
use crate::config::Modality;
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::head::{Head, Source};
use crate::lstm::ModalityStates;

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

/// What a pass over a batch shows beside its answers.
#[derive(Debug)]
pub struct Observed {
    /// `[batch, dim]` fp32: what the first fused layer reads, the mean over the tokens of the current utterance.
    pub before: Tensor,
    /// `[batch, dim]` fp32: what the last fused layer gives, the same mean, before a final norm.
    pub after: Tensor,
    /// `[batch, common]` fp32, unit vectors, lowest layer first: the text of every fused layer as the contrast between modalities compares it; empty
    /// where the model has none.
    pub text: Vec<Tensor>,
    /// The audio that it is compared with.
    pub audio: Option<Keys>,
    /// The video that it is compared with.
    pub video: Option<Keys>,
}

/// One modality as the contrast compares it.
#[derive(Debug)]
pub struct Keys {
    /// `[present]` i64: the rows of the batch that have it.
    pub rows: Tensor,
    /// `[present, common]` fp32, unit vectors.
    pub vectors: Tensor,
}

impl Inference<'_> {
    /// Constrained decoding of a batch; one prediction per row.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn predict(&self, batch: &Batch) -> Result<Vec<Prediction>> {
        tch::no_grad(|| {
            let encoded = self.encode(batch, &mut |_| {})?;
            self.answer(batch, &encoded)
        })
    }

    /// [`Inference::predict`], and what its pass shows; `None` without a fused layer.
    ///
    /// # Errors
    /// As there.
    pub fn observe(&self, batch: &Batch) -> Result<(Vec<Prediction>, Option<Observed>)> {
        tch::no_grad(|| {
            let current = current(batch);
            let mean = |states: &Tensor| {
                masked_mean(states, &current).map_err(|e| ModelError::Input(e.to_string()))
            };
            let contrast = self.model.contrast.as_ref();
            let (mut ends, mut text) = (None, Vec::new());
            let encoded = self.encode(batch, &mut |states| {
                let [input, output] = states;
                let before = ends
                    .take()
                    .map_or_else(|| mean(input), |(before, _)| before);
                ends = Some((before, mean(output)));
                if let Some(contrast) = contrast {
                    text.push(contrast.anchor(text.len(), states, [&batch.mask, &current]));
                }
            })?;
            let answers = self.answer(batch, &encoded)?;
            let Some((before, after)) = ends else {
                return Ok((answers, None));
            };
            let keys = |states: &Option<ModalityStates>, modality| -> Result<Option<Keys>> {
                let Some((contrast, states)) = contrast.zip(states.as_ref()) else {
                    return Ok(None);
                };
                let key = contrast.key(states, modality)?;
                Ok(key.map(|key| Keys {
                    rows: states.rows.shallow_clone(),
                    vectors: normalise(&key),
                }))
            };
            let text: Result<Vec<Tensor>> = text.into_iter().map(|a| Ok(a?.unit())).collect();
            let observed = Observed {
                before: before?,
                after: after?,
                text: text?,
                audio: keys(&encoded.audio, Modality::Audio)?,
                video: keys(&encoded.video, Modality::Video)?,
            };
            Ok((answers, Some(observed)))
        })
    }

    fn encode(&self, batch: &Batch, observe: &mut dyn FnMut([&Tensor; 2])) -> Result<Encoded> {
        let tape = Tape::plain();
        self.model.encode(&*self.text, batch, false, &tape, observe)
    }

    fn answer(&self, batch: &Batch, encoded: &Encoded) -> Result<Vec<Prediction>> {
        let model = self.model;
        let source = Source {
            states: &encoded.states,
            mask: &batch.mask,
            current: &current(batch),
            others: Some(&encoded.others),
        };
        let text = &model.config.model;
        let head = self.head.as_ref().unwrap_or(&model.head);
        head.predict(&source, text.beam.get(), text.length_penalty.get())
    }
}
