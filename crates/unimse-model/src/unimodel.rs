//! The whole model: text backbone, LSTM encoders, fusion, contrastive projections and label decoder (paper, figure 2).

use std::path::Path;

use tch::{Device, Tensor};
use unimse_labels::Grammar;

use crate::batch::{Batch, Losses, Prediction, Target};
use crate::config::{FeatureDims, ModelConfig};
use crate::{ModelError, Precision};

/// Learning-rate group of a parameter (design: backbone, fusion, rest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterGroup {
    /// The pretrained text model.
    Backbone,
    /// PMF adapters and absent-modality vectors.
    Fusion,
    /// Everything else: projections, LSTMs, segment embeddings, label decoder.
    Rest,
}

/// Text, audio and video in; universal labels out.
pub struct UniModel {}

impl UniModel {
    /// Builds the model around the checkpoint in `folder` (Hub layout).
    pub fn new(
        config: &ModelConfig,
        grammar: &Grammar,
        folder: &Path,
        feature_dims: &FeatureDims,
        device: Device,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        unimplemented!()
    }
    /// Loss of a batch; `targets` one per row.
    pub fn loss(&self, batch: &Batch, targets: &[Target], train: bool) -> Result<Losses, ModelError> {
        unimplemented!()
    }
    /// Constrained decoding of a batch, without gradients.
    pub fn predict(&self, batch: &Batch) -> Result<Vec<Prediction>, ModelError> {
        unimplemented!()
    }
    /// Mean |fusion term| / |h| over valid tokens, one per fused layer.
    pub fn fusion_ratios(&self, batch: &Batch) -> Result<Vec<f64>, ModelError> {
        unimplemented!()
    }
    /// Every parameter, trainable and frozen, by name in a stable (sorted) order.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        unimplemented!()
    }
    /// Group of the parameter called `name`.
    pub fn group_of(name: &str) -> ParameterGroup {
        unimplemented!()
    }
    /// Freezes (stops the gradients of) the parameters for which `frozen(name)` holds, unfreezes the others.
    pub fn freeze(&mut self, frozen: impl Fn(&str) -> bool) {
        unimplemented!()
    }
    /// T5 only: names the parameters outside the last `n` encoder and decoder blocks; pass it to `freeze`. Ours are never frozen.
    pub fn outside_last_blocks(&self, n: usize) -> std::collections::BTreeSet<String> {
        unimplemented!()
    }
    /// Writes every parameter as safetensors (temporary name, synced, renamed).
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        unimplemented!()
    }
    /// Reads what `save` wrote; missing, unexpected and misshaped tensors are all listed in the error.
    pub fn load(&mut self, path: &Path) -> Result<(), ModelError> {
        unimplemented!()
    }
    /// Device of the parameters.
    pub fn device(&self) -> Device {
        unimplemented!()
    }
    /// Compute kind.
    pub fn precision(&self) -> Precision {
        unimplemented!()
    }
    /// Number of parameters, (all, trainable).
    pub fn parameter_count(&self) -> (i64, i64) {
        unimplemented!()
    }
    /// The configuration it was built from.
    pub fn config(&self) -> &ModelConfig {
        unimplemented!()
    }
    /// The label grammar it speaks.
    pub fn grammar(&self) -> &Grammar {
        unimplemented!()
    }
}
