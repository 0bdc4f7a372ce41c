//! The configuration of a run: defaults < preset < `--config` file < `a.b=c`; unknown keys are errors; the merged file is saved in the run.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unimse_labels::{DonorProtocol, Form, QueryProtocol, UnifyOptions};
use unimse_model::BackboneChoice;
use unimse_model::Pooling;
use unimse_model::config::{
    ContrastiveConfig, Decoder, FusionConfig, LabelDecoderConfig, LstmConfig, Modality, ModelConfig,
};

use crate::TrainError;
use crate::train::optimizer::Rule;

mod layers;

/// Everything that decides a run's numbers, besides the data and the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the preset this started from; recorded, not interpreted.
    pub preset: String,
    /// Universal labels and the encoder that finds donors.
    pub labels: LabelsConfig,
    /// Backbone, decoder, inputs.
    pub model: ModelSection,
    /// PMF (paper 3.4).
    pub fusion: FusionConfig,
    /// Audio and video encoders (paper 3.3).
    pub lstm: LstmConfig,
    /// Contrastive loss (paper 3.5).
    pub contrastive: ContrastiveConfig,
    /// The closed-vocabulary decoder.
    pub label_decoder: LabelDecoderConfig,
    /// Optimiser, schedule, batches.
    pub train: TrainConfig,
    /// Bootstrap and baselines.
    pub evaluate: EvaluateConfig,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            preset: "none".to_owned(),
            labels: LabelsConfig::default(),
            model: ModelSection::default(),
            fusion: FusionConfig::default(),
            lstm: LstmConfig::default(),
            contrastive: ContrastiveConfig::default(),
            label_decoder: LabelDecoderConfig::default(),
            train: TrainConfig::default(),
            evaluate: EvaluateConfig::default(),
        }
    }
}

/// Universal labels (paper 3.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelsConfig {
    /// Sentence encoder that finds donors and carries the frozen baselines: a folder or a Hub id.
    pub encoder: String,
    /// How the encoder's token states become one vector: `mean` or `cls`; default what its `1_Pooling/config.json` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// `train` (default) or `all`; the latter is the official release's way and marks everything `leaky`.
    pub donors: DonorProtocol,
    /// Donors below this cosine are refused; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_similarity: Option<f32>,
    /// Text form of a label: `fields` (default) or the paper's `triple`.
    pub form: Form,
    /// Decimals of the intensity, 1 to 4; default 1.
    pub decimals: u8,
}

impl Default for LabelsConfig {
    fn default() -> Self {
        Self {
            encoder: ".models/all-MiniLM-L6-v2".to_owned(),
            pooling: None,
            donors: DonorProtocol::Train,
            min_similarity: None,
            form: Form::Fields,
            decimals: 1,
        }
    }
}

impl LabelsConfig {
    /// The options of the unifier; test rows are never queries here.
    #[must_use]
    pub fn options(&self) -> UnifyOptions {
        UnifyOptions {
            donors: self.donors,
            queries: QueryProtocol::TrainDev,
            min_similarity: self.min_similarity,
        }
    }
}

/// Backbone, decoder and inputs: the part of [`ModelConfig`] that has no section of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// Hub-layout folder or Hub id of the backbone.
    pub checkpoint: String,
    /// `auto` (default), what `model_type` in the checkpoint's `config.json` names; or a `model_type`, which it must name.
    pub backbone: BackboneChoice,
    /// `label` (default) or `t5`, the checkpoint's own, which a T5 has.
    pub decoder: Decoder,
    /// Default text, audio, video.
    pub modalities: Vec<Modality>,
    /// Utterances of context before; default 2.
    pub context_before: usize,
    /// Utterances of context after; default 2.
    pub context_after: usize,
    /// Most tokens of an input; default 128.
    pub max_tokens: usize,
    /// Dropout in the backbone; default 0.1.
    pub dropout: f64,
    /// Beams of constrained decoding; default 1, greedy.
    pub beam: usize,
    /// Exponent of the length that labels of several beams are compared by, t5 decoder; default 0.
    pub length_penalty: f64,
}

