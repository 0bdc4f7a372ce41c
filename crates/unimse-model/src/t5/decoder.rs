//! The decoder stack, by teacher forcing: labels `[batch, labels]` and states `[batch, time, dim]` to logits `[batch, labels, vocabulary]`
//! (paper, section 3.6). [`super::Decoding`] runs it token by token.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::config::T5Config;
use super::layers::{AttentionLayer, FeedForward, positions, relative_bias};
use crate::checkpointing::Tape;
use crate::fusion::{Fusion, Others};
use crate::layers::{Embedding, Linear, RmsNorm, dropout, key_mask};
use crate::relative_bias::RelativeBias;

#[derive(Debug)]
pub(super) struct Block {
    pub(super) own: AttentionLayer,
    pub(super) cross: AttentionLayer,
    pub(super) feed_forward: FeedForward,
}

impl Block {
    fn new(layer: &Path<'_>, config: &T5Config) -> Self {
        Self {
            own: AttentionLayer::new(&(layer / 0), "SelfAttention", config),
            cross: AttentionLayer::new(&(layer / 1), "EncDecAttention", config),
            feed_forward: FeedForward::new(&(layer / 2), config),
        }
    }
}

/// T5's decoder and output head: parameters `decoder.*`. It computes in the kind of the encoder's hidden states.
#[derive(Debug)]
pub struct T5Decoder {
    pub(super) embedding: Embedding,
    pub(super) bias: RelativeBias,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: RmsNorm,
    pub(super) head: Linear,
    /// See [`T5Config::output_scale`].
    pub(super) scale: f64,
    dropout: f64,
    blind: Option<Blind>,
    /// Those of the last blocks, the last one last.
    fusions: Vec<Fusion>,
}

/// What a decoder attends to, and what it mixes in.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'s> {
    /// What the encoder gave, `[batch, time, dim]`.
    pub states: &'s Tensor,
    /// `[batch, time]` bool, true where a token is.
    pub mask: &'s Tensor,
    /// What fused blocks take; `None` where none is fused.
    pub others: Option<&'s Others>,
}

/// One place of the labels that does not attend to one before it. Both count from 0, the start token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blind {
    /// Which place.
    pub(crate) query: i64,
    /// What it does not see.
    pub(crate) key: i64,
}

impl T5Decoder {
    /// Under `p` (the folder `decoder` of a checkpoint), reading labels from `embedding`. `head` maps hidden states to
    /// logits; `None` ties it to `embedding`.
    pub fn new(
        p: &Path<'_>,
        config: &T5Config,
        embedding: Embedding,
        head: Option<Linear>,
    ) -> Self {
        let block = |i: usize| p / "block" / i / "layer";
        Self {
            bias: relative_bias(&(block(0) / 0 / "SelfAttention"), config, false),
            blocks: (0..config.decoder_layers())
                .map(|i| Block::new(&block(i), config))
                .collect(),
            norm: RmsNorm::new(
                &(p / "final_layer_norm"),
                config.d_model,
                config.layer_norm_epsilon,
            ),
            head: head.unwrap_or_else(|| Linear::tied(&embedding)),
            embedding,
            scale: config.output_scale(),
            dropout: config.dropout_rate,
            blind: None,
            fusions: Vec::new(),
        }
    }

    /// The same decoder with a fusion after the feed-forward of each of its last blocks, of which there are at least as many.
    pub(crate) fn with_fusions(mut self, fusions: Vec<Fusion>) -> Self {
        self.fusions = fusions;
        self
    }

    /// The fusion of the block number `at`, if it is fused.
    pub(super) fn fusion(&self, at: usize) -> Option<&Fusion> {
        let first = self.blocks.len() - self.fusions.len();
        at.checked_sub(first).and_then(|at| self.fusions.get(at))
    }

    /// The same decoder with a blind place.
    pub(crate) fn with_blind(mut self, blind: Option<Blind>) -> Self {
        self.blind = blind;
        self
    }

    /// Its blind place, if it has one.
    pub(crate) fn blind(&self) -> Option<Blind> {
        self.blind
    }

    /// Logits `[batch, labels, vocabulary]` in the kind of `source`.
    ///
    /// - `inputs` `[batch, labels]` i64: the labels behind the start token ([`super::shift_right`]);
    /// - `source` `[batch, time, dim]`: what the encoder gave; `source_mask` `[batch, time]` bool.
    pub fn forward(
        &self,
        inputs: &Tensor,
        source: &Tensor,
        source_mask: &Tensor,
        train: bool,
    ) -> Tensor {
        let memory = Memory::of_text(source, source_mask);
        self.forward_on(&Tape::plain(), inputs, &memory, train)
    }

