//! The whole model: text backbone, LSTM encoders, fusion, contrastive projections and label decoder (paper, figure 2).
//!
//! Tokens `[batch, time]` become states `[batch, time, dim]` (3.3), fused in the last layers (3.4), compared with audio and video while
//! training (3.5), decoded into labels; the loss is equation 7 (3.6). `docs/model.md` draws it.
//!
//! Parameters of the backbone carry the Hub's names, ours begin with `unimse.`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Tensor};
use unimse_labels::Grammar;

use crate::backbones::Backbone;
use crate::batch::{Batch, Target};
use crate::checkpointing::Tape;
use crate::config::{Modality, ModelConfig};
use crate::contrast::Contrast;
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::feature_batch::ModalityBatch;
use crate::fusion::{Absent, Fusion, fusion_ratio};
use crate::head::{Head, Source};
use crate::layers::Embedding;
use crate::losses::Losses;
use crate::lstm::{ModalityEncoder, ModalityStates};
use crate::parameters::{blocks_above, outside_last_blocks};
use crate::precision::Precision;
use crate::weights;

mod build;
mod inference;
mod pretrained;
mod saved;

pub use self::inference::Inference;
pub use self::pretrained::backbone;
pub use crate::parameters::ParameterGroup;

/// Segment of the current utterance.
const CURRENT: i64 = 1;

/// `[batch, time]` bool: where a token of the current utterance stands.
fn current(batch: &Batch) -> Tensor {
    batch.segments.eq(CURRENT).logical_and(&batch.mask)
}

/// Encoder of a modality beside text and what stands for it where it is absent.
#[derive(Debug)]
struct Branch {
    encoder: ModalityEncoder,
    absent: Absent,
}

/// Encoder output of a batch.
struct Encoded {
    /// `[batch, time, dim]`.
    states: Tensor,
    audio: Option<ModalityStates>,
    video: Option<ModalityStates>,
}

/// States of the modality encoders: of audio, of video, and those that fusion takes.
type EncodedModalities = (Option<ModalityStates>, Option<ModalityStates>, Vec<Tensor>);

/// Text, audio and video in; universal labels out.
#[derive(Debug)]
pub struct UniModel {
    config: ModelConfig,
    grammar: Grammar,
    precision: Precision,
    store: VarStore,
    backbone: Box<dyn Backbone>,
    text: Box<dyn TextEncoder>,
    segments: Embedding,
    audio: Option<Branch>,
    video: Option<Branch>,
    fusions: Vec<Fusion>,
    contrast: Option<Contrast>,
    head: Box<dyn Head>,
    initialised: Vec<String>,
}

