//! Building the model around a pretrained checkpoint: which parts a configuration asks for, and their weights.

use std::collections::BTreeSet;
use std::path::Path;

use tch::Device;
use tch::nn::VarStore;
use unimse_labels::Grammar;

use super::{Branch, Labels, Text, UniModel};
use crate::bert::{BertConfig, BertEncoder};
use crate::config::{Backbone, Decoder, FeatureDims, Modality, ModelConfig};
use crate::contrast::Contrast;
use crate::error::{ModelError, Result};
use crate::fusion::{Absent, Fusion};
use crate::label_decoder::LabelDecoder;
use crate::layers::Embedding;
use crate::lstm::ModalityEncoder;
use crate::parameters::OURS;
use crate::precision::Precision;
use crate::t5::{T5, T5Config, T5Encoder};
use crate::text_decoder::TextDecoder;
use crate::tokenizer::Tokenizer;
use crate::weights::{self, Family};

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
        let (text, labels, family) = backbone(config, grammar, folder, &root, precision)?;
        let (dim, layers) = (text.encoder().dim(), text.encoder().layers());
        if let Some(positions) = text.encoder().max_positions()
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
            labels: match labels {
                Some(labels) => labels,
                None => Labels::Closed(Box::new(LabelDecoder::new(
                    &(&ours / "label"),
                    grammar,
                    dim,
                    &config.label_decoder,
                )?)),
            },
            config: config.clone(),
            grammar: grammar.clone(),
            precision,
            text,
            audio,
            video,
            fusions,
            store,
            initialised: Vec::new(),
        };
        model.initialised =
            weights::load_backbone(&model.store, folder, family, &|name| name.starts_with(OURS))?;
        Ok(model)
    }
}

/// The backbone, the decoder of labels where it is the backbone's own, and what the checkpoint's names mean.
fn backbone(
    config: &ModelConfig,
    grammar: &Grammar,
    folder: &Path,
    root: &tch::nn::Path<'_>,
    precision: Precision,
) -> Result<(Text, Option<Labels>, Family)> {
    if config.backbone == Backbone::MiniLm {
        let mut shape = BertConfig::from_folder(folder)?;
        shape.hidden_dropout_prob = config.dropout;
        shape.attention_probs_dropout_prob = config.dropout;
        let text = Text::Bert(BertEncoder::new(root, &shape, precision));
        return Ok((text, None, Family::Bert));
    }
    let mut shape = T5Config::from_folder(folder)?;
    shape.dropout_rate = config.dropout;
    if config.decoder == Decoder::T5 {
        let tokenizer = Tokenizer::from_folder(folder)?;
        tokenizer.check_vocabulary(shape.vocab_size)?;
        let labels = TextDecoder::new(grammar, tokenizer, &shape)?;
        let text = Text::T5(Box::new(T5::new(root, &shape, precision)));
        return Ok((text, Some(Labels::Text(Box::new(labels))), Family::T5));
    }
    let shared = Embedding::new(&(root / "shared"), shape.vocab_size, shape.d_model, 1.0);
    let encoder = T5Encoder::new(&(root / "encoder"), &shape, shared, precision);
    Ok((Text::T5Encoder(encoder), None, Family::T5))
}
