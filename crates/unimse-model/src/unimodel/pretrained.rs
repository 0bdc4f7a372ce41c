//! What a configuration asks of a pretrained checkpoint: its backbone, and the decoder of its own where that writes the labels.

use std::path::Path;

use unimse_labels::Grammar;

use crate::backbones::{self, Backbone};
use crate::config::{Decoder, ModelConfig};
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::head::Head;
use crate::precision::Precision;
use crate::tokenizer::Tokenizer;

/// The backbone that the checkpoint in `folder` holds, for a model of `config`; nothing is built yet.
///
/// # Errors
/// As [`backbones::open`], and a `model.decoder` that the backbone does not have.
pub fn backbone(config: &ModelConfig, folder: &Path) -> Result<Box<dyn Backbone>> {
    let mut backbone = backbones::open(folder, config.model.backbone)?;
    if config.model.decoder == Decoder::T5 && backbone.own_decoder().is_none() {
        return Err(no_decoder(&*backbone, folder));
    }
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

/// The encoder, and the head on the backbone's own decoder where there is one.
pub(super) type Pretrained = (Box<dyn TextEncoder>, Option<Box<dyn Head>>);

/// What `config` asks of `backbone`.
pub(super) fn pretrained(
    backbone: &dyn Backbone,
    config: &ModelConfig,
    grammar: &Grammar,
    folder: &Path,
    root: &tch::nn::Path<'_>,
    precision: Precision,
) -> Result<Pretrained> {
    match config.model.decoder {
        Decoder::Label => Ok((backbone.encoder(root, precision), None)),
        Decoder::T5 => {
            let own = backbone.own_decoder();
            let own = own.ok_or_else(|| no_decoder(backbone, folder))?;
            let tokenizer = Tokenizer::from_folder(folder)?;
            tokenizer.check_vocabulary(backbone.shape().vocabulary)?;
            let (text, head) = own.build(root, grammar, tokenizer, precision)?;
            Ok((text, Some(head)))
        }
    }
}
