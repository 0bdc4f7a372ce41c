//! MPNet (Song et al. 2020), all-mpnet-base-v2 among its checkpoints: the layers of BERT, positions that count from behind the padding
//! token's id, one learned bias of attention scores by distance for all layers, and no token types. Parameters carry the names of the
//! Hub's checkpoints, without the prefix `mpnet.`.

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use serde::Deserialize;
use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{Architecture, Backbone, Tensors, without_prefix};
use crate::encoder::{Shape, TextEncoder};
use crate::error::{ModelError, Result};
use crate::layers::{Embedding, LayerNorm, dropout, key_mask};
use crate::post_norm::{
    AttentionNames, PostNormConfig, PostNormLayer, STD, check_padding, positions_behind_padding,
};
use crate::precision::Precision;
use crate::relative_bias::{Buckets, RelativeBias};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    model_types: &["mpnet"],
    read: |folder, _| Ok(Box::new(Mpnet::from_folder(folder)?)),
};

const NAMES: AttentionNames = AttentionNames {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    output: "attention.attn.o",
    norm: "attention.LayerNorm",
};

/// Id of padding; the reference has no other, whatever the configuration says.
const PADDING: i64 = 1;

/// The distances that the reference tells apart, whatever the configuration says.
const BUCKETS: Buckets = Buckets {
    count: 32,
    max_distance: 128,
    bidirectional: true,
};

#[derive(Debug)]
struct Mpnet(PostNormConfig);

impl Mpnet {
    fn from_folder(folder: &FilePath) -> Result<Self> {
        #[derive(Deserialize)]
        struct Relative {
            relative_attention_num_buckets: Option<i64>,
        }
        let config = PostNormConfig::from_folder(folder)?;
        let path = folder.join("config.json");
        let found = ModelError::read_json::<Relative>(&path)?.relative_attention_num_buckets;
        if let Some(found) = found.filter(|&found| found != BUCKETS.count) {
            let field = "relative_attention_num_buckets";
            return Err(ModelError::config(&path, field, BUCKETS.count, found));
        }
        check_padding(&path, &config, PADDING)?;
        Ok(Self(config))
    }
}

impl Backbone for Mpnet {
    fn model_type(&self) -> &'static str {
        "mpnet"
    }

    fn shape(&self) -> Shape {
        let rows = self.0.max_position_embeddings;
        self.0.shape(rows - PADDING - 1)
    }

    fn parameters(&self) -> i128 {
        self.0.parameters()
    }

    fn set_dropout(&mut self, p: f64) {
        self.0.set_dropout(p);
    }

    fn encoder(&self, root: &Path<'_>, precision: Precision) -> Box<dyn TextEncoder> {
        Box::new(MpnetEncoder::new(root, self, precision))
    }

    fn rename(&self, tensors: Tensors) -> Tensors {
        without_prefix(tensors, "mpnet.")
    }

    fn is_redundant(&self, name: &str, _model: &BTreeSet<String>) -> bool {
        name == "embeddings.position_ids"
            || ["pooler.", "lm_head.", "classifier."]
                .iter()
                .any(|head| name.starts_with(head))
    }
}

/// Under the root of a checkpoint: `embeddings.*`, `encoder.layer.*` and `encoder.relative_attention_bias`.
#[derive(Debug)]
struct MpnetEncoder {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    bias: RelativeBias,
    shape: Shape,
    dropout: f64,
    kind: Kind,
}

impl MpnetEncoder {
    fn new(p: &Path<'_>, mpnet: &Mpnet, precision: Precision) -> Self {
        let (config, e, stack) = (&mpnet.0, p / "embeddings", p / "encoder");
        let (dim, eps) = (config.hidden_size, config.layer_norm_eps);
        let table = |name: &str, rows: i64| Embedding::new(&(&e / name), rows, dim, STD);
        Self {
            words: table("word_embeddings", config.vocab_size),
            positions: table("position_embeddings", config.max_position_embeddings),
            norm: LayerNorm::new(&(&e / "LayerNorm"), dim, eps),
            layers: (0..config.num_hidden_layers)
                .map(|i| PostNormLayer::new(&(&stack / "layer" / i), NAMES, config))
                .collect(),
            bias: RelativeBias::new(
                &(&stack / "relative_attention_bias"),
                BUCKETS,
                config.num_attention_heads,
                STD,
            ),
            shape: mpnet.shape(),
            dropout: config.hidden_dropout_prob,
            kind: precision.kind(),
        }
    }
}

impl TextEncoder for MpnetEncoder {
    fn embed(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
    ) -> (Tensor, Tensor) {
        let places = positions_behind_padding(tokens, mask, PADDING);
        let embedded = self.words.forward(tokens) + self.positions.forward(&places);
        let embedded = match segments {
            Some(segments) => embedded + segments,
            None => embedded,
        };
        let hidden = dropout(self.norm.forward(&embedded), self.dropout, train).to_kind(self.kind);
        // Distances are those of columns, padding among them.
        let columns = Tensor::arange(tokens.size()[1], (Kind::Int64, tokens.device())).unsqueeze(0);
        let bias = self.bias.forward(&columns, &columns).to_kind(self.kind);
        (hidden, bias + key_mask(mask, self.kind))
    }

    fn layer(&self, at: usize, hidden: &Tensor, bias: &Tensor, train: bool) -> Tensor {
        self.layers[at].forward(hidden, bias, train)
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn cast(&self) -> Box<dyn TextEncoder> {
        Box::new(Self {
            words: self.words.share(),
            positions: self.positions.share(),
            norm: self.norm.share(),
            layers: self.layers.iter().map(|l| l.cast(self.kind)).collect(),
            bias: self.bias.share(),
            ..*self
        })
    }
}
