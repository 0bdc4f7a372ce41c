//! T5 (Raffel et al. 2020), the backbone of the paper (section 3.3), in both releases: v1.0 (relu, output head tied to the
//! embeddings and scaled) and v1.1 (gated gelu, head of its own). Parameters carry the names of the Hub's checkpoints.

mod beam;
mod branching;
mod config;
mod decoder;
mod decoding;
mod encoder;
mod layers;

pub(crate) use branching::Branching;
pub(crate) use decoder::Blind;

pub use beam::{BeamSearch, Hypothesis, padded, score};
pub use config::{FeedForwardKind, T5Config};
pub use decoder::{Memory, T5Decoder};
pub use decoding::Decoding;
pub use encoder::T5Encoder;

use tch::nn::Path;
use tch::{Device, Reduction, Tensor};

use self::layers::positions;
use crate::encoder::{TextEncoder as _, no_hook};
use crate::error::Result;
use crate::layers::{Embedding, Linear};
use crate::precision::{Precision, wide};

/// Rows of like length that [`T5::encode`] takes at a time.
const TOGETHER: i64 = 16;

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

    /// The same model with its weights cast to the compute kind once instead of in every pass, for repeated use without
    /// gradients; later steps of the optimiser do not reach it (in fp32 nothing is cast, and they do).
    pub fn cast(&self) -> Self {
        tch::no_grad(|| Self {
            encoder: self.encoder.cast_once(),
            decoder: self.decoder.cast(self.encoder.kind(), None),
            config: self.config.clone(),
        })
    }

    /// Encoder states `[batch, time, dim]` of `tokens` `[batch, time]` i64 under `mask` `[batch, time]` bool, without gradients and
    /// without what stands under the mask, which is zero. On the CPU rows of like length go together, so that a long one does not
    /// make all others pay for its padding.
    pub fn encode(&self, tokens: &Tensor, mask: &Tensor) -> Tensor {
        let encode = |tokens: &Tensor, mask: &Tensor| {
            let states = self
                .encoder
                .forward(tokens, mask, None, false, &mut no_hook);
            states * mask.unsqueeze(-1)
        };
        tch::no_grad(|| {
            let (batch, time) = (tokens.size()[0], tokens.size()[1]);
            if tokens.device() != Device::Cpu || batch <= TOGETHER || time == 0 {
                return encode(tokens, mask);
            }
            let widths = (mask * positions(1, time, tokens.device())).amax(1, false);
            let order = widths.argsort_stable(true, 0, false);
            let groups: Vec<Tensor> = order
                .split(TOGETHER, 0)
                .iter()
                .map(|rows| {
                    let width = widths.index_select(0, rows).max().int64_value(&[]).max(1);
                    let of_rows = |x: &Tensor| x.index_select(0, rows).narrow(1, 0, width);
                    encode(&of_rows(tokens), &of_rows(mask)).constant_pad_nd([
                        0,
                        0,
                        0,
                        time - width,
                    ])
                })
                .collect();
            Tensor::cat(&groups, 0).index_select(0, &order.argsort(0, false))
        })
    }

    /// Texts for `tokens` `[batch, time]` i64 under `mask` `[batch, time]` bool, by beam search with the checkpoint's start
    /// and end tokens: for each input the finished hypotheses, the best first. Works without gradients.
    ///
    /// ```no_run
    /// # use unimse_model::{Precision, t5::{T5, T5Config, padded}};
    /// # let config = T5Config::from_folder("t5-small".as_ref())?;
    /// # let store = tch::nn::VarStore::new(tch::Device::Cpu);
    /// # let (tokens, mask) = (tch::Tensor::new(), tch::Tensor::new());
    /// let t5 = T5::new(&store.root(), &config, Precision::Fp32);
    /// let texts = t5.generate(&tokens, &mask, 4, 1.0, 12)?;
    /// let best = padded(texts.iter().filter_map(|of_input| of_input.first()), config.pad_token_id);
    /// # Ok::<(), unimse_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// No beam, no token to generate, or a `length_penalty` that is not finite.
    pub fn generate(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        beams: usize,
        length_penalty: f64,
        max_new_tokens: usize,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let search = BeamSearch {
            beams,
            length_penalty,
            max_new_tokens,
            start: self.config.start_token(),
            end: self.config.eos_token_id,
        };
        tch::no_grad(|| {
            let source = self.encode(tokens, mask);
            let decoding = Decoding::new(&self.decoder, &source, mask, 1, None);
            search.run(decoding, tokens.size()[0] as usize)
        })
    }

    /// Mean cross-entropy (scalar, fp32 or f64) of `labels` `[batch, labels]` i64, [`IGNORED`] ones left out, and the logits
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
            .to_kind(wide(logits.kind()))
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
