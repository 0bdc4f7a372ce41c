//! The configuration of a run: defaults < preset < `--config` file < `a.b=c`; unknown keys are errors; the merged file is saved in the run.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unimse_labels::DonorProtocol;
use unimse_model::config::{
    ContrastiveConfig, FusionConfig, LabelDecoderConfig, LossConfig, LstmConfig, ModelConfig,
    TextConfig,
};

use crate::TrainError;

mod layers;
mod sections;

pub use self::sections::{
    BaselineChoice, EvaluateConfig, LabelsConfig, PrecisionChoice, Schedule, TrainConfig, Unfreeze,
};

/// Everything that decides a run's numbers, besides the data and the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the preset this started from; recorded, not interpreted.
    pub preset: String,
    /// Universal labels and the encoder that finds donors.
    pub labels: LabelsConfig,
    /// Backbone, decoder, inputs.
    pub model: TextConfig,
    /// PMF (paper 3.4).
    pub fusion: FusionConfig,
    /// Audio and video encoders (paper 3.3).
    pub lstm: LstmConfig,
    /// Contrastive loss (paper 3.5).
    pub contrastive: ContrastiveConfig,
    /// The closed-vocabulary decoder.
    pub label_decoder: LabelDecoderConfig,
    /// Levers of the loss.
    pub loss: LossConfig,
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
            model: TextConfig::default(),
            fusion: FusionConfig::default(),
            lstm: LstmConfig::default(),
            contrastive: ContrastiveConfig::default(),
            label_decoder: LabelDecoderConfig::default(),
            loss: LossConfig::default(),
            train: TrainConfig::default(),
            evaluate: EvaluateConfig::default(),
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
        serde_path_to_error::deserialize(toml::Value::Table(merged)).map_err(|e| {
            let (key, reason) = (e.path().to_string(), e.into_inner());
            TrainError::Config(format!("{key}: {}", layers::one_line(reason.message())))
        })
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

    /// The configuration as a TOML table: what the saved file says, so that there is one way in which sections are written.
    pub(crate) fn table(&self) -> Result<toml::Table, TrainError> {
        let parsed = self.to_toml()?.parse();
        parsed.map_err(|e: toml::de::Error| TrainError::Config(e.to_string()))
    }

    /// The model's own configuration.
    #[must_use]
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            model: self.model.clone(),
            fusion: self.fusion.clone(),
            lstm: self.lstm.clone(),
            contrastive: self.contrastive.clone(),
            label_decoder: self.label_decoder.clone(),
            loss: self.loss.clone(),
            checkpointing: self.train.checkpointing,
            apart: self.labels.donors == DonorProtocol::None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use unimse_model::Modality;

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
        assert_eq!((c.train.epochs.get(), c.train.batch.get()), (4, 16));
        assert_eq!(c.train.clip, 0.5);
        assert_eq!(*c.model.modalities, [Modality::Text]);
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
            ("fusion.decoder_layers", 0, 1000),
            ("fusion.bottleneck", 1, 65_536),
            ("lstm.hidden", 1, 16_384),
            ("lstm.input", 1, 16_384),
            ("contrastive.dim", 1, 65_536),
            ("contrastive.kernel", 1, 999),
            ("contrastive.min_rows", 1, 65_536),
            ("contrastive.queue", 0, 65_536),
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
            "train.head_warmup",
            "train.average",
            "train.modality_dropout",
            "train.donor_weight",
            "train.donor_power",
            "train.intensity_weight",
            "loss.label_smoothing",
            "loss.logit_adjustment",
            "loss.r_drop",
            "loss.auxiliary",
            "contrastive.samples",
            "contrastive.warmup",
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
