//! Building the model around a pretrained checkpoint: which parts a configuration asks for, and their weights.

use std::collections::BTreeSet;
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, nn};
use unimse_labels::Grammar;

use super::pretrained::{backbone, pretrained};
use super::{Branch, UniModel};
use crate::auxiliary::Auxiliary;
use crate::config::{FeatureDims, Modality, ModelConfig};
use crate::contrast::Contrast;
use crate::encoder::TextEncoder;
use crate::error::{ModelError, Result};
use crate::fusion::{Absent, Fusion};
use crate::label_decoder::LabelDecoder;
use crate::layers::Embedding;
use crate::lstm::ModalityEncoder;
use crate::parameters::OURS;
use crate::precision::Precision;
use crate::samples::Samples;
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
        let store = VarStore::new(device);
        let root = store.root();
        let backbone = backbone(config, folder)?;
        let ours = &root / "unimse";
        let fusion = &ours / "fusion";
        let in_decoder = &fusion / "decoder";
        let dim = backbone.shape().dim;
        let of_decoder = |block: usize| new_fusion(&(&in_decoder / block), dim, config);
        let place = (&root, &of_decoder as &dyn Fn(usize) -> Fusion);
        let (text, own) = pretrained(&*backbone, config, grammar, folder, place, precision)?;
        check_fit(config, &*text, folder)?;
        let layers = text.layers();
        let branch = |modality, dims| Branch::new(&ours, &fusion, modality, dims, config);
        let audio = branch(Modality::Audio, &feature_dims.audio);
        let video = branch(Modality::Video, &feature_dims.video);
        let fused = |layer| new_fusion(&(&fusion / layer), dim, config);
        let fusions = (layers - config.fusion.layers.get()..layers).map(fused);
        let fusions = fusions.collect();
        let mut model = Self {
            segments: Embedding::new(&(&ours / "segments"), 3, dim, 0.0),
            fusions,
            contrast: Contrast::new(&(&ours / "contrastive"), dim, layers, config),
            head: match own {
                Some(head) => head,
                None => {
                    let place = &ours / "label";
                    Box::new(LabelDecoder::new(
                        &place,
                        grammar,
                        dim,
                        &config.label_decoder,
                        config.apart,
                    )?)
                }
            },
            auxiliary: Auxiliary::new(&(&ours / "auxiliary"), grammar, config),
            samples: Samples::new(&(&ours / "samples"), grammar, dim, &config.contrastive),
            config: config.clone(),
            grammar: grammar.clone(),
            precision,
            backbone,
            text,
            audio,
            video,
            store,
            initialised: Vec::new(),
        };
        let is_ours = |name: &str| name.starts_with(OURS);
        model.initialised =
            weights::load_backbone(&model.store, folder, &*model.backbone, &is_ours)?;
        Ok(model)
    }
}

impl Branch {
    /// The branch of `modality`, its encoder under `ours`, what stands for its absence under `fusion`; `None` where it is not in use.
    fn new(
        ours: &nn::Path<'_>,
        fusion: &nn::Path<'_>,
        modality: Modality,
        dims: &BTreeSet<i64>,
        config: &ModelConfig,
    ) -> Option<Self> {
        let (name, hidden) = (modality.name(), config.lstm.hidden.get() as i64);
        config.has(modality).then(|| Self {
            encoder: ModalityEncoder::new(&(ours / name), dims, &config.lstm),
            absent: Absent::new(fusion, &format!("absent_{name}"), hidden),
        })
    }
}

/// One fused layer under `p`, in a stack of width `dim`.
fn new_fusion(p: &nn::Path<'_>, dim: i64, config: &ModelConfig) -> Fusion {
    let beside = config.model.modalities.len() - 1; // text is always among them
    let others = (beside * config.lstm.hidden.get()) as i64;
    let f = &config.fusion;
    let bottleneck = f.bottleneck.get() as i64;
    Fusion::new(p, dim, others, bottleneck, f.skip, f.dropout.get())
}

/// Refuses a `config` that asks for more positions or fused layers than the encoder, from `folder`, has.
fn check_fit(config: &ModelConfig, text: &dyn TextEncoder, folder: &Path) -> Result<()> {
    let (tokens, layers) = (config.model.max_tokens.get(), config.fusion.layers.get());
    if let Some(positions) = text.shape().max_positions
        && tokens as i64 > positions
    {
        let folder = folder.display();
        return Err(ModelError::Input(format!(
            "model.max_tokens: expected at most the {positions} positions of {folder}, found {tokens}"
        )));
    }
    if layers > text.layers() {
        let most = text.layers();
        return Err(ModelError::Input(format!(
            "fusion.layers: expected at most the backbone's {most}, found {layers}"
        )));
    }
    Ok(())
}
