//! Building the model around a pretrained checkpoint: which parts a configuration asks for, and their weights.

use std::collections::BTreeSet;
use std::path::Path;

use tch::Device;
use tch::nn::VarStore;
use unimse_labels::Grammar;

use super::{Branch, UniModel};
use crate::backbones::{self, Backbone};
use crate::config::{Decoder, FeatureDims, Modality, ModelConfig};
use crate::contrast::Contrast;
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::fusion::{Absent, Fusion};
use crate::head::Head;
use crate::label_decoder::LabelDecoder;
use crate::layers::Embedding;
use crate::lstm::ModalityEncoder;
use crate::parameters::OURS;
use crate::precision::Precision;
use crate::tokenizer::Tokenizer;
use crate::weights;

impl UniModel {
    /// Builds the model around the checkpoint in `folder` (Hub layout) with one input projection for each of `feature_dims`;
    /// our own parameters are drawn from LibTorch's generator (`tch::manual_seed`).
    ///
    /// # Errors
    /// A configuration that no model can be built from, a broken or incomplete checkpoint.
    pub fn new(
        config: &ModelConfig,
        grammar: &Grammar,
        folder: &Path,
        feature_dims: &FeatureDims,
        device: Device,
        precision: Precision,
    ) -> Result<Self> {
        config
            .validate()
            .map_err(|e| ModelError::Input(e.to_string()))?;
        let store = VarStore::new(device);
        let root = store.root();
        let backbone = backbones::of(config, folder)?;
        let (text, own) = pretrained(&*backbone, config, grammar, folder, &root, precision)?;
        let (dim, layers) = (text.dim(), text.layers());
        if let Some(positions) = text.shape().max_positions
            && config.max_tokens as i64 > positions
        {
            let (folder, found) = (folder.display(), config.max_tokens);
            return Err(ModelError::Input(format!(
                "model.max_tokens: expected at most the {positions} positions of {folder}, found {found}"
            )));
        }
        if config.fusion.layers > layers {
            let found = config.fusion.layers;
            return Err(ModelError::Input(format!(
                "fusion.layers: expected at most the backbone's {layers}, found {found}"
            )));
        }
        let ours = &root / "unimse";
        let fusion = &ours / "fusion";
        let branch = |modality: Modality, dims: &BTreeSet<i64>| {
            config.has(modality).then(|| Branch {
                encoder: ModalityEncoder::new(&(&ours / modality.name()), dims, &config.lstm),
                absent: Absent::new(
                    &fusion,
                    &format!("absent_{}", modality.name()),
                    config.lstm.hidden as i64,
                ),
            })
        };
        let (audio, video) = (
            branch(Modality::Audio, &feature_dims.audio),
            branch(Modality::Video, &feature_dims.video),
        );
        let others =
            (usize::from(audio.is_some()) + usize::from(video.is_some())) * config.lstm.hidden;
        let fusions = (layers - config.fusion.layers..layers)
            .map(|layer| {
                let f = &config.fusion;
                Fusion::new(
                    &(&fusion / layer),
                    dim,
                    others as i64,
                    f.bottleneck as i64,
                    f.skip,
                    f.dropout,
                )
            })
            .collect();
        let mut model = Self {
            segments: Embedding::new(&(&ours / "segments"), 3, dim, 0.0),
            contrast: Contrast::new(&(&ours / "contrastive"), dim, layers, config),
            head: match own {
                Some(head) => head,
                None => Box::new(LabelDecoder::new(
                    &(&ours / "label"),
                    grammar,
                    dim,
                    &config.label_decoder,
                )?),
            },
            config: config.clone(),
            grammar: grammar.clone(),
            precision,
            backbone,
            text,
            audio,
            video,
            fusions,
            store,
            initialised: Vec::new(),
        };
        let is_ours = |name: &str| name.starts_with(OURS);
        model.initialised =
            weights::load_backbone(&model.store, folder, &*model.backbone, &is_ours)?;
        Ok(model)
    }
}

/// The encoder, and the head on the backbone's own decoder where there is one.
type Pretrained = (Box<dyn TextEncoder>, Option<Box<dyn Head>>);

/// What `config` asks of `backbone`.
fn pretrained(
    backbone: &dyn Backbone,
    config: &ModelConfig,
    grammar: &Grammar,
    folder: &Path,
    root: &tch::nn::Path<'_>,
    precision: Precision,
) -> Result<Pretrained> {
    match config.decoder {
        Decoder::Label => Ok((backbone.encoder(root, precision), None)),
        Decoder::T5 => {
            let own = backbone.own_decoder();
            let own = own.ok_or_else(|| backbones::no_decoder(backbone, folder))?;
            let tokenizer = Tokenizer::from_folder(folder)?;
            tokenizer.check_vocabulary(backbone.shape().vocabulary)?;
            let (text, head) = own.build(root, grammar, tokenizer, precision)?;
            Ok((text, Some(head)))
        }
    }
}
