//! What fusion needs of a text encoder (paper, sections 3.3 and 3.4), whichever backbone it is: `[batch, time]` tokens to
//! `[batch, time, dim]` states, with a hook after the feed-forward of every layer.

use std::fmt;

use tch::{Kind, Tensor};

/// Called with the layer's index from 0 and its output `[batch, time, dim]`, after the feed-forward of every layer;
/// what it returns goes on into the next layer. This is where fusion sits (paper, section 3.4).
pub type Hook<'a> = &'a mut dyn FnMut(usize, Tensor) -> Tensor;

/// The hook that changes nothing.
pub fn no_hook(_layer: usize, hidden: Tensor) -> Tensor {
    hidden
}

/// Sizes of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of the hidden states.
    pub dim: i64,
    /// Number of layers, so of calls of the hook.
    pub layers: usize,
    /// Number of token ids.
    pub vocabulary: i64,
    /// Longest input, where the positions are a table.
    pub max_positions: Option<i64>,
}

/// A pretrained text encoder: [`TextEncoder::embed`], every [`TextEncoder::layer`] in order, [`TextEncoder::finish`].
pub trait TextEncoder: fmt::Debug + Send {
    /// What the first layer reads, `[batch, time, dim]`, and the bias of attention scores that all layers share,
    /// broadcastable to `[batch, heads, time, time]`; arguments as in [`TextEncoder::forward`].
    fn embed(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
    ) -> (Tensor, Tensor);

    /// Output of layer `at`, below [`TextEncoder::layers`], for `hidden` and `bias` as of [`TextEncoder::embed`].
    fn layer(&self, at: usize, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor;

    /// What comes after the last layer; by default nothing.
    fn finish(&self, hidden: Tensor, _train: bool) -> Tensor {
        hidden
    }

    /// Last hidden state `[batch, time, dim]` in [`TextEncoder::kind`], after the final norm where the backbone has one.
    ///
    /// - `tokens` `[batch, time]` i64, below [`TextEncoder::vocabulary`];
    /// - `mask` `[batch, time]` bool, true where a token is;
    /// - `segments` `[batch, time, dim]`, added to the input embeddings;
    /// - `train` switches dropout on.
    fn forward(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
        hook: Hook<'_>,
    ) -> Tensor {
        let (mut hidden, bias) = self.embed(tokens, mask, segments, train);
        for at in 0..self.layers() {
            hidden = hook(at, self.layer(at, &hidden, &bias, train));
        }
        self.finish(hidden, train)
    }

    /// Sizes.
    fn shape(&self) -> Shape;

    /// Kind of the hidden states.
    fn kind(&self) -> Kind;

    /// The same encoder with weights cast to that kind once, for repeated use without gradients; in fp32 nothing is cast.
    fn cast(&self) -> Box<dyn TextEncoder>;

    /// Width of the hidden states.
    fn dim(&self) -> i64 {
        self.shape().dim
    }

    /// Number of layers, so of calls of the hook.
    fn layers(&self) -> usize {
        self.shape().layers
    }

    /// Number of token ids.
    fn vocabulary(&self) -> i64 {
        self.shape().vocabulary
    }
}