    /// As [`T5Decoder::forward`], with every block on `tape`. There the states of `memory` and of its others must be leaves.
    pub fn forward_on<'a>(
        &'a self,
        tape: &Tape<'a>,
        inputs: &Tensor,
        memory: &Memory<'_>,
        train: bool,
    ) -> Tensor {
        self.logits(&self.hidden_on(tape, inputs, memory, train, &mut |_, _| {}))
    }

    /// Hidden states `[batch, labels, dim]` after the final norm; `observe` sees the embeddings as 0 and then the
    /// output of every block.
    pub fn hidden(
        &self,
        inputs: &Tensor,
        source: &Tensor,
        source_mask: &Tensor,
        train: bool,
        observe: &mut dyn FnMut(usize, &Tensor),
    ) -> Tensor {
        let memory = Memory::of_text(source, source_mask);
        self.hidden_on(&Tape::plain(), inputs, &memory, train, observe)
    }

    fn hidden_on<'a>(
        &'a self,
        tape: &Tape<'a>,
        inputs: &Tensor,
        memory: &Memory<'_>,
        train: bool,
        observe: &mut dyn FnMut(usize, &Tensor),
    ) -> Tensor {
        let (kind, length) = (memory.states.kind(), inputs.size()[1]);
        let places = positions(0, length, inputs.device());
        let (keys, queries) = (places.unsqueeze(1), places.unsqueeze(2));
        let mut ahead = keys.gt_tensor(&queries);
        if let Some(blind) = self.blind {
            let place = queries.eq(blind.query).logical_and(&keys.eq(blind.key));
            ahead = ahead.logical_or(&place);
        }
        let ahead = ahead.unsqueeze(1); // [1, 1, labels, labels]
        let mut bias =
            self.bias.forward(&places, &places).to_kind(kind) + ahead.to_kind(kind) * -1e30;
        let source_bias = key_mask(memory.mask, kind);

        let mut hidden = dropout(
            self.embedding.forward(inputs).to_kind(kind),
            self.dropout,
            train,
        );
        observe(0, &hidden);
        tape.cut([&mut hidden, &mut bias]);
        for (i, block) in self.blocks.iter().enumerate() {
            let fusion = self.fusion(i);
            let others = memory.others.filter(|_| fusion.is_some());
            let rows = others.and_then(|o| o.fused.as_ref().map(Tensor::shallow_clone));
            let mut read = vec![&hidden, &bias, memory.states, &source_bias];
            read.extend(others.into_iter().flat_map(|others| &others.states));
            hidden = tape.run(&read, move |x| {
                let hidden = block.own.to_self(x[0].shallow_clone(), &x[1], train);
                let source = block.cross.key_values(&x[2]);
                let hidden = block.cross.to_source(hidden, &source, Some(&x[3]), train);
                let hidden = block.feed_forward.forward(hidden, train);
                match fusion {
                    Some(fusion) => fusion.forward(&hidden, &x[4..], rows.as_ref(), train),
                    None => hidden,
                }
            });
            observe(i + 1, &hidden);
        }
        dropout(self.norm.forward(&hidden), self.dropout, train)
    }

    /// Logits `[.., vocabulary]` of hidden states `[.., dim]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        if self.scale == 1.0 {
            self.head.forward(hidden)
        } else {
            self.head.forward(&(hidden * self.scale))
        }
    }

    /// Number of label ids.
    pub fn vocabulary(&self) -> i64 {
        self.head.weight().size()[0]
    }

    /// The same decoder with weights cast once, for decoding without gradients.
    pub(crate) fn cast(&self, kind: Kind, vocabulary: Option<&Tensor>) -> Self {
        let block = |b: &Block| Block {
            own: b.own.cast(kind),
            cross: b.cross.cast(kind),
            feed_forward: b.feed_forward.cast(kind),
        };
        let head = match vocabulary {
            Some(rows) => self.head.select(rows).cast(kind),
            None => self.head.cast(kind),
        };
        Self {
            embedding: self.embedding.share(),
            bias: self.bias.share(),
            blocks: self.blocks.iter().map(block).collect(),
            norm: self.norm.share(),
            head,
            fusions: self.fusions.iter().map(|f| f.cast(kind)).collect(),
            ..*self
        }
    }
}

impl<'s> Memory<'s> {
    /// Of a decoder without fused blocks.
    #[must_use]
    pub fn of_text(states: &'s Tensor, mask: &'s Tensor) -> Self {
        Self {
            states,
            mask,
            others: None,
        }
    }
}
