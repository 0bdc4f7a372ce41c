//! T5 (Raffel et al. 2020), the backbone of the paper (section 3.3), the one with a decoder of its own; its layers are [`crate::t5`].

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use tch::nn::Path;
use unimse_labels::Grammar;

use super::{Architecture, Backbone, OwnDecoder, Tensors};
use crate::encoder::{Shape, TextEncoder};
use crate::error::Result;
use crate::fusion::Fusion;
use crate::head::Head;
use crate::layers::Embedding;
use crate::precision::Precision;
use crate::t5::{T5, T5Config, T5Encoder};
use crate::text_decoder::{TextDecoder, TextHead};
use crate::tokenizer::Tokenizer;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    model_types: &["t5"],
    read: |folder: &FilePath, _| Ok(Box::new(T5Config::from_folder(folder)?)),
};

/// The table that encoder and decoder share, and the copy of it that some checkpoints have in its place.
const SHARED: (&str, &str) = ("shared.weight", "encoder.embed_tokens.weight");

impl Backbone for T5Config {
    fn model_type(&self) -> &'static str {
        "t5"
    }

    fn shape(&self) -> Shape {
        Shape {
            dim: self.d_model,
            layers: self.num_layers,
            vocabulary: self.vocab_size,
            max_positions: None,
        }
    }

    fn parameters(&self) -> i128 {
        self.numbers(true)
    }

    fn set_dropout(&mut self, p: f64) {
        self.dropout_rate = p;
    }

    fn encoder(&self, root: &Path<'_>, precision: Precision) -> Box<dyn TextEncoder> {
        let shared = Embedding::new(&(root / "shared"), self.vocab_size, self.d_model, 1.0);
        Box::new(T5Encoder::new(&(root / "encoder"), self, shared, precision))
    }

    fn own_decoder(&self) -> Option<&dyn OwnDecoder> {
        Some(self)
    }

    fn rename(&self, mut tensors: Tensors) -> Tensors {
        let (shared, copy) = SHARED;
        if !tensors.contains_key(shared)
            && let Some(table) = tensors.remove(copy)
        {
            tensors.insert(shared.to_owned(), table);
        }
        tensors
    }

    fn is_redundant(&self, name: &str, model: &BTreeSet<String>) -> bool {
        let has_decoder = model.iter().any(|m| m.starts_with("decoder.block."));
        matches!(
            name,
            "encoder.embed_tokens.weight"
                | "decoder.embed_tokens.weight"
                | "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
                | "lm_head.weight"
        ) || (!has_decoder && name.starts_with("decoder."))
    }
}

impl OwnDecoder for T5Config {
    fn layers(&self) -> usize {
        self.decoder_layers()
    }

    fn build(
        &self,
        root: &Path<'_>,
        grammar: &Grammar,
        tokenizer: Tokenizer,
        fusions: Vec<Fusion>,
        precision: Precision,
    ) -> Result<(Box<dyn TextEncoder>, Box<dyn Head>)> {
        let labels = TextDecoder::new(grammar, tokenizer, self)?;
        let t5 = T5::new(root, self, precision);
        let head = TextHead::new(labels, t5.decoder.with_fusions(fusions));
        Ok((Box::new(t5.encoder), Box::new(head)))
    }
}
