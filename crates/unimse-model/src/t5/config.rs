//! `config.json` of a T5 checkpoint.

use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::{check_size, tensor_shapes};
use crate::error::{ModelError, Result};

/// The fields of `config.json` the model needs; names and defaults are the Hub's.
#[derive(Debug, Clone, Deserialize)]
pub struct T5Config {
    /// Number of token ids.
    pub vocab_size: i64,
    /// Width of the hidden states.
    pub d_model: i64,
    /// Width of one attention head.
    pub d_kv: i64,
    /// Inner width of the feed-forward layers.
    pub d_ff: i64,
    /// Encoder layers.
    pub num_layers: usize,
    /// Decoder layers; as many as the encoder has where absent.
    #[serde(default)]
    num_decoder_layers: Option<usize>,
    /// Attention heads.
    pub num_heads: i64,
    /// Buckets of the relative position.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: i64,
    /// Distance from which positions share the last bucket.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: i64,
    /// Dropout while training.
    #[serde(default = "default_dropout")]
    pub dropout_rate: f64,
    /// Added under the root of the norms.
    #[serde(default = "default_eps")]
    pub layer_norm_epsilon: f64,
    /// Feed-forward of v1.0 or v1.1.
    #[serde(default)]
    pub feed_forward_proj: FeedForwardKind,
    /// Whether the output head is the embedding table (v1.0). [`T5Config::from_folder`] also says false where the file says
    /// true, says `scale_decoder_outputs: false` and has a head beside it: so does transformers 5 write v1.1.
    #[serde(default = "default_tied")]
    pub tie_word_embeddings: bool,
    /// Whether hidden states are scaled before the head; where absent, as of transformers 4, with a tied head only.
    #[serde(default)]
    scale_decoder_outputs: Option<bool>,
    /// Id of padding.
    #[serde(default)]
    pub pad_token_id: i64,
    /// Id of `</s>`.
    #[serde(default = "default_eos")]
    pub eos_token_id: i64,
    /// First input of the decoder; padding where absent.
    #[serde(default)]
    decoder_start_token_id: Option<i64>,
    /// What transformers makes of `feed_forward_proj` and writes beside it; there it has the last word.
    #[serde(default)]
    dense_act_fn: Option<String>,
    /// As `dense_act_fn`.
    #[serde(default)]
    is_gated_act: Option<bool>,
}

/// Feed-forward of a T5 layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum FeedForwardKind {
    /// v1.0: `wo(relu(wi x))`.
    #[default]
    #[serde(rename = "relu")]
    Relu,
    /// v1.1: `wo(gelu(wi_0 x) * wi_1 x)`, the tanh form of gelu.
    #[serde(rename = "gated-gelu")]
    GatedGelu,
}

fn default_buckets() -> i64 {
    32
}
fn default_distance() -> i64 {
    128
}
fn default_dropout() -> f64 {
    0.1
}
fn default_eps() -> f64 {
    1e-6
}
fn default_tied() -> bool {
    true
}
fn default_eos() -> i64 {
    1
}

