//! Scaled dot-product attention, fused where LibTorch has a kernel for it.

use tch::{Kind, Tensor};

/// `softmax(scale * q k^T + bias) v` for `q` `[batch, heads, time, d]`, `k` and `v` `[batch, heads, keys, d]`, `bias`
/// broadcastable to `[batch, heads, time, keys]` in their kind. `dropout` acts on the probabilities; softmax is fp32.
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: Option<&Tensor>,
    scale: f64,
    dropout: f64,
) -> Tensor {
    // The fused kernels know neither dropout (on CPU) nor the gradient of the bias.
    if dropout == 0.0 && !bias.is_some_and(Tensor::requires_grad) {
        return Tensor::scaled_dot_product_attention(q, k, v, bias, 0.0, false, scale, false);
    }
    let scores = (q * scale).matmul(&k.transpose(-2, -1));
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    let probabilities = scores.softmax(-1, Kind::Float).to_kind(q.kind());
    let probabilities = if dropout > 0.0 {
        probabilities.dropout(dropout, true)
    } else {
        probabilities
    };
    probabilities.matmul(v)
}

/// `[batch, time, heads * d]` to `[batch, heads, time, d]`.
pub(crate) fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    x.unflatten(-1, [heads, -1]).transpose(1, 2)
}

/// `[batch, heads, time, d]` to `[batch, time, heads * d]`.
pub(crate) fn merge_heads(x: &Tensor) -> Tensor {
    x.transpose(1, 2).flatten(2, 3)
}
