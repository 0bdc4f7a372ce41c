//! RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): the layers of BERT under the same names, with positions that count from
//! behind the padding token's id, as in fairseq. Parameters carry the names of the Hub's checkpoints, without the prefix `roberta.`.

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use serde::Deserialize;
use tch::nn::Path;
use tch::{Kind, Tensor};

use super::bert::NAMES;
use super::{Architecture, Backbone, Tensors, without_prefix};
use crate::encoder::{Shape, TextEncoder};
use crate::error::{ModelError, Result};
use crate::layers::{Embedding, LayerNorm, dropout, key_mask};
use crate::post_norm::{
    PostNormConfig, PostNormLayer, STD, check_padding, positions_behind_padding,
};
use crate::precision::Precision;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    model_types: &["roberta", "xlm-roberta"],
    read: |folder, model_type| Ok(Box::new(Roberta::from_folder(folder, model_type)?)),
};

#[derive(Debug)]
struct Roberta {
    model_type: &'static str,
    config: PostNormConfig,
    /// Id of padding, before the first row of the table of positions that a token has.
    padding: i64,
}

impl Roberta {
    fn from_folder(folder: &FilePath, model_type: &'static str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Padding {
            #[serde(default = "one")]
            pad_token_id: i64,
        }
        fn one() -> i64 {
            1
        }
        let config = PostNormConfig::from_folder(folder)?;
        let path = folder.join("config.json");
        let padding = ModelError::read_json::<Padding>(&path)?.pad_token_id;
        check_padding(&path, &config, padding)?;
        Ok(Self {
            model_type,
            config,
            padding,
        })
    }
}

impl Backbone for Roberta {
    fn model_type(&self) -> &'static str {
        self.model_type
    }

    fn shape(&self) -> Shape {
        let rows = self.config.max_position_embeddings;
        self.config.shape(rows - self.padding - 1)
    }

    fn parameters(&self) -> i128 {
        self.config.parameters()
    }

    fn set_dropout(&mut self, p: f64) {
        self.config.set_dropout(p);
    }

    fn encoder(&self, root: &Path<'_>, precision: Precision) -> Box<dyn TextEncoder> {
        Box::new(RobertaEncoder::new(root, self, precision))
    }

    fn rename(&self, tensors: Tensors) -> Tensors {
        without_prefix(tensors, "roberta.")
    }

    fn is_redundant(&self, name: &str, _model: &BTreeSet<String>) -> bool {
        name == "embeddings.position_ids"
            || ["pooler.", "lm_head.", "classifier."]
                .iter()
                .any(|head| name.starts_with(head))
    }
}

/// Under the root of a checkpoint: `embeddings.*` and `encoder.layer.*`.
#[derive(Debug)]
struct RobertaEncoder {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    shape: Shape,
    padding: i64,
    dropout: f64,
    kind: Kind,
}

impl RobertaEncoder {
    fn new(p: &Path<'_>, roberta: &Roberta, precision: Precision) -> Self {
        let (config, e) = (&roberta.config, p / "embeddings");
        let (dim, eps) = (config.hidden_size, config.layer_norm_eps);
        let table = |name: &str, rows: i64| Embedding::new(&(&e / name), rows, dim, STD);
        Self {
            words: table("word_embeddings", config.vocab_size),
            positions: table("position_embeddings", config.max_position_embeddings),
            types: table("token_type_embeddings", config.type_vocab_size),
            norm: LayerNorm::new(&(&e / "LayerNorm"), dim, eps),
            layers: (0..config.num_hidden_layers)
                .map(|i| PostNormLayer::new(&(p / "encoder" / "layer" / i), NAMES, config))
                .collect(),
            shape: roberta.shape(),
            padding: roberta.padding,
            dropout: config.hidden_dropout_prob,
            kind: precision.kind(),
        }
    }
}

impl TextEncoder for RobertaEncoder {
    fn embed(
        &self,
        tokens: &Tensor,
        mask: &Tensor,
        segments: Option<&Tensor>,
        train: bool,
    ) -> (Tensor, Tensor) {
        let places = positions_behind_padding(tokens, mask, self.padding);
        let embedded = self.words.forward(tokens)
            + self.positions.forward(&places)
            + self.types.weight().get(0);
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
