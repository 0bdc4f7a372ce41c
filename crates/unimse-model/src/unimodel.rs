//! The whole model: text backbone, LSTM encoders, fusion, contrastive projections and label decoder (paper, figure 2).
//!
//! Tokens `[batch, time]` become states `[batch, time, dim]` (3.3), fused in the last layers (3.4), compared with audio and video while
//! training (3.5), decoded into labels; the loss is equation 7 (3.6). `docs/model.md` draws it.
//!
//! Parameters of the backbone carry the Hub's names, ours begin with `unimse.`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_labels::{Grammar, PerField};

use crate::auxiliary::Auxiliary;
use crate::backbones::Backbone;
use crate::batch::Batch;
use crate::checkpointing::Tape;
use crate::config::ModelConfig;
use crate::contrast::Contrast;
use crate::encoder::TextEncoder;
use crate::error::Result;
use crate::feature_batch::ModalityBatch;
use crate::fusion::{Absent, Fusion, Others, fusion_ratio};
use crate::head::Head;
use crate::layers::Embedding;
use crate::lstm::{ModalityEncoder, ModalityStates};
use crate::parameters::{blocks_above, outside_last_blocks, place};
use crate::precision::Precision;
use crate::samples::Samples;
use crate::weights;

mod build;
mod inference;
mod objective;
mod pretrained;
mod saved;

pub use self::inference::{Inference, Keys, Observed};
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
    /// What the fused layers took.
    others: Others,
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
    auxiliary: Option<Auxiliary>,
    samples: Option<Samples>,
    head: Box<dyn Head>,
    initialised: Vec<String>,
}

impl UniModel {
    /// The layers of the encoder, from 0, that a fusion follows.
    pub fn fused_layers(&self) -> Range<usize> {
        let layers = self.text.layers();
        layers - self.fusions.len()..layers
    }

    /// Mean over tokens of |fusion term| / |hidden state| for each fused layer, first to last, with the encoder layer it follows
    /// (from 0).
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn fusion_ratios(&self, batch: &Batch) -> Result<Vec<(usize, f64)>> {
        tch::no_grad(|| {
            let (audio, video, others) = self.encode_modalities(batch, false)?;
            let fused = self.fused_rows(batch.size, [&audio, &video]);
            let encoder = &self.text;
            let first = self.fused_layers().start;
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
                    fusion.forward(&hidden, &others, fused.as_ref(), false)
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

    /// With `fusion.skip_absent`, `[batch]` bool: the rows that have a modality beside text.
    fn fused_rows(&self, rows: i64, others: [&Option<ModalityStates>; 2]) -> Option<Tensor> {
        self.config.fusion.skip_absent.then(|| {
            let none = Tensor::zeros([rows], (Kind::Bool, self.device()));
            let present = others.into_iter().flatten();
            present.fold(none, |fused, states| fused.index_fill(0, &states.rows, 1))
        })
    }

    /// Runs the modality encoders and `encoder`, each layer with its fusion as one block on `tape`; `observe` sees the
    /// input and the output of every fused layer.
    fn encode<'m>(
        &'m self,
        encoder: &'m dyn TextEncoder,
        batch: &Batch,
        train: bool,
        tape: &Tape<'m>,
        observe: &mut dyn FnMut([&Tensor; 2]),
    ) -> Result<Encoded> {
        let (mut audio, mut video, mut others) = self.encode_modalities(batch, train)?;
        let fused = self.fused_rows(batch.size, [&audio, &video]);
        let segments = self.segments.forward(&batch.segments);
        let (mut hidden, mut bias) =
            encoder.embed(&batch.tokens, &batch.mask, Some(&segments), train);
        let states = audio.iter_mut().chain(&mut video);
        let states = states.flat_map(|s| [&mut s.sequence, &mut s.last]);
        tape.cut(
            [&mut hidden, &mut bias]
                .into_iter()
                .chain(&mut others)
                .chain(states),
        );
        let first = self.fused_layers().start;
        for at in 0..encoder.layers() {
            let fusion = at.checked_sub(first).and_then(|at| self.fusions.get(at));
            let mut inputs = vec![&hidden, &bias];
            inputs.extend(others.iter().filter(|_| fusion.is_some()));
            let rows = fused.as_ref().map(Tensor::shallow_clone);
            let output = tape.run(&inputs, move |x| {
                let hidden = encoder.layer(at, &x[0], &x[1], train);
                match fusion {
                    Some(fusion) => fusion.forward(&hidden, &x[2..], rows.as_ref(), train),
                    None => hidden,
                }
            });
            if fusion.is_some() {
                observe([&hidden, &output]);
            }
            hidden = output;
        }
        let mut states = encoder.finish(hidden, train);
        tape.cut([&mut states]);
        Ok(Encoded {
            states,
            audio,
            video,
            others: Others {
                states: others,
                fused,
            },
        })
    }

    /// Every parameter, trainable and frozen, sorted by name.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut all: Vec<_> = self.store.variables().into_iter().collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Every parameter that learns, roughly in the order in which the backward pass has its gradient; the same order for the same configuration.
    pub fn trained(&self) -> Vec<Tensor> {
        let mut all = self.parameters();
        all.retain(|(_, tensor)| tensor.requires_grad());
        all.sort_by_key(|(name, _)| Reverse(place(name, |name| self.backbone.block(name))));
        all.into_iter().map(|(_, tensor)| tensor).collect()
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

    /// Tells the head how frequent classes are in training, `shares` of each field, which logit adjustment needs; empty for fields that it
    /// leaves as they are. Without `loss.logit_adjustment` it changes nothing.
    ///
    /// # Errors
    /// A decoder that has no logit for a class.
    pub fn adjust(&mut self, shares: &PerField<Vec<f64>>) -> Result<()> {
        match self.config.loss.logit_adjustment.get() {
            0.0 => Ok(()),
            strength => self.head.adjust(shares, strength),
        }
    }

    /// What training remembers beside parameters, by name: the queue of the contrast between samples.
    pub fn memory(&self) -> BTreeMap<String, Tensor> {
        self.samples
            .as_ref()
            .map_or_else(BTreeMap::new, Samples::memory)
    }

    /// Restores what [`UniModel::memory`] gave.
    ///
    /// # Errors
    /// Tensors that are missing or have another shape.
    pub fn restore_memory(&self, saved: &BTreeMap<String, Tensor>) -> Result<()> {
        let device = self.device();
        let samples = self.samples.as_ref();
        samples.map_or(Ok(()), |samples| samples.restore(saved, device))
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
