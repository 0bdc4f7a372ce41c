//! What a [`UniModel`](crate::unimodel::UniModel) is made of, as plain serialisable data.
//!
//! The defaults are those of the paper (sections 3.3 to 3.6 and table 2) except where a field says otherwise.
//! Unknown keys are errors, so that a misspelt option cannot be ignored silently.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::backbones::BackboneChoice;

/// What turns encoder states into a universal label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// A small decoder over a closed label vocabulary (ours; works with every backbone).
    Label,
    /// The checkpoint's own decoder on the text form of the label (the paper's); of the backbones T5 has one.
    T5,
}

impl Decoder {
    /// `label` or `t5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::T5 => "t5",
        }
    }
}

/// One input modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Transcript and its dialogue context. Always present.
    Text,
    /// Acoustic feature sequence.
    Audio,
    /// Visual feature sequence.
    Video,
}

impl Modality {
    /// Canonical name: `text`, `audio` or `video`.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Audio => "audio",
            Modality::Video => "video",
        }
    }
}

/// The whole model. See each field for unit, default and source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Text backbone; default `auto`, the one that the checkpoint's `config.json` names.
    pub backbone: BackboneChoice,
    /// Label decoder; default `label`.
    pub decoder: Decoder,
    /// Modalities in use; must contain `text`. Default all three.
    pub modalities: Vec<Modality>,
    /// Utterances of context before the current one; default 2 (paper 3.3).
    pub context_before: usize,
    /// Utterances of context after the current one; default 2 (paper 3.3).
    pub context_after: usize,
    /// Most tokens of an encoded input, context and special tokens included; default 128.
    pub max_tokens: usize,
    /// Dropout inside the backbone while training; default 0.1.
    pub dropout: f64,
    /// Gradient checkpointing: the inside of every encoder and decoder block is computed again in the backward pass instead of
    /// kept, which takes less memory and a third to a half more time. Default false.
    pub checkpointing: bool,
    /// Pre-trained modality fusion (paper 3.4).
    pub fusion: FusionConfig,
    /// Audio and video encoders (paper 3.3).
    pub lstm: LstmConfig,
    /// Inter-modality contrastive learning (paper 3.5).
    pub contrastive: ContrastiveConfig,
    /// The `label` decoder; unused by `t5`.
    pub label_decoder: LabelDecoderConfig,
    /// Beams of constrained generation: 1 (default) gives the greedy label, more the best one met while following at least so
    /// many beginnings.
    pub beam: usize,
    /// With several beams of the `t5` decoder, labels are compared by log-probability / tokens^`length_penalty`, as the Hub's
    /// `generate` does. Default 0: by probability, since only complete labels are compared and a name cut into many pieces
    /// deserves no bonus; the Hub's own default is 1.
    pub length_penalty: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            backbone: BackboneChoice::Auto,
            decoder: Decoder::Label,
            modalities: vec![Modality::Text, Modality::Audio, Modality::Video],
            context_before: 2,
            context_after: 2,
            max_tokens: 128,
            dropout: 0.1,
            checkpointing: false,
            fusion: FusionConfig::default(),
            lstm: LstmConfig::default(),
            contrastive: ContrastiveConfig::default(),
            label_decoder: LabelDecoderConfig::default(),
            beam: 1,
            length_penalty: 0.0,
        }
    }
}

/// Pre-trained modality fusion, PMF (paper 3.4, equations 3 to 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FusionConfig {
    /// Fused encoder layers, counted from the last; 0 turns fusion off. Default 3.
    pub layers: usize,
    /// Width of the sigmoid bottleneck; default 64.
    pub bottleneck: usize,
    /// Add the hidden state to the fused one and start from zero weights, so that step 0 equals the pretrained encoder.
    /// Default true (ours); false is the paper's formula.
    pub skip: bool,
    /// Dropout on the fused term; default 0.
    pub dropout: f64,
}

impl Default for FusionConfig {
    fn default() -> Self {
        Self {
            layers: 3,
            bottleneck: 64,
            skip: true,
            dropout: 0.0,
        }
    }
}

/// One LSTM for each of audio and video (paper 3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LstmConfig {
    /// Hidden size; default 64.
    pub hidden: usize,
    /// Size every feature dimension is projected to before the LSTM (one projection per modality and dimension); default 64.
    pub input: usize,
    /// Dropout on the projected features while training; default 0.1.
    pub dropout: f64,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            hidden: 64,
            input: 64,
            dropout: 0.1,
        }
    }
}

/// Inter-modality contrastive learning (paper 3.5, equation 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveConfig {
    /// Weight of the text-audio losses; default 0.5.
    pub alpha: f64,
    /// Weight of the text-video losses; default 0.5.
    pub beta: f64,
    /// InfoNCE temperature; default 0.1.
    pub temperature: f64,
    /// Common size of the projected modalities; default 64.
    pub dim: usize,
    /// Width of the 1-D convolution that projects them, an odd number of steps; default 1.
    pub kernel: usize,
    /// Mean of both directions, text to modality and back, as CLIP does; default false: text is the anchor, as published.
    pub symmetric: bool,
}

