//! The layer of BERT (Devlin et al. 2019) and its descendants, `[batch, time, dim]` to `[batch, time, dim]` with a norm behind each
//! residual, and the fields that their configurations have in common. They differ in their embeddings, positions and names.

use std::path::Path as FilePath;

use serde::Deserialize;
use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::attention::{attention, merge_heads, split_heads};
use crate::checkpoint::check_size;
use crate::encoder::Shape;
use crate::error::{ModelError, Result};
use crate::layers::{LayerNorm, Linear, dropout};

/// Standard deviation of the initial weights.
pub(crate) const STD: f64 = 0.02;

/// The fields of `config.json` the model needs; names and defaults are the Hub's.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PostNormConfig {
    /// Number of token ids.
    pub(crate) vocab_size: i64,
    /// Width of the hidden states.
    pub(crate) hidden_size: i64,
    /// Layers.
    pub(crate) num_hidden_layers: usize,
    /// Attention heads.
    pub(crate) num_attention_heads: i64,
    /// Inner width of the feed-forward layers.
    intermediate_size: i64,
    /// Rows of the table of positions.
    pub(crate) max_position_embeddings: i64,
    /// Token types, where there are any; only type 0 is used.
    #[serde(default = "default_types")]
    pub(crate) type_vocab_size: i64,
    /// Activation of the feed-forward layers; only `gelu` (the exact one).
    #[serde(default = "default_activation")]
    hidden_act: String,
    /// Dropout of hidden states while training.
    #[serde(default = "default_dropout")]
    pub(crate) hidden_dropout_prob: f64,
    /// Dropout of attention probabilities while training.
    #[serde(default = "default_dropout")]
    attention_probs_dropout_prob: f64,
    /// Added under the root of the norms.
    #[serde(default = "default_eps")]
    pub(crate) layer_norm_eps: f64,
    /// Positions; only `absolute`.
    #[serde(default = "default_positions")]
    position_embedding_type: String,
}

fn default_types() -> i64 {
    2
}
fn default_activation() -> String {
    "gelu".to_owned()
}
fn default_dropout() -> f64 {
    0.1
}
fn default_eps() -> f64 {
    1e-12
}
fn default_positions() -> String {
    "absolute".to_owned()
}

impl PostNormConfig {
    /// Reads and checks `config.json` of `folder`.
    pub(crate) fn from_folder(folder: &FilePath) -> Result<Self> {
        let path = folder.join("config.json");
        let config: Self = ModelError::read_json(&path)?;
        for (field, value) in [
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("num_hidden_layers", config.num_hidden_layers as i64),
            ("num_attention_heads", config.num_attention_heads),
            ("intermediate_size", config.intermediate_size),
            ("max_position_embeddings", config.max_position_embeddings),
            ("type_vocab_size", config.type_vocab_size),
        ] {
            if value < 1 || value > i64::from(i32::MAX) {
                return Err(ModelError::config(&path, field, "a positive number", value));
            }
        }
        check_size(&path, |_| config.parameters())?;
        let (dim, heads) = (config.hidden_size, config.num_attention_heads);
        if dim % heads != 0 {
            let expected = format!("a divisor of hidden_size = {dim}");
            return Err(ModelError::config(
                &path,
                "num_attention_heads",
                expected,
                heads,
            ));
        }
        for (field, only, found) in [
            ("hidden_act", "gelu", &config.hidden_act),
            (
                "position_embedding_type",
                "absolute",
                &config.position_embedding_type,
            ),
        ] {
            if found != only {
                return Err(ModelError::config(&path, field, only, found));
            }
        }
        for (field, p) in [
            ("hidden_dropout_prob", config.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                config.attention_probs_dropout_prob,
            ),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(ModelError::config(&path, field, "0 to below 1", p));
            }
        }
        Ok(config)
    }

    /// The same with other dropout.
    pub(crate) fn set_dropout(&mut self, p: f64) {
        self.hidden_dropout_prob = p;
        self.attention_probs_dropout_prob = p;
    }

    /// Scalars in the tables and matrices.
    pub(crate) fn parameters(&self) -> i128 {
        let [dim, inner, layers, words, positions, types] = [
            self.hidden_size,
            self.intermediate_size,
            self.num_hidden_layers as i64,
            self.vocab_size,
            self.max_position_embeddings,
            self.type_vocab_size,
        ]
        .map(i128::from);
        dim * (words + positions + types + layers * (4 * dim + 2 * inner))
    }

    /// Sizes of an encoder that reads at most `max_positions` tokens.
    pub(crate) fn shape(&self, max_positions: i64) -> Shape {
        Shape {
            dim: self.hidden_size,
            layers: self.num_hidden_layers,
            vocabulary: self.vocab_size,
            max_positions: Some(max_positions),
        }
    }
}

