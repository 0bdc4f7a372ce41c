//! What a configuration asks of a pretrained checkpoint: its backbone, and the decoder of its own where that writes the labels.

use std::path::Path;

use unimse_labels::Grammar;

use crate::backbones::{self, Backbone};
use crate::config::{Decoder, ModelConfig};
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::fusion::Fusion;
use crate::head::Head;
use crate::precision::Precision;
use crate::tokenizer::Tokenizer;

/// The backbone that the checkpoint in `folder` holds, for a model of `config`; nothing is built yet.
///
/// # Errors
/// As [`backbones::open`], and a `model.decoder` that the backbone does not have, or `fusion.decoder_layers` that the decoder does not have.
pub fn backbone(config: &ModelConfig, folder: &Path) -> Result<Box<dyn Backbone>> {
    let mut backbone = backbones::open(folder, config.model.backbone)?;
    if config.model.decoder == Decoder::T5 && backbone.own_decoder().is_none() {
        return Err(no_decoder(&*backbone, folder));
    }
    check_fused_blocks(config, &*backbone, folder)?;
    backbone.set_dropout(config.model.dropout.get());
    Ok(backbone)
}

/// What to say where the decoder of its own is asked of a backbone without one.
fn no_decoder(backbone: &dyn Backbone, folder: &Path) -> ModelError {
    ModelError::Input(format!(
        "model.decoder: expected \"label\", for the {} in {} has no decoder of its own, found \"t5\"",
        backbone.model_type(),
        folder.display()
    ))
}

/// Refuses a `config` that asks for more fused blocks of a decoder than there are.
fn check_fused_blocks(config: &ModelConfig, backbone: &dyn Backbone, folder: &Path) -> Result<()> {
    let found = config.fusion.decoder_layers.get();
    let expected = match (config.model.decoder, backbone.own_decoder()) {
        (Decoder::T5, Some(own)) if found > own.layers() => {
            let folder = folder.display();
            format!("at most the {} decoder blocks of {folder}", own.layers())
        }
        (Decoder::Label, _) if found > 0 => {
            "0 with model.decoder = \"label\", whose blocks are not pretrained".to_owned()
        }
        _ => return Ok(()),
    };
    Err(ModelError::Input(format!(
        "fusion.decoder_layers: expected {expected}, found {found}"
    )))
}

/// The encoder, and the head on the backbone's own decoder where there is one.
pub(super) type Pretrained = (Box<dyn TextEncoder>, Option<Box<dyn Head>>);

/// What `config` asks of `backbone`; `fusion` makes the fusion of the decoder block of that number.
pub(super) fn pretrained(
    backbone: &dyn Backbone,
    config: &ModelConfig,
    grammar: &Grammar,
    folder: &Path,
    (root, fusion): (&tch::nn::Path<'_>, &dyn Fn(usize) -> Fusion),
    precision: Precision,
) -> Result<Pretrained> {
    match config.model.decoder {
        Decoder::Label => Ok((backbone.encoder(root, precision), None)),
        Decoder::T5 => {
            let own = backbone.own_decoder();
            let own = own.ok_or_else(|| no_decoder(backbone, folder))?;
            let tokenizer = Tokenizer::from_folder(folder)?;
            tokenizer.check_vocabulary(backbone.shape().vocabulary)?;
            let (blocks, fused) = (own.layers(), config.fusion.decoder_layers.get());
            let fusions = (blocks - fused..blocks).map(fusion).collect();
            let (text, head) = own.build(root, grammar, tokenizer, fusions, precision)?;
            Ok((text, Some(head)))
        }
    }
}
