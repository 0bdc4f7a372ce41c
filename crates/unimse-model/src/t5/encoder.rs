//! The encoder stack: tokens `[batch, time]` to states `[batch, time, dim]` (paper, section 3.3).

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::config::T5Config;
use super::layers::{AttentionLayer, FeedForward, positions, relative_bias};
use crate::encoder::{Shape, TextEncoder};
use crate::layers::{Embedding, RmsNorm, dropout, key_mask};
use crate::precision::Precision;
use crate::relative_bias::RelativeBias;

#[derive(Debug)]
struct Block {
    attention: AttentionLayer,
    feed_forward: FeedForward,
}

/// T5's encoder: parameters `encoder.*` beside the table `shared` of the whole model.
#[derive(Debug)]
pub struct T5Encoder {
    embedding: Embedding,
    bias: RelativeBias,
    blocks: Vec<Block>,
    norm: RmsNorm,
    dropout: f64,
    kind: Kind,
}

impl T5Encoder {
    /// Under `p` (the folder `encoder` of a checkpoint), reading tokens from `embedding`.
    pub fn new(
        p: &Path<'_>,
        config: &T5Config,
        embedding: Embedding,
        precision: Precision,
    ) -> Self {
        let block = |i: usize| p / "block" / i / "layer";
        let blocks = (0..config.num_layers)
            .map(|i| Block {
                attention: AttentionLayer::new(&(block(i) / 0), "SelfAttention", config),
                feed_forward: FeedForward::new(&(block(i) / 1), config),
            })
            .collect();
        Self {
            embedding,
            bias: relative_bias(&(block(0) / 0 / "SelfAttention"), config, true),
            blocks,
            norm: RmsNorm::new(
                &(p / "final_layer_norm"),
                config.d_model,
                config.layer_norm_epsilon,
            ),
            dropout: config.dropout_rate,
            kind: precision.kind(),
        }
    }

    /// The same encoder with weights cast once, for repeated use without gradients.
    pub(super) fn cast_once(&self) -> Self {
        let block = |block: &Block| Block {
            attention: block.attention.cast(self.kind),
            feed_forward: block.feed_forward.cast(self.kind),
        };
        Self {
            embedding: self.embedding.share(),
            bias: self.bias.share(),
            blocks: self.blocks.iter().map(block).collect(),
            norm: self.norm.share(),
            ..*self
        }
    }
}

impl TextEncoder for T5Encoder {
    fn embed(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
    ) -> (Tensor, Tensor) {
        let embedded = self.embedding.forward(tokens);
        let embedded = match segments {
            Some(segments) => embedded + segments,
            None => embedded,
        };
        let hidden = dropout(embedded.to_kind(self.kind), self.dropout, train);
        let places = positions(0, tokens.size()[1], tokens.device());
        let bias =
            self.bias.forward(&places, &places).to_kind(self.kind) + key_mask(mask, self.kind);
        (hidden, bias)
    }

    fn layer(&self, at: usize, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor {
        let block = &self.blocks[at];
        let hidden = block.attention.to_self(hidden.shallow_clone(), bias, train);
        block.feed_forward.forward(hidden, train)
    }

    fn finish(&self, hidden: Tensor, train: bool) -> Tensor {
        dropout(self.norm.forward(&hidden), self.dropout, train)
    }

    fn shape(&self) -> Shape {
        let table = self.embedding.weight().size();
        Shape {
            dim: table[1],
            layers: self.blocks.len(),
            vocabulary: table[0],
            max_positions: None,
        }
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn cast(&self) -> Box<dyn TextEncoder> {
        Box::new(self.cast_once())
    }
}