/// What a checkpoint calls the parts of a layer's attention, dots between the parts of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionNames {
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) output: &'static str,
    pub(crate) norm: &'static str,
}

/// One layer.
#[derive(Debug)]
pub(crate) struct PostNormLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
    heads: i64,
    attention_dropout: f64,
    dropout: f64,
}

impl PostNormLayer {
    /// Under `p`, freshly initialised as the reference does.
    pub(crate) fn new(p: &Path<'_>, names: AttentionNames, config: &PostNormConfig) -> Self {
        let (dim, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let at = |name: &str| name.split('.').fold(p.clone(), |p, part| p / part);
        Self {
            query: Linear::normal(&at(names.query), dim, dim, STD),
            key: Linear::normal(&at(names.key), dim, dim, STD),
            value: Linear::normal(&at(names.value), dim, dim, STD),
            output: Linear::normal(&at(names.output), dim, dim, STD),
            attention_norm: LayerNorm::new(&at(names.norm), dim, eps),
            up: Linear::normal(&at("intermediate.dense"), dim, inner, STD),
            down: Linear::normal(&at("output.dense"), inner, dim, STD),
            norm: LayerNorm::new(&at("output.LayerNorm"), dim, eps),
            heads: config.num_attention_heads,
            attention_dropout: config.attention_probs_dropout_prob,
            dropout: config.hidden_dropout_prob,
        }
    }

    /// The same layer with weights cast once.
    pub(crate) fn cast(&self, kind: Kind) -> Self {
        Self {
            query: self.query.cast(kind),
            key: self.key.cast(kind),
            value: self.value.cast(kind),
            output: self.output.cast(kind),
            attention_norm: self.attention_norm.share(),
            up: self.up.cast(kind),
            down: self.down.cast(kind),
            norm: self.norm.share(),
            ..*self
        }
    }

    /// `bias` is added to the scores, broadcast to `[batch, heads, time, time]`.
    pub(crate) fn forward(&self, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor {
        let q = split_heads(&self.query.forward(hidden), self.heads);
        let k = split_heads(&self.key.forward(hidden), self.heads);
        let v = split_heads(&self.value.forward(hidden), self.heads);
        let scale = (q.size()[3] as f64).powf(-0.5);
        let p = if train { self.attention_dropout } else { 0.0 };
        let attended =
            self.output
                .forward(&merge_heads(&attention(&q, &k, &v, Some(bias), scale, p)));
        let hidden = self
            .attention_norm
            .forward(&(dropout(attended, self.dropout, train) + hidden));
        let out = self.down.forward(&self.up.forward(&hidden).gelu("none"));
        self.norm
            .forward(&(dropout(out, self.dropout, train) + hidden))
    }
}

/// Refuses a padding id `padding` of `config`, read from `path`, that is no token, or behind which the table of positions has no row.
pub(crate) fn check_padding(path: &FilePath, config: &PostNormConfig, padding: i64) -> Result<()> {
    let rows = config.max_position_embeddings;
    if !(0..config.vocab_size).contains(&padding) {
        let expected = format!("an id below {}", config.vocab_size);
        return Err(ModelError::config(path, "pad_token_id", expected, padding));
    }
    if rows < padding + 2 {
        let expected = format!("more than pad_token_id + 1 = {}", padding + 1);
        return Err(ModelError::config(
            path,
            "max_position_embeddings",
            expected,
            rows,
        ));
    }
    Ok(())
}

/// Rows of a table of positions for `tokens` `[batch, time]` i64, as RoBERTa and MPNet count them: the n-th token, from 1, that
/// `mask` `[batch, time]` bool has and that is not `padding` stands at row `padding + n`, all others at row `padding`.
pub(crate) fn positions_behind_padding(tokens: &Tensor, mask: &Tensor, padding: i64) -> Tensor {
    let counts = tokens.ne(padding).logical_and(mask).to_kind(Kind::Int64);
    counts.cumsum(1, Kind::Int64) * counts + padding
}
