//! BERT encoders (Devlin et al. 2019), all-MiniLM-L6-v2 among them: tokens `[batch, time]` to `[batch, time, dim]`; ours in place of
//! the T5 of the paper (section 3.3). Parameters carry the names of the Hub's checkpoints,
//! without the prefix `bert.` that some have.

use std::path::Path as FilePath;

use serde::Deserialize;
use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::attention::{attention, merge_heads, split_heads};
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::layers::{Embedding, LayerNorm, Linear, dropout, key_mask};
use crate::precision::Precision;
use crate::weights::check_size;

/// The fields of `config.json` the model needs; names and defaults are the Hub's.
#[derive(Debug, Clone, Deserialize)]
pub struct BertConfig {
    /// Number of token ids.
    pub vocab_size: i64,
    /// Width of the hidden states.
    pub hidden_size: i64,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Inner width of the feed-forward layers.
    pub intermediate_size: i64,
    /// Longest input.
    pub max_position_embeddings: i64,
    /// Token types; only type 0 is used.
    #[serde(default = "default_types")]
    pub type_vocab_size: i64,
    /// Activation of the feed-forward layers; only `gelu` (the exact one).
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    /// Dropout of hidden states while training.
    #[serde(default = "default_dropout")]
    pub hidden_dropout_prob: f64,
    /// Dropout of attention probabilities while training.
    #[serde(default = "default_dropout")]
    pub attention_probs_dropout_prob: f64,
    /// Added under the root of the norms.
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f64,
    /// Positions; only `absolute`.
    #[serde(default = "default_positions")]
    pub position_embedding_type: String,
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

impl BertConfig {
    /// Reads `config.json` of `folder`.
    pub fn from_folder(folder: &FilePath) -> Result<Self> {
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
        if config.hidden_size % config.num_attention_heads != 0 {
            let expected = format!("a divisor of hidden_size = {}", config.hidden_size);
            return Err(ModelError::config(
                &path,
                "num_attention_heads",
                expected,
                config.num_attention_heads,
            ));
        }
        if config.hidden_act != "gelu" {
            return Err(ModelError::config(
                &path,
                "hidden_act",
                "gelu",
                &config.hidden_act,
            ));
        }
        if config.position_embedding_type != "absolute" {
            let found = &config.position_embedding_type;
            return Err(ModelError::config(
                &path,
                "position_embedding_type",
                "absolute",
                found,
            ));
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

    /// Scalars in the tables and matrices.
    fn parameters(&self) -> i128 {
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
}

/// A BERT encoder under the root of a checkpoint: `embeddings.*` and `encoder.layer.*`.
#[derive(Debug)]
pub struct BertEncoder {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    dropout: f64,
    kind: Kind,
}

#[derive(Debug)]
struct Layer {
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

/// Standard deviation of BERT's initial weights.
const STD: f64 = 0.02;

impl Layer {
    fn new(p: &Path<'_>, config: &BertConfig) -> Self {
        let (dim, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let own = p / "attention" / "self";
        let output = p / "attention" / "output";
        Self {
            query: Linear::normal(&(&own / "query"), dim, dim, STD),
            key: Linear::normal(&(&own / "key"), dim, dim, STD),
            value: Linear::normal(&(&own / "value"), dim, dim, STD),
            output: Linear::normal(&(&output / "dense"), dim, dim, STD),
            attention_norm: LayerNorm::new(&(&output / "LayerNorm"), dim, eps),
            up: Linear::normal(&(p / "intermediate" / "dense"), dim, inner, STD),
            down: Linear::normal(&(p / "output" / "dense"), inner, dim, STD),
            norm: LayerNorm::new(&(p / "output" / "LayerNorm"), dim, eps),
            heads: config.num_attention_heads,
            attention_dropout: config.attention_probs_dropout_prob,
            dropout: config.hidden_dropout_prob,
        }
    }

    fn cast(&self, kind: Kind) -> Self {
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

    fn forward(&self, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor {
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

impl BertEncoder {
    /// Under `p`, the root of a checkpoint, freshly initialised as the reference does.
    pub fn new(p: &Path<'_>, config: &BertConfig, precision: Precision) -> Self {
        let (dim, e) = (config.hidden_size, p / "embeddings");
        Self {
            words: Embedding::new(&(&e / "word_embeddings"), config.vocab_size, dim, STD),
            positions: Embedding::new(
                &(&e / "position_embeddings"),
                config.max_position_embeddings,
                dim,
                STD,
            ),
            types: Embedding::new(
                &(&e / "token_type_embeddings"),
                config.type_vocab_size,
                dim,
                STD,
            ),
            norm: LayerNorm::new(&(&e / "LayerNorm"), dim, config.layer_norm_eps),
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(&(p / "encoder" / "layer" / i), config))
                .collect(),
            dropout: config.hidden_dropout_prob,
            kind: precision.kind(),
        }
    }

    /// The same encoder with weights cast once, for repeated use without gradients.
    pub(crate) fn cast(&self) -> Self {
        Self {
            words: self.words.share(),
            positions: self.positions.share(),
            types: self.types.share(),
            norm: self.norm.share(),
            layers: self.layers.iter().map(|l| l.cast(self.kind)).collect(),
            ..*self
        }
    }
}

impl TextEncoder for BertEncoder {
    fn embed(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
    ) -> (Tensor, Tensor) {
        // padding may reach beyond the last position there is
        let last = self.positions.weight().size()[0] - 1;
        let places =
            Tensor::arange(tokens.size()[1], (Kind::Int64, tokens.device())).clamp_max(last);
        let positions = self.positions.weight().index_select(0, &places);
        let embedded = self.words.forward(tokens) + positions + self.types.weight().get(0);
        let embedded = match segments {
            Some(segments) => embedded + segments,
            None => embedded,
        };
        let hidden = dropout(self.norm.forward(&embedded), self.dropout, train).to_kind(self.kind);
        (hidden, key_mask(mask, self.kind))
    }

    fn layer(&self, at: usize, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor {
        self.layers[at].forward(hidden, bias, train)
    }

    fn finish(&self, hidden: Tensor, _train: bool) -> Tensor {
        hidden
    }

    fn dim(&self) -> i64 {
        self.words.weight().size()[1]
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn vocabulary(&self) -> i64 {
        self.words.weight().size()[0]
    }

    fn max_positions(&self) -> Option<i64> {
        Some(self.positions.weight().size()[0])
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}