impl UniModel {
    /// Loss of a batch, `targets` one per row; with `train` dropout is on and the contrastive part is added.
    ///
    /// # Errors
    /// A batch that does not fit the model, a loss that is not finite.
    pub fn loss(&self, batch: &Batch, targets: &[Target], train: bool) -> Result<Losses<'_>> {
        if targets.len() as i64 != batch.size {
            return Err(ModelError::Input(format!(
                "targets: expected {}, found {}",
                batch.size,
                targets.len()
            )));
        }
        let contrast = self.contrast.as_ref().filter(|_| train);
        let mut anchors = Vec::new();
        let recompute = train && self.config.checkpointing;
        let tape = if recompute {
            Tape::recompute()
        } else {
            Tape::plain()
        };
        let encoded = self.encode(&*self.text, batch, train, &tape, &mut |fused| {
            if let Some(contrast) = contrast {
                anchors.push(contrast.anchor(anchors.len(), fused, &batch.mask));
            }
        })?;
        let anchors = anchors.into_iter().collect::<Result<Vec<_>>>()?;
        let source = Source {
            states: &encoded.states,
            mask: &batch.mask,
            current: &current(batch),
        };
        let task = self.head.loss(&tape, &source, targets, train)?;
        let mut losses = Losses {
            task: task.double_value(&[]),
            total: task,
            text_audio: Vec::new(),
            text_video: Vec::new(),
            checkpoints: None,
        };
        if let Some(contrast) = contrast {
            let c = &self.config.contrastive;
            let mut add = |weight, states: &Option<ModalityStates>, modality| match states {
                Some(states) if weight != 0.0 => {
                    let each =
                        contrast.losses(&anchors, states, modality, batch.identity.as_ref())?;
                    losses.add(weight, &each)
                }
                _ => Ok(Vec::new()),
            };
            let text_audio = add(c.alpha.get(), &encoded.audio, Modality::Audio)?;
            let text_video = add(c.beta.get(), &encoded.video, Modality::Video)?;
            (losses.text_audio, losses.text_video) = (text_audio, text_video);
        }
        losses.check_finite()?;
        if recompute {
            // What is left of the graph leads to the last blocks only; nobody shall take it for the whole.
            let plain = losses.total.detach();
            losses.checkpoints = Some((std::mem::replace(&mut losses.total, plain), tape));
        }
        Ok(losses)
    }

    /// Mean over tokens of |fusion term| / |hidden state| for each fused layer, first to last, with the encoder layer it follows
    /// (from 0).
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn fusion_ratios(&self, batch: &Batch) -> Result<Vec<(usize, f64)>> {
        tch::no_grad(|| {
            let (_, _, others) = self.encode_modalities(batch, false)?;
            let encoder = &self.text;
            let first = encoder.layers() - self.fusions.len();
            let mut ratios = Vec::new();
            let _ = encoder.forward(
                &batch.tokens,
                &batch.mask,
                Some(&self.segments.forward(&batch.segments)),
                false,
                &mut |layer, hidden| {
                    let fusion = layer.checked_sub(first).and_then(|at| self.fusions.get(at));
                    let Some(fusion) = fusion else { return hidden };
                    let term = fusion.term(&hidden, &others);
                    ratios.push((layer, fusion_ratio(&term, &hidden, &batch.mask)));
                    fusion.forward(&hidden, &others, false)
                },
            );
            Ok(ratios)
        })
    }

    /// Checks the batch and runs the modality encoders: what they say of audio and video, and the state of each modality in
    /// use for every row, `[batch, hidden]`, in the order that fusion takes them.
    fn encode_modalities(&self, batch: &Batch, train: bool) -> Result<EncodedModalities> {
        let shape = self.text.shape();
        batch.check(shape.vocabulary, shape.max_positions)?;
        let device = self.device();
        let run =
            |branch: &Option<Branch>, input: &ModalityBatch| -> Result<Option<ModalityStates>> {
                branch.as_ref().map_or(Ok(None), |branch| {
                    branch.encoder.forward(input, device, train)
                })
            };
        let (audio, video) = (
            run(&self.audio, &batch.audio)?,
            run(&self.video, &batch.video)?,
        );
        let states: Vec<Tensor> = [(&self.audio, &audio), (&self.video, &video)]
            .into_iter()
            .filter_map(|(branch, states)| {
                let present = states.as_ref().map(|states| (&states.rows, &states.last));
                branch
                    .as_ref()
                    .map(|branch| branch.absent.fill(batch.size, present))
            })
            .collect();
        Ok((audio, video, states))
    }

    /// Runs the modality encoders and `encoder`, each layer with its fusion as one block on `tape`; `observe` sees the
    /// output of every fused layer.
    fn encode<'m>(
        &'m self,
        encoder: &'m dyn TextEncoder,
        batch: &Batch,
        train: bool,
        tape: &Tape<'m>,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Encoded> {
        let (mut audio, mut video, mut others) = self.encode_modalities(batch, train)?;
        let segments = self.segments.forward(&batch.segments);
        let (mut hidden, mut bias) =
            encoder.embed(&batch.tokens, &batch.mask, Some(&segments), train);
        let sequences = audio.iter_mut().chain(&mut video).map(|s| &mut s.sequence);
        tape.cut(
            [&mut hidden, &mut bias]
                .into_iter()
                .chain(&mut others)
                .chain(sequences),
        );
        let first = encoder.layers() - self.fusions.len();
        for at in 0..encoder.layers() {
            let fusion = at.checked_sub(first).and_then(|at| self.fusions.get(at));
            let mut inputs = vec![&hidden, &bias];
            inputs.extend(others.iter().filter(|_| fusion.is_some()));
            hidden = tape.run(&inputs, move |x| {
                let hidden = encoder.layer(at, &x[0], &x[1], train);
                match fusion {
                    Some(fusion) => fusion.forward(&hidden, &x[2..], train),
                    None => hidden,
                }
            });
            if fusion.is_some() {
                observe(&hidden);
            }
        }
        let mut states = encoder.finish(hidden, train);
        tape.cut([&mut states]);
        Ok(Encoded {
            states,
            audio,
            video,
        })
    }

    /// Every parameter, trainable and frozen, sorted by name.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut all: Vec<_> = self.store.variables().into_iter().collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Names of the parameters that the checkpoint it was built around did not have, sorted: they were drawn.
    pub fn initialised(&self) -> &[String] {
        &self.initialised
    }

    /// Group of the parameter called `name`.
    pub fn group_of(name: &str) -> ParameterGroup {
        ParameterGroup::of(name)
    }

    /// Stops the gradients of the parameters whose name `frozen` answers with true, and lets those of all others flow.
    pub fn freeze(&mut self, frozen: impl Fn(&str) -> bool) {
        for (name, tensor) in self.store.variables() {
            let _ = tensor.set_requires_grad(!frozen(&name));
        }
    }

    /// Names of the backbone's parameters outside its last `n` encoder and `n` decoder blocks, the ones that the paper freezes
    /// (section 4, `n` = 2). Embeddings and final norms are among them, ours never.
    pub fn outside_last_blocks(&self, n: usize) -> BTreeSet<String> {
        let names = self.store.variables();
        let block = |name| self.backbone.block(name);
        outside_last_blocks(names.keys().map(String::as_str), n, block)
    }

    /// How many blocks of its stack lie above each parameter of the backbone, by name: 0 in the last block, as many as there are for the
    /// embeddings. For learning rates that fall from block to block.
    pub fn blocks_above(&self) -> BTreeMap<String, usize> {
        let names = self.store.variables();
        let block = |name| self.backbone.block(name);
        let above = blocks_above(names.keys().map(String::as_str), block);
        above
            .into_iter()
            .map(|(name, n)| (name.to_owned(), n))
            .collect()
    }

    /// Writes every parameter as safetensors; the file appears complete or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        weights::save(&self.parameters(), path)
    }

    /// Reads what [`UniModel::save`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, or that lacks tensors, has others or has them in other shapes: all are listed, nothing is loaded.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        weights::load(&self.store, path)
    }

    /// Where the parameters lie.
    pub fn device(&self) -> Device {
        self.store.device()
    }

    /// Compute kind; parameters are fp32 always.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of scalars in all parameters, and in the trainable ones.
    pub fn parameter_count(&self) -> (usize, usize) {
        let variables = self.store.variables();
        let count = |trainable: bool| {
            variables
                .values()
                .filter(|t| !trainable || t.requires_grad())
                .map(Tensor::numel)
                .sum()
        };
        (count(false), count(true))
    }

    /// The pretrained text model it was built around.
    pub fn backbone(&self) -> &dyn Backbone {
        &*self.backbone
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The labels it speaks.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }
}
