//! The pretrained text models (paper, section 3.3), one file each in `backbones/`, found by the `model_type` that `config.json` of a
//! checkpoint names.
//!
//! A [`Backbone`] is what that file says, read and checked: it knows the sizes, what the tensors of a checkpoint are called, and how
//! to build the encoder `[batch, time]` to `[batch, time, dim]` that owns its embeddings, blocks and cast ([`TextEncoder`]). Training,
//! predicting, the sentence encoder and the estimates of memory see these two traits and nothing else. The decoder of its own that a
//! backbone may have comes as a [`Head`], from [`Backbone::own_decoder`] alone: there is no other way to pair the two.
//!
//! # A further backbone
//!
//! is one further file in `backbones/` (the build script makes a module and an entry of the registry of each; `rustfmt` is told of them
//! by `cargo xtask ci`, since no source names them). It has
//!
//! - `ARCHITECTURE`, with the values of `model_type` it reads and the function that reads a folder;
//! - a struct of the configuration, which implements [`Backbone`];
//! - the encoder, which implements [`TextEncoder`].
//!
//! `backbones/roberta.rs` is an example, `tests/golden_roberta.rs` with its line in `data/golden/generate.py` the test that holds it to
//! transformers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path as FilePath;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::Tensor;
use tch::nn::Path;
use unimse_labels::Grammar;

use crate::encoder::{Shape, TextEncoder};
use crate::error::{ModelError, Result};
use crate::fusion::Fusion;
use crate::head::Head;
use crate::parameters;
use crate::precision::Precision;
use crate::tokenizer::Tokenizer;

include!(concat!(env!("OUT_DIR"), "/backbones.rs"));

/// An entry of the registry.
struct Architecture {
    /// The values of `model_type` that it reads.
    model_types: &'static [&'static str],
    /// Reads and checks `config.json` of a folder, which is of that `model_type`.
    read: fn(&FilePath, &'static str) -> Result<Box<dyn Backbone>>,
}

/// The tensors of a checkpoint by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// A pretrained text model as the `config.json` of its checkpoint describes it. Nothing is built yet.
pub trait Backbone: fmt::Debug + Send {
    /// The `model_type` it was found by.
    fn model_type(&self) -> &'static str;

    /// Sizes of the encoder.
    fn shape(&self) -> Shape;

    /// Numbers in the tables and matrices, those of the decoder of its own among them.
    fn parameters(&self) -> i128;

    /// Dropout of what will be built, in place of the checkpoint's own: a probability below 1.
    fn set_dropout(&mut self, p: f64);

    /// The encoder alone, its parameters under `root` by the names of the Hub's checkpoints, drawn as the reference draws them.
    fn encoder(&self, root: &Path<'_>, precision: Precision) -> Box<dyn TextEncoder>;

    /// How to build it with the decoder of its own; `None`, the default, where the architecture has none.
    fn own_decoder(&self) -> Option<&dyn OwnDecoder> {
        None
    }

    /// The tensors of a checkpoint under the names that the parameters have here: prefixes and older names go.
    fn rename(&self, tensors: Tensors) -> Tensors;

    /// Whether a tensor of a checkpoint, called `name` after [`Backbone::rename`], adds nothing to a model with the parameters
    /// `model`: a copy, a head of another task, the decoder beside an encoder alone.
    fn is_redundant(&self, name: &str, model: &BTreeSet<String>) -> bool;

    /// Stack and number, from 0, of the block that the parameter `name` lies in, `None` outside all of them. By default
    /// `encoder.layer.3...` and `encoder.block.3...` lie in block 3 of `encoder`.
    fn block<'n>(&self, name: &'n str) -> Option<(&'n str, usize)> {
        parameters::block(name)
    }
}

/// A backbone that has a decoder.
pub trait OwnDecoder {
    /// Number of its blocks.
    fn layers(&self) -> usize;

    /// Encoder, and the head that writes the labels of `grammar` as text with the checkpoint's decoder; parameters as in
    /// [`Backbone::encoder`]. The last blocks of the decoder are fused, as many as there are `fusions`, at most [`OwnDecoder::layers`].
    ///
    /// # Errors
    /// The tokenizer cannot tell two labels apart.
    fn build(
        &self,
        root: &Path<'_>,
        grammar: &Grammar,
        tokenizer: Tokenizer,
        fusions: Vec<Fusion>,
        precision: Precision,
    ) -> Result<(Box<dyn TextEncoder>, Box<dyn Head>)>;
}

/// Which backbone `model.backbone` asks for: `"auto"`, or a `model_type` of [`model_types`], which the checkpoint must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackboneChoice {
    /// The one that `config.json` of the checkpoint names. The default.
    #[default]
    Auto,
    /// This `model_type`.
    Named(&'static str),
}

impl FromStr for BackboneChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = match text {
            "auto" => return Ok(Self::Auto),
            // what configurations said before there was a choice of model types
            "minilm" => "bert",
            name => name,
        };
        let known = model_types();
        match known.iter().find(|known| **known == name) {
            Some(known) => Ok(Self::Named(known)),
            None => Err(format!("expected auto, {}, found {text}", known.join(", "))),
        }
    }
}

impl Serialize for BackboneChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Auto => "auto",
            Self::Named(model_type) => model_type,
        })
    }
}

impl<'de> Deserialize<'de> for BackboneChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Every `model_type` there is a backbone for, sorted.
pub fn model_types() -> Vec<&'static str> {
    let all = ARCHITECTURES.iter().flat_map(|a| a.model_types);
    let mut all: Vec<&str> = all.copied().collect();
    all.sort_unstable();
    all
}

/// The backbone that the checkpoint in `folder` holds, its `config.json` read and checked.
///
/// # Errors
/// A `model_type` that is none of [`model_types`], or another one than `choice`; a value that no model can be built from. A file without
/// `model_type` is read as what `choice` names.
pub fn open(folder: &FilePath, choice: BackboneChoice) -> Result<Box<dyn Backbone>> {
    #[derive(Deserialize)]
    struct File {
        model_type: Option<String>,
    }
    let path = folder.join("config.json");
    let found = ModelError::read_json::<File>(&path)?.model_type;
    let fail = |expected: String| {
        let found = found
            .as_ref()
            .map_or("nothing".to_owned(), |f| format!("{f:?}"));
        ModelError::config(&path, "model_type", expected, found)
    };
    let name = match (choice, found.as_deref()) {
        (BackboneChoice::Named(named), None) => named,
        (BackboneChoice::Named(named), Some(found)) if named != found => {
            return Err(fail(format!("{named:?}, as model.backbone says")));
        }
        (_, found) => found.unwrap_or_default(),
    };
    for architecture in ARCHITECTURES {
        if let Some(known) = architecture
            .model_types
            .iter()
            .find(|known| **known == name)
        {
            return (architecture.read)(folder, known);
        }
    }
    Err(fail(format!("one of {}", model_types().join(", "))))
}

/// `tensors` without the prefix `prefix` where names have it, as checkpoints of models with a head on top do.
fn without_prefix(tensors: Tensors, prefix: &str) -> Tensors {
    let strip = |name: String| name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name);
    tensors
        .into_iter()
        .map(|(name, tensor)| (strip(name), tensor))
        .collect()
}