impl Default for ModelSection {
    fn default() -> Self {
        let m = ModelConfig::default();
        Self {
            checkpoint: ".models/all-MiniLM-L6-v2".to_owned(),
            backbone: m.backbone,
            decoder: m.decoder,
            modalities: m.modalities,
            context_before: m.context_before,
            context_after: m.context_after,
            max_tokens: m.max_tokens,
            dropout: m.dropout,
            beam: m.beam,
            length_penalty: m.length_penalty,
        }
    }
}

/// Which compute kind the model runs in; weights stay fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// bf16 on CUDA and on CPUs with AVX512-BF16 or AMX, else fp32.
    Auto,
    /// Single precision.
    Fp32,
    /// bfloat16 compute.
    Bf16,
}

/// Which part of the backbone is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfreeze {
    /// All of it.
    All,
    /// The last two encoder and the last two decoder blocks (the paper's released setting for T5); embeddings and final norms are frozen.
    LastTwo,
    /// Nothing.
    None,
}

/// Optimisation (paper 4.2) and selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Most epochs.
    pub epochs: usize,
    /// Utterances a batch holds at most.
    pub batch: usize,
    /// Padded tokens a batch holds at most.
    pub token_budget: usize,
    /// Batches whose gradients make one update; each counts by its share of the utterances.
    pub accumulate: usize,
    /// Temperature of the corpus mixture; 1 is by size.
    pub temperature: f64,
    /// `adam` (L2, as published) or `adamw`.
    pub optimizer: Rule,
    /// Learning rate of the backbone.
    pub lr_backbone: f64,
    /// Learning rate of the fusion layers.
    pub lr_fusion: f64,
    /// Learning rate of everything else.
    pub lr_rest: f64,
    /// Weight decay of matrices, embeddings and convolutions; biases, norms and vectors take none.
    pub weight_decay: f64,
    /// Global gradient norm limit.
    pub clip: f64,
    /// Share of all updates over which the rate rises from 0.
    pub warmup: f64,
    /// After the warm-up: `plateau` or `linear`.
    pub schedule: Schedule,
    /// Epochs without a better dev score before the plateau schedule halves the rate.
    pub plateau_patience: usize,
    /// Epochs without a better dev score before training ends.
    pub patience: usize,
    /// Which part of the backbone is trained.
    pub unfreeze: Unfreeze,
    /// Compute kind.
    pub precision: PrecisionChoice,
    /// Gradient checkpointing: less memory for a third to a half more time; default false.
    pub checkpointing: bool,
    /// Weight of borrowed (donor) fields in the loss; gold and rule fields weigh 1.
    pub donor_weight: f32,
    /// Weight of gold intensities in the loss.
    pub intensity_weight: f32,
    /// Updates between two saved checkpoints.
    pub save_every: i64,
}

/// Course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Halved when the dev score stops rising.
    Plateau,
    /// Falls linearly to 0 at the last update.
    Linear,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 32,
            token_budget: 4096,
            accumulate: 1,
            temperature: 1.0,
            optimizer: Rule::AdamW,
            lr_backbone: 5e-5,
            lr_fusion: 1e-4,
            lr_rest: 1e-4,
            weight_decay: 1e-4,
            clip: 1.0,
            warmup: 0.06,
            schedule: Schedule::Linear,
            plateau_patience: 1,
            patience: 3,
            unfreeze: Unfreeze::All,
            precision: PrecisionChoice::Auto,
            checkpointing: false,
            donor_weight: 0.3,
            intensity_weight: 1.0,
            save_every: 100,
        }
    }
}

/// Evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Bootstrap resamples of the test set.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            resamples: 2000,
            seed: 20_221_207,
        }
    }
}

