//! T5 (Raffel et al. 2020), the backbone of the paper (section 3.3), in both releases: v1.0 (relu, output head tied to the
//! embeddings and scaled) and v1.1 (gated gelu, head of its own). Parameters carry the names of the Hub's checkpoints.

mod config;
mod decoder;
mod decoding;
mod encoder;
mod layers;

pub use config::{FeedForwardKind, T5Config};
pub use decoder::T5Decoder;
pub use decoding::Decoding;
pub use encoder::T5Encoder;

use tch::nn::Path;
use tch::{Kind, Reduction, Tensor};

use crate::encoder::{TextEncoder as _, no_hook};
use crate::layers::{Embedding, Linear};
use crate::precision::Precision;

/// What the loss ignores in labels.
pub const IGNORED: i64 = -100;

/// Encoder and decoder on one table of embeddings.
#[derive(Debug)]
pub struct T5 {
    /// Reads the text.
    pub encoder: T5Encoder,
    /// Writes the labels.
    pub decoder: T5Decoder,
    config: T5Config,
}

impl T5 {
    /// Under `p`, the root of a checkpoint, freshly initialised as the reference does.
    pub fn new(p: &Path<'_>, config: &T5Config, precision: Precision) -> Self {
        let shared = Embedding::new(&(p / "shared"), config.vocab_size, config.d_model, 1.0);
        let head = (!config.tie_word_embeddings).then(|| {
            let std = (config.d_model as f64).powf(-0.5);
            Linear::without_bias(&(p / "lm_head"), config.d_model, config.vocab_size, std)
        });
        Self {
            encoder: T5Encoder::new(&(p / "encoder"), config, shared.share(), precision),
            decoder: T5Decoder::new(&(p / "decoder"), config, shared, head),
            config: config.clone(),
        }
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Mean cross-entropy (fp32 scalar) of `labels` `[batch, labels]` i64, [`IGNORED`] ones left out, and the logits
    /// `[batch, labels, vocabulary]`.
    pub fn loss(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        labels: &Tensor,
        train: bool,
    ) -> (Tensor, Tensor) {
        let source = self
            .encoder
            .forward(tokens, mask, None, train, &mut no_hook);
        let inputs = shift_right(labels, self.config.start_token(), self.config.pad_token_id);
        let logits = self.decoder.forward(&inputs, &source, mask, train);
        let loss = logits
            .flatten(0, 1)
            .to_kind(Kind::Float)
            .cross_entropy_loss(
                &labels.flatten(0, 1),
                None::<Tensor>,
                Reduction::Mean,
                IGNORED,
                0.0,
            );
        (loss, logits)
    }
}

/// Decoder inputs of `labels` `[batch, labels]`: `start` in front, the last label dropped, ignored ones as `pad`.
pub fn shift_right(labels: &Tensor, start: i64, pad: i64) -> Tensor {
    let first = labels.narrow(1, 0, 1).full_like(start);
    let rest = labels.narrow(1, 0, labels.size()[1] - 1);
    Tensor::cat(&[first, rest.masked_fill(&rest.eq(IGNORED), pad)], 1)
}