impl Default for ContrastiveConfig {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            beta: 0.5,
            temperature: 0.1,
            dim: 64,
            kernel: 1,
            symmetric: false,
        }
    }
}

/// The decoder over the closed label vocabulary (ours).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelDecoderConfig {
    /// Decoder layers; default 2.
    pub layers: usize,
    /// Attention heads; the backbone's width must be a multiple of it. Default 6 (MiniLM: 384 / 6 = 64).
    pub heads: usize,
    /// Dropout of the decoder while training; default 0.1.
    pub dropout: f64,
    /// Standard deviation, in score units, of the discretised Gaussian that is the intensity target; 0 is one-hot. Default 0.3.
    pub sigma: f64,
}

impl Default for LabelDecoderConfig {
    fn default() -> Self {
        Self {
            layers: 2,
            heads: 6,
            dropout: 0.1,
            sigma: 0.3,
        }
    }
}

/// Which feature dimensions the corpora of a run have; the model owns one input projection for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureDims {
    /// Dimensions of the audio features.
    pub audio: BTreeSet<i64>,
    /// Dimensions of the video features.
    pub video: BTreeSet<i64>,
}

/// A value of a [`ModelConfig`] that no model can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found {found}")]
pub struct ConfigError {
    /// Key of the configuration of a run: `model.beam`, `fusion.bottleneck`.
    pub key: &'static str,
    /// What the key must hold.
    pub expected: String,
    /// What it holds.
    pub found: String,
}

impl ModelConfig {
    /// Whether `modality` is in use.
    pub fn has(&self, modality: Modality) -> bool {
        self.modalities.contains(&modality)
    }

    /// Every size with the numbers it may be. The largest ones are far above what anybody trains; they keep products of
    /// sizes and of bytes within their types.
    fn sizes(&self) -> [(&'static str, usize, RangeInclusive<usize>); 12] {
        let (c, d) = (&self.contrastive, &self.label_decoder);
        [
            ("model.context_before", self.context_before, 0..=1000),
            ("model.context_after", self.context_after, 0..=1000),
            ("model.max_tokens", self.max_tokens, 8..=16_384),
            ("model.beam", self.beam, 1..=1000),
            ("fusion.layers", self.fusion.layers, 0..=1000),
            ("fusion.bottleneck", self.fusion.bottleneck, 1..=65_536),
            ("lstm.hidden", self.lstm.hidden, 1..=16_384),
            ("lstm.input", self.lstm.input, 1..=16_384),
            ("contrastive.dim", c.dim, 1..=65_536),
            ("contrastive.kernel", c.kernel, 1..=999),
            ("label_decoder.layers", d.layers, 1..=100),
            ("label_decoder.heads", d.heads, 1..=1024),
        ]
    }

    /// Checks every value that does not depend on the checkpoint.
    ///
    /// # Errors
    /// The first key, in the order of the fields, that no model can be built from.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |key, expected: &str, found: String| {
            Err(ConfigError {
                key,
                expected: expected.to_owned(),
                found,
            })
        };
        if !self.has(Modality::Text) {
            return fail(
                "model.modalities",
                "a list that contains \"text\"",
                format!("{:?}", self.modalities),
            );
        }
        let unique: BTreeSet<_> = self.modalities.iter().collect();
        if unique.len() != self.modalities.len() {
            return fail(
                "model.modalities",
                "each modality once",
                format!("{:?}", self.modalities),
            );
        }
        for (key, value, range) in self.sizes() {
            if !range.contains(&value) {
                let expected = format!("a number from {} to {}", range.start(), range.end());
                return fail(key, &expected, value.to_string());
            }
        }
        if self.contrastive.kernel.is_multiple_of(2) {
            return fail(
                "contrastive.kernel",
                "an odd number",
                self.contrastive.kernel.to_string(),
            );
        }
        for (key, value) in [
            ("model.dropout", self.dropout),
            ("fusion.dropout", self.fusion.dropout),
            ("lstm.dropout", self.lstm.dropout),
            ("label_decoder.dropout", self.label_decoder.dropout),
        ] {
            if !(0.0..1.0).contains(&value) {
                return fail(key, "a number in [0, 1)", value.to_string());
            }
        }
        for (key, value) in [
            ("contrastive.alpha", self.contrastive.alpha),
            ("contrastive.beta", self.contrastive.beta),
            ("label_decoder.sigma", self.label_decoder.sigma),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return fail(key, "a finite number, not negative", value.to_string());
            }
        }
        if !self.length_penalty.is_finite() {
            return fail(
                "model.length_penalty",
                "a finite number",
                self.length_penalty.to_string(),
            );
        }
        if !(self.contrastive.temperature.is_finite() && self.contrastive.temperature > 0.0) {
            return fail(
                "contrastive.temperature",
                "a positive number",
                self.contrastive.temperature.to_string(),
            );
        }
        Ok(())
    }
}