impl RunConfig {
    /// Merges the layers in order: `preset` text, `file` if any, then `a.b=c` overrides.
    ///
    /// # Errors
    /// [`TrainError::Config`] that names the source and the key, what was expected and what was found.
    pub fn merge(
        preset: Option<(&str, &str)>,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, TrainError> {
        let merged = layers::merge(preset, file, overrides)?;
        let config: Self = merged
            .try_into()
            .map_err(|e: toml::de::Error| TrainError::Config(layers::one_line(&e)))?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the saved `config.toml` of a run.
    ///
    /// # Errors
    /// As [`RunConfig::merge`].
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        Self::merge(None, Some(path), &[])
    }

    /// The merged file that is saved in the run.
    ///
    /// # Errors
    /// [`TrainError::Config`] if a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string_pretty(self).map_err(|e| TrainError::Config(e.to_string()))
    }

    /// The configuration as a TOML table.
    pub(crate) fn table(&self) -> Result<toml::Table, TrainError> {
        toml::Table::try_from(self).map_err(|e| TrainError::Config(e.to_string()))
    }

    /// The model's own configuration.
    #[must_use]
    pub fn model(&self) -> ModelConfig {
        let m = &self.model;
        ModelConfig {
            backbone: m.backbone,
            decoder: m.decoder,
            modalities: m.modalities.clone(),
            context_before: m.context_before,
            context_after: m.context_after,
            max_tokens: m.max_tokens,
            dropout: m.dropout,
            checkpointing: self.train.checkpointing,
            fusion: self.fusion.clone(),
            lstm: self.lstm.clone(),
            contrastive: self.contrastive.clone(),
            label_decoder: self.label_decoder.clone(),
            beam: m.beam,
            length_penalty: m.length_penalty,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        self.model()
            .validate()
            .map_err(|e| TrainError::Config(e.to_string()))?;
        let t = &self.train;
        let sizes = [
            ("train.epochs", t.epochs, 1..=10_000),
            ("train.batch", t.batch, 1..=65_536),
            ("train.token_budget", t.token_budget, 1..=1 << 24),
            ("train.accumulate", t.accumulate, 1..=1_000_000),
            (
                "evaluate.resamples",
                self.evaluate.resamples,
                100..=1_000_000,
            ),
            ("labels.decimals", self.labels.decimals.into(), 1..=4),
        ];
        for (key, value, range) in sizes {
            if !range.contains(&value) {
                return Err(TrainError::Config(format!(
                    "{key}: expected a number from {} to {}, found {value}",
                    range.start(),
                    range.end()
                )));
            }
        }
        if t.save_every < 1 {
            return Err(TrainError::Config(format!(
                "train.save_every: expected at least 1, found {}",
                t.save_every
            )));
        }
        if let Some(s) = self.labels.min_similarity
            && !(-1.0..=1.0).contains(&s)
        {
            return Err(TrainError::Config(format!(
                "labels.min_similarity: expected a cosine from -1 to 1, found {s}"
            )));
        }
        let rates = [
            ("train.lr_backbone", t.lr_backbone),
            ("train.lr_fusion", t.lr_fusion),
            ("train.lr_rest", t.lr_rest),
            ("train.weight_decay", t.weight_decay),
            ("train.donor_weight", f64::from(t.donor_weight)),
            ("train.intensity_weight", f64::from(t.intensity_weight)),
        ];
        for (key, value) in rates {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainError::Config(format!(
                    "{key}: expected a finite number, not negative, found {value}"
                )));
            }
        }
        if !(t.clip.is_finite() && t.clip > 0.0) {
            return Err(TrainError::Config(format!(
                "train.clip: expected a positive number, found {}",
                t.clip
            )));
        }
        if !(0.0..1.0).contains(&t.warmup) {
            return Err(TrainError::Config(format!(
                "train.warmup: expected a share in [0, 1), found {}",
                t.warmup
            )));
        }
        if !(t.temperature.is_finite() && t.temperature >= 1.0) {
            return Err(TrainError::Config(format!(
                "train.temperature: expected a number of at least 1, found {}",
                t.temperature
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn later_layers_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "[train]\nepochs = 4\nbatch = 8\n").unwrap();
        let preset = "[train]\nepochs = 2\nclip = 0.5\n";
        let overrides = [
            "train.batch=16".to_owned(),
            "model.modalities=[\"text\"]".to_owned(),
            "labels.encoder=some/where".to_owned(),
        ];
        let c = RunConfig::merge(Some(("p", preset)), Some(&file), &overrides).unwrap();
        assert_eq!((c.train.epochs, c.train.batch, c.train.clip), (4, 16, 0.5));
        assert_eq!(c.model.modalities, vec![Modality::Text]);
        assert_eq!(c.labels.encoder, "some/where");
    }

    #[test]
    fn the_saved_file_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let config = RunConfig::default();
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        assert_eq!(RunConfig::load(&path).unwrap(), config);
    }

    #[test]
    fn absurd_sizes_are_refused_with_what_is_possible() {
        for (key, low, high) in [
            ("model.context_before", 0, 1000),
            ("model.context_after", 0, 1000),
            ("model.max_tokens", 8, 16_384),
            ("model.beam", 1, 1000),
            ("fusion.layers", 0, 1000),
            ("fusion.bottleneck", 1, 65_536),
            ("lstm.hidden", 1, 16_384),
            ("lstm.input", 1, 16_384),
            ("contrastive.dim", 1, 65_536),
            ("contrastive.kernel", 1, 999),
            ("label_decoder.layers", 1, 100),
            ("label_decoder.heads", 1, 1024),
            ("train.epochs", 1, 10_000),
            ("train.batch", 1, 65_536),
            ("train.token_budget", 1, 16_777_216),
            ("train.accumulate", 1, 1_000_000),
            ("evaluate.resamples", 100, 1_000_000),
        ] {
            let merge =
                |value: i64| RunConfig::merge(None, None, &[format!("{key}={value}")]).map(drop);
            merge(low).unwrap();
            merge(high).unwrap();
            // 2^63 - 1 is the largest number of TOML
            for absurd in [low - 1, high + 1, 1_000_000_000_000, i64::MAX] {
                let error = merge(absurd).unwrap_err().to_string();
                let expect = if absurd < 0 {
                    "integer `-1`, expected a whole number, not negative".to_owned()
                } else {
                    format!("{key}: expected a number from {low} to {high}, found {absurd}")
                };
                assert!(error.contains(&expect), "{error}");
            }
        }
    }

    #[test]
    fn rates_that_are_no_numbers_are_refused() {
        for key in [
            "train.lr_backbone",
            "train.lr_fusion",
            "train.lr_rest",
            "train.weight_decay",
            "train.clip",
            "train.warmup",
            "train.temperature",
            "train.donor_weight",
            "train.intensity_weight",
            "labels.min_similarity",
            "contrastive.temperature",
            "label_decoder.sigma",
            "model.dropout",
        ] {
            for value in ["nan", "inf", "-inf", "-0.5"] {
                let text = format!("{key}={value}");
                if text == "labels.min_similarity=-0.5" {
                    continue;
                }
                let error = RunConfig::merge(None, None, &[text]).unwrap_err();
                assert!(error.to_string().contains(&format!("{key}: ")), "{error}");
            }
        }
        for value in [0, -1, i64::MIN] {
            let error = RunConfig::merge(None, None, &[format!("train.save_every={value}")]);
            assert!(error.unwrap_err().to_string().contains("train.save_every"));
        }
    }

    #[test]
    fn errors_name_the_key() {
        for (text, expect) in [
            ("train.epocs=3", "epocs"),
            ("train.epochs=0", "train.epochs"),
            ("train.epochs=many", "epochs"),
            ("model.modalities=[\"audio\"]", "model.modalities"),
            ("train", "train"),
            ("train.epochs.x=1", "epochs"),
            (
                "contrastive.kernel=2",
                "contrastive.kernel: expected an odd number, found 2",
            ),
            (
                "model.max_tokens=7",
                "model.max_tokens: expected a number from 8 to 16384, found 7",
            ),
            (
                "labels.decimals=5",
                "labels.decimals: expected a number from 1 to 4, found 5",
            ),
            ("labels.pooling=max", "pooling"),
        ] {
            let error = RunConfig::merge(None, None, &[text.to_owned()])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expect), "{text}: {error}");
            assert!(!error.contains(&format!("model.{expect}")), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
