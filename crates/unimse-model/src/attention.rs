//! Scaled dot-product attention (Vaswani et al. 2017, equation 1) of the text backbones (paper, section 3.3), fused where LibTorch has
//! a kernel for it: queries `[batch, heads, time, head]`, keys and values `[batch, heads, keys, head]`.

use tch::{Device, Kind, Tensor};

use crate::layers::dropout;

/// `softmax(scale * q k^T + bias) v` for `q` `[batch, heads, time, d]`, `k` and `v` `[batch, heads, keys, d]`, `bias`
/// broadcastable to `[batch, heads, time, keys]` in their kind. `p` is the dropout of the probabilities; softmax
/// computes in fp32.
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: Option<&Tensor>,
    scale: f64,
    p: f64,
) -> Tensor {
    let learns = q.requires_grad() || k.requires_grad() || v.requires_grad();
    let bias_learns = bias.is_some_and(Tensor::requires_grad);
    let fused = match q.device() {
        // The CPU's fused kernel has neither dropout nor a gradient of the bias, and its backward pass in bf16 takes
        // six times that of the products written out.
        Device::Cpu => p == 0.0 && !bias_learns && !(learns && q.kind() == Kind::BFloat16),
        _ => true,
    };
    if fused {
        return Tensor::scaled_dot_product_attention(q, k, v, bias, p, false, scale, false);
    }
    let q = if scale == 1.0 {
        q.shallow_clone()
    } else {
        q * scale
    };
    let mut scores = q.matmul(&k.transpose(-2, -1));
    if let Some(bias) = bias {
        scores += bias; // in place: the gradient of a product does not need its value
    }
    dropout(scores.softmax(-1, scores.kind()), p, true).matmul(v)
}

/// `[batch, time, heads * d]` to `[batch, heads, time, d]`.
pub(crate) fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    x.unflatten(-1, [heads, -1]).transpose(1, 2)
}

/// `[batch, heads, time, d]` to `[batch, time, heads * d]`.
pub(crate) fn merge_heads(x: &Tensor) -> Tensor {
    x.transpose(1, 2).flatten(2, 3)
}