impl T5Config {
    /// Reads `config.json` of `folder`.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let mut config: Self = ModelError::read_json(&path)?;
        let positive = [
            ("vocab_size", config.vocab_size),
            ("d_model", config.d_model),
            ("d_kv", config.d_kv),
            ("d_ff", config.d_ff),
            ("num_layers", config.num_layers as i64),
            ("num_decoder_layers", config.decoder_layers() as i64),
            ("num_heads", config.num_heads),
        ];
        // Below four a direction of the encoder has no exact bucket left, and the logarithm no base.
        let buckets = config.relative_attention_num_buckets;
        let least = positive.map(|(field, value)| (field, value, 1));
        let least = least
            .into_iter()
            .chain([("relative_attention_num_buckets", buckets, 4)]);
        for (field, value, least) in least {
            if value < least || value > i64::from(i32::MAX) {
                let expected = format!("a number from {least} to {}", i32::MAX);
                return Err(ModelError::config(&path, field, expected, value));
            }
        }
        config.check_activation(&path)?;
        check_size(&path, |decoder| config.numbers(decoder))?;
        if config.relative_attention_max_distance <= config.relative_attention_num_buckets / 2 {
            return Err(ModelError::config(
                &path,
                "relative_attention_max_distance",
                "more than half the buckets",
                config.relative_attention_max_distance,
            ));
        }
        if !(0.0..1.0).contains(&config.dropout_rate) {
            return Err(ModelError::config(
                &path,
                "dropout_rate",
                "0 to below 1",
                config.dropout_rate,
            ));
        }
        for (field, id) in [
            ("pad_token_id", config.pad_token_id),
            ("eos_token_id", config.eos_token_id),
            ("decoder_start_token_id", config.start_token()),
        ] {
            if !(0..config.vocab_size).contains(&id) {
                return Err(ModelError::config(
                    &path,
                    field,
                    format!("an id below {}", config.vocab_size),
                    id,
                ));
            }
        }
        // A checkpoint without weights is for a model that draws its own; a broken one says so when it is loaded.
        if config.scale_decoder_outputs == Some(false)
            && tensor_shapes(folder).is_ok_and(|shapes| shapes.contains_key("lm_head.weight"))
        {
            config.tie_word_embeddings = false;
        }
        Ok(config)
    }

    /// A small decoder of our own over `vocabulary` labels, on hidden states of width `dim` from another encoder.
    pub fn label_decoder(
        vocabulary: i64,
        dim: i64,
        heads: i64,
        layers: usize,
        feed_forward: i64,
        dropout: f64,
    ) -> Self {
        Self {
            vocab_size: vocabulary,
            d_model: dim,
            d_kv: dim / heads,
            d_ff: feed_forward,
            num_layers: layers,
            num_decoder_layers: None,
            num_heads: heads,
            relative_attention_num_buckets: default_buckets(),
            relative_attention_max_distance: default_distance(),
            dropout_rate: dropout,
            layer_norm_epsilon: default_eps(),
            feed_forward_proj: FeedForwardKind::Relu,
            tie_word_embeddings: false,
            scale_decoder_outputs: Some(false),
            pad_token_id: 0,
            eos_token_id: default_eos(),
            decoder_start_token_id: None,
            dense_act_fn: None,
            is_gated_act: None,
        }
    }

    /// Refuses what contradicts `feed_forward_proj`.
    fn check_activation(&self, path: &Path) -> Result<()> {
        let (function, gated) = match self.feed_forward_proj {
            FeedForwardKind::Relu => ("relu", false),
            FeedForwardKind::GatedGelu => ("gelu_new", true),
        };
        let fail = |field, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
            let expected = format!("{expected}, which goes with feed_forward_proj");
            Err(ModelError::config(path, field, expected, found))
        };
        match (&self.dense_act_fn, self.is_gated_act) {
            (Some(found), _) if found != function => fail("dense_act_fn", &function, found),
            (_, Some(found)) if found != gated => fail("is_gated_act", &gated, &found),
            _ => Ok(()),
        }
    }

    /// Scalars in the embeddings and matrices, with `decoder` in those of all blocks.
    pub(crate) fn numbers(&self, decoder: bool) -> i128 {
        let [vocabulary, dim, inner, heads, buckets] = [
            self.vocab_size,
            self.d_model,
            self.d_ff,
            self.num_heads,
            self.relative_attention_num_buckets,
        ]
        .map(i128::from);
        let projection = dim * heads * i128::from(self.d_kv);
        let feed_forward = match self.feed_forward_proj {
            FeedForwardKind::Relu => 2 * dim * inner,
            FeedForwardKind::GatedGelu => 3 * dim * inner,
        };
        let blocks = |layers: usize, attentions: i128| {
            (layers as i128).saturating_mul(attentions * 4 * projection + feed_forward)
        };
        let table = vocabulary * dim + buckets * heads;
        let encoder = table.saturating_add(blocks(self.num_layers, 1));
        match decoder {
            true => encoder.saturating_add(blocks(self.decoder_layers(), 2)),
            false => encoder,
        }
    }

    /// Decoder layers.
    pub fn decoder_layers(&self) -> usize {
        self.num_decoder_layers.unwrap_or(self.num_layers)
    }

    /// Factor of the last hidden state before the output head: `d_model^-0.5` in v1.0, 1 in v1.1.
    pub fn output_scale(&self) -> f64 {
        if self
            .scale_decoder_outputs
            .unwrap_or(self.tie_word_embeddings)
        {
            (self.d_model as f64).powf(-0.5)
        } else {
            1.0
        }
    }

    /// First input of the decoder.
    pub fn start_token(&self) -> i64 {
        self.decoder_start_token_id.unwrap_or(self.pad_token_id)
    }
}
