//! The sub-layers of a T5 block: attention with shared relative position bias, and the feed-forward.
//! Each is `x + dropout(f(norm(x)))`. Raffel et al. 2020, section 2.1; names are those of the Hub's checkpoints.

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::config::{FeedForwardKind, T5Config};
use crate::attention::{attention, merge_heads, split_heads};
use crate::layers::{Linear, RmsNorm, dropout};
use crate::relative_bias::{Buckets, RelativeBias};

/// Unscaled attention without biases, behind its norm and around its residual.
#[derive(Debug)]
pub(super) struct AttentionLayer {
    norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    heads: i64,
    dropout: f64,
}

/// Keys and values `[batch, heads, time, d_kv]`.
#[derive(Debug)]
pub(super) struct KeyValues {
    pub(super) keys: Tensor,
    pub(super) values: Tensor,
}

impl KeyValues {
    /// These behind those of earlier steps.
    pub(super) fn after(self, old: Option<Self>) -> Self {
        match old {
            None => self,
            Some(old) => Self {
                keys: Tensor::cat(&[&old.keys, &self.keys], 2),
                values: Tensor::cat(&[&old.values, &self.values], 2),
            },
        }
    }

    /// The same tensors under another name.
    pub(super) fn share(&self) -> Self {
        Self {
            keys: self.keys.shallow_clone(),
            values: self.values.shallow_clone(),
        }
    }
}

impl AttentionLayer {
    pub(super) fn new(layer: &Path<'_>, name: &str, config: &T5Config) -> Self {
        let p = layer / name;
        let (dim, inner) = (config.d_model, config.num_heads * config.d_kv);
        let d = dim as f64;
        Self {
            norm: RmsNorm::new(&(layer / "layer_norm"), dim, config.layer_norm_epsilon),
            q: Linear::without_bias(&(&p / "q"), dim, inner, (d * config.d_kv as f64).powf(-0.5)),
            k: Linear::without_bias(&(&p / "k"), dim, inner, d.powf(-0.5)),
            v: Linear::without_bias(&(&p / "v"), dim, inner, d.powf(-0.5)),
            o: Linear::without_bias(&(&p / "o"), inner, dim, (inner as f64).powf(-0.5)),
            heads: config.num_heads,
            dropout: config.dropout_rate,
        }
    }

    /// Attention of `x` `[batch, time, dim]` to itself.
    pub(super) fn to_self(&self, x: Tensor, bias: &Tensor, train: bool) -> Tensor {
        let normed = self.norm.forward(&x);
        let source = self.key_values(&normed);
        let attended = self.attend(&normed, &source, Some(bias), train);
        x + dropout(attended, self.dropout, train)
    }

    /// Attention of `x` `[batch, time, dim]` to keys made before.
    pub(super) fn to_source(
        &self,
        x: Tensor,
        source: &KeyValues,
        bias: Option<&Tensor>,
        train: bool,
    ) -> Tensor {
        let attended = self.attend(&self.norm.forward(&x), source, bias, train);
        x + dropout(attended, self.dropout, train)
    }

    /// Keys and values of `hidden` `[batch, time, dim]`, which is normed already.
    pub(super) fn key_values(&self, hidden: &Tensor) -> KeyValues {
        KeyValues {
            keys: split_heads(&self.k.forward(hidden), self.heads),
            values: split_heads(&self.v.forward(hidden), self.heads),
        }
    }

    /// Attention of `x` `[batch, time, dim]` to itself and to what stood before it: `join` makes the keys and values of all of it from
    /// those of `x`.
    pub(super) fn go_on(
        &self,
        x: Tensor,
        bias: &Tensor,
        join: impl FnOnce(KeyValues) -> KeyValues,
    ) -> Tensor {
        let normed = self.norm.forward(&x);
        let all = join(self.key_values(&normed));
        x + self.attend(&normed, &all, Some(bias), false)
    }

    /// Queries of `x` `[.., dim]`, `[.., inner]`.
    pub(super) fn query(&self, x: &Tensor) -> Tensor {
        self.q.forward(&self.norm.forward(x))
    }

