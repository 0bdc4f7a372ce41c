//! BERT (Devlin et al. 2019), all-MiniLM-L6-v2 among its checkpoints; ours in place of the T5 of the paper (section 3.3). Parameters
//! carry the names of the Hub's checkpoints, without the prefix `bert.` that some have.

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{Architecture, Backbone, Tensors, without_prefix};
use crate::encoder::{Shape, TextEncoder};
use crate::layers::{Embedding, LayerNorm, dropout, key_mask};
use crate::post_norm::{AttentionNames, PostNormConfig, PostNormLayer, STD};
use crate::precision::Precision;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    model_types: &["bert"],
    read: |folder: &FilePath, _| Ok(Box::new(Bert(PostNormConfig::from_folder(folder)?))),
};

/// What BERT and RoBERTa call the parts of their attention.
pub(super) const NAMES: AttentionNames = AttentionNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    norm: "attention.output.LayerNorm",
};

#[derive(Debug)]
struct Bert(PostNormConfig);

impl Backbone for Bert {
    fn model_type(&self) -> &'static str {
        "bert"
    }

    fn shape(&self) -> Shape {
        self.0.shape(self.0.max_position_embeddings)
    }

    fn parameters(&self) -> i128 {
        self.0.parameters()
    }

    fn set_dropout(&mut self, p: f64) {
        self.0.set_dropout(p);
    }

    fn encoder(&self, root: &Path<'_>, precision: Precision) -> Box<dyn TextEncoder> {
        Box::new(BertEncoder::new(root, self, precision))
    }

    fn rename(&self, tensors: Tensors) -> Tensors {
        // Checkpoints converted from the first release say gamma and beta.
        let modern = |name: String| {
            let name = name.replace("LayerNorm.gamma", "LayerNorm.weight");
            name.replace("LayerNorm.beta", "LayerNorm.bias")
        };
        without_prefix(tensors, "bert.")
            .into_iter()
            .map(|(name, tensor)| (modern(name), tensor))
            .collect()
    }

    fn is_redundant(&self, name: &str, _model: &BTreeSet<String>) -> bool {
        name == "embeddings.position_ids"
            || ["pooler.", "cls."]
                .iter()
                .any(|head| name.starts_with(head))
    }
}

/// Under the root of a checkpoint: `embeddings.*` and `encoder.layer.*`.
#[derive(Debug)]
struct BertEncoder {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    shape: Shape,
    dropout: f64,
    kind: Kind,
}

impl BertEncoder {
    fn new(p: &Path<'_>, bert: &Bert, precision: Precision) -> Self {
        let (config, e) = (&bert.0, p / "embeddings");
        let table =
            |name: &str, rows: i64| Embedding::new(&(&e / name), rows, config.hidden_size, STD);
        Self {
            words: table("word_embeddings", config.vocab_size),
            positions: table("position_embeddings", config.max_position_embeddings),
            types: table("token_type_embeddings", config.type_vocab_size),
            norm: LayerNorm::new(
                &(&e / "LayerNorm"),
                config.hidden_size,
                config.layer_norm_eps,
            ),
            layers: (0..config.num_hidden_layers)
                .map(|i| PostNormLayer::new(&(p / "encoder" / "layer" / i), NAMES, config))
                .collect(),
            shape: bert.shape(),
            dropout: config.hidden_dropout_prob,
            kind: precision.kind(),
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
            types: self.types.share(),
            norm: self.norm.share(),
            layers: self.layers.iter().map(|l| l.cast(self.kind)).collect(),
            ..*self
        })
    }
}