    /// What queries `[batch, time, inner]` see of keys and values, `[batch, time, inner]`, without gradients.
    pub(super) fn look(&self, query: &Tensor, source: &KeyValues, bias: &Tensor) -> Tensor {
        let q = split_heads(query, self.heads);
        let (keys, values) = (&source.keys, &source.values);
        merge_heads(&attention(&q, keys, values, Some(bias), 1.0, 0.0))
    }

    /// `[.., inner]` to `[.., dim]`, to be added to the residual.
    pub(super) fn output(&self, seen: &Tensor) -> Tensor {
        self.o.forward(seen)
    }

    fn attend(
        &self,
        normed: &Tensor,
        source: &KeyValues,
        bias: Option<&Tensor>,
        train: bool,
    ) -> Tensor {
        let q = split_heads(&self.q.forward(normed), self.heads);
        let p = if train { self.dropout } else { 0.0 };
        // T5 folds the scale into the initialisation of q.
        self.o.forward(&merge_heads(&attention(
            &q,
            &source.keys,
            &source.values,
            bias,
            1.0,
            p,
        )))
    }

    pub(super) fn cast(&self, kind: Kind) -> Self {
        Self {
            norm: self.norm.share(),
            q: self.q.cast(kind),
            k: self.k.cast(kind),
            v: self.v.cast(kind),
            o: self.o.cast(kind),
            ..*self
        }
    }
}

/// `x + dropout(wo(dropout(act(wi x))))`.
#[derive(Debug)]
pub(super) struct FeedForward {
    norm: RmsNorm,
    wi: Linear,
    gate: Option<Linear>,
    wo: Linear,
    dropout: f64,
}

impl FeedForward {
    pub(super) fn new(layer: &Path<'_>, config: &T5Config) -> Self {
        let p = layer / "DenseReluDense";
        let (dim, inner) = (config.d_model, config.d_ff);
        let std = (dim as f64).powf(-0.5);
        let (wi, gate) = match config.feed_forward_proj {
            FeedForwardKind::Relu => (Linear::without_bias(&(&p / "wi"), dim, inner, std), None),
            FeedForwardKind::GatedGelu => (
                Linear::without_bias(&(&p / "wi_0"), dim, inner, std),
                Some(Linear::without_bias(&(&p / "wi_1"), dim, inner, std)),
            ),
        };
        Self {
            norm: RmsNorm::new(&(layer / "layer_norm"), dim, config.layer_norm_epsilon),
            wi,
            gate,
            wo: Linear::without_bias(&(&p / "wo"), inner, dim, (inner as f64).powf(-0.5)),
            dropout: config.dropout_rate,
        }
    }

    pub(super) fn forward(&self, x: Tensor, train: bool) -> Tensor {
        let normed = self.norm.forward(&x);
        let inner = match &self.gate {
            None => self.wi.forward(&normed).relu(),
            Some(gate) => self.wi.forward(&normed).gelu("tanh") * gate.forward(&normed),
        };
        let out = self.wo.forward(&dropout(inner, self.dropout, train));
        x + dropout(out, self.dropout, train)
    }

    pub(super) fn cast(&self, kind: Kind) -> Self {
        Self {
            norm: self.norm.share(),
            wi: self.wi.cast(kind),
            gate: self.gate.as_ref().map(|g| g.cast(kind)),
            wo: self.wo.cast(kind),
            dropout: self.dropout,
        }
    }
}

/// The bias of a stack's scores by distance, one table that its first block holds: `attention` is the path of that block's attention.
pub(super) fn relative_bias(
    attention: &Path<'_>,
    config: &T5Config,
    bidirectional: bool,
) -> RelativeBias {
    let buckets = Buckets {
        count: config.relative_attention_num_buckets,
        max_distance: config.relative_attention_max_distance,
        bidirectional,
    };
    let std = (config.d_model as f64).powf(-0.5);
    let p = attention / "relative_attention_bias";
    RelativeBias::new(&p, buckets, config.num_heads, std)
}

/// Positions `[1, length]` i64 from `from` on.
pub(super) fn positions(from: i64, length: i64, device: Device) -> Tensor {
    Tensor::arange_start(from, from + length, (Kind::Int64, device)).unsqueeze(0)
}
