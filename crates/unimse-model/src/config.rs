//! What a [`UniModel`](crate::unimodel::UniModel) is made of, as plain serialisable data.
//!
//! The defaults are those of the paper (sections 3.3 to 3.6 and table 2) except where a field says otherwise.
//! Unknown keys are errors, so that a misspelt option cannot be ignored silently.

use std::collections::BTreeSet;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::backbones::BackboneChoice;

mod loss;
mod number;

pub use self::loss::LossConfig;
pub use self::number::{
    AtLeastOne, Cosine, Count, Factor, Finite, NonNegative, Odd, OutOfRange, Positive, Share,
};

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

/// Modalities in use, each once, text among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Modality>", into = "Vec<Modality>")]
pub struct Modalities(Vec<Modality>);

impl Modalities {
    /// Text, audio and video.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Modality::Text, Modality::Audio, Modality::Video])
    }
}

impl TryFrom<Vec<Modality>> for Modalities {
    type Error = OutOfRange;

    fn try_from(list: Vec<Modality>) -> Result<Self, OutOfRange> {
        let unique: BTreeSet<_> = list.iter().collect();
        let expected = match list.contains(&Modality::Text) {
            false => "a list that contains \"text\"",
            true if unique.len() != list.len() => "each modality once",
            true => return Ok(Self(list)),
        };
        Err(OutOfRange {
            expected: expected.to_owned(),
            found: format!("{list:?}"),
        })
    }
}

impl From<Modalities> for Vec<Modality> {
    fn from(modalities: Modalities) -> Self {
        modalities.0
    }
}

impl Deref for Modalities {
    type Target = [Modality];

    fn deref(&self) -> &[Modality] {
        &self.0
    }
}

/// The whole model, by the sections of a run's configuration. See each field for unit, default and source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelConfig {
    /// Backbone, decoder, inputs.
    pub model: TextConfig,
    /// Pre-trained modality fusion (paper 3.4).
    pub fusion: FusionConfig,
    /// Audio and video encoders (paper 3.3).
    pub lstm: LstmConfig,
    /// Inter-modality contrastive learning (paper 3.5).
    pub contrastive: ContrastiveConfig,
    /// The `label` decoder; unused by `t5`.
    pub label_decoder: LabelDecoderConfig,
    /// Levers of the loss.
    pub loss: LossConfig,
    /// Gradient checkpointing: the inside of every encoder and decoder block is computed again in the backward pass instead of
    /// kept, which takes less memory and a third to a half more time. Default false.
    pub checkpointing: bool,
    /// Whether the `label` decoder predicts each field from the text and the polarity alone: for training rows that have one field beside it, their own.
    /// What another field says could not be learnt from them, but would be read in answers. Default false.
    pub apart: bool,
}

impl ModelConfig {
    /// Whether `modality` is in use.
    pub fn has(&self, modality: Modality) -> bool {
        self.model.modalities.contains(&modality)
    }
}

/// Backbone, decoder and inputs: the section `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// Hub-layout folder or Hub id of the backbone, as [`crate::resolve`] takes it; default the link that set-up makes to all-MiniLM-L6-v2.
    pub checkpoint: String,
    /// Text backbone: `auto` (default), what `model_type` in the checkpoint's `config.json` names; or a `model_type`, which it must name.
    pub backbone: BackboneChoice,
    /// `label` (default), or `t5`, the checkpoint's own, which a T5 has.
    pub decoder: Decoder,
    /// Modalities in use; default all three.
    pub modalities: Modalities,
    /// Utterances of context before the current one; default 2 (paper 3.3).
    pub context_before: Count<0, 1000>,
    /// Utterances of context after the current one; default 2 (paper 3.3).
    pub context_after: Count<0, 1000>,
    /// Most tokens of an encoded input, context and special tokens included; default 128.
    pub max_tokens: Count<8, 16_384>,
    /// Text in front of the whole input, context included, never cut; its tokens count in `max_tokens`. Default none (paper 3.3 names none); the
    /// released code has one.
    pub prefix: String,
    /// Whether the names of speakers stand in front of their texts, where a corpus has them; default false (the paper's).
    pub speakers: bool,
    /// Whether the text of an utterance begins with words for how loud, how high and how fast it is spoken, where its audio features have columns that
    /// tell; default false (ours).
    pub voice_in_words: bool,
    /// Dropout inside the backbone while training; default 0.1.
    pub dropout: Share,
    /// Beams of constrained generation: 1 (default) gives the greedy label, more the best one met while following at least so
    /// many beginnings.
    pub beam: Count<1, 1000>,
    /// With several beams of the `t5` decoder, labels are compared by log-probability / tokens^`length_penalty`, as the Hub's
    /// `generate` does. Default 0: by probability, since only complete labels are compared and a name cut into many pieces
    /// deserves no bonus; the Hub's own default is 1.
    pub length_penalty: Finite,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            checkpoint: ".models/all-MiniLM-L6-v2".to_owned(),
            backbone: BackboneChoice::Auto,
            decoder: Decoder::Label,
            modalities: Modalities::all(),
            context_before: Count::literal::<2>(),
            context_after: Count::literal::<2>(),
            max_tokens: Count::literal::<128>(),
            prefix: String::new(),
            speakers: false,
            voice_in_words: false,
            dropout: const { Share::literal(0.1) },
            beam: Count::literal::<1>(),
            length_penalty: const { Finite::literal(0.0) },
        }
    }
}

/// Pre-trained modality fusion, PMF (paper 3.4, equations 3 to 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FusionConfig {
    /// Fused encoder layers, counted from the last; 0 turns fusion off. Default 3.
    pub layers: Count<0, 1000>,
    /// Fused decoder blocks, counted from the last, with `model.decoder = "t5"`. Default 0 (paper 3.4 fuses the encoder alone); the released code
    /// fuses as many as of the encoder.
    pub decoder_layers: Count<0, 1000>,
    /// Width of the sigmoid bottleneck; default 64.
    pub bottleneck: Count<1, 65_536>,
    /// Add the hidden state to the fused one and start from zero weights, so that step 0 equals the pretrained encoder.
    /// Default true (ours); false is the paper's formula.
    pub skip: bool,
    /// Dropout on the fused term; default 0.
    pub dropout: Share,
    /// Whether an utterance with neither audio nor video passes the fused layers as if they were not there, instead of with the learned
    /// vectors of absent modalities; default false.
    pub skip_absent: bool,
}

impl Default for FusionConfig {
    fn default() -> Self {
        Self {
            layers: Count::literal::<3>(),
            decoder_layers: Count::literal::<0>(),
            bottleneck: Count::literal::<64>(),
            skip: true,
            dropout: const { Share::literal(0.0) },
            skip_absent: false,
        }
    }
}

/// One LSTM for each of audio and video (paper 3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LstmConfig {
    /// Hidden size; default 64.
    pub hidden: Count<1, 16_384>,
    /// Size every feature dimension is projected to before the LSTM (one projection per modality and dimension); default 64.
    pub input: Count<1, 16_384>,
    /// Dropout on the projected features while training; default 0.1.
    pub dropout: Share,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            hidden: Count::literal::<64>(),
            input: Count::literal::<64>(),
            dropout: const { Share::literal(0.1) },
        }
    }
}

/// Which tokens of text the contrast between modalities takes the mean over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All: prefix, context and current utterance.
    Window,
    /// Those of the current utterance, the one that audio and video belong to.
    Current,
}

/// Which states of a fused layer the contrast between modalities compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// What the layer reads: not fused yet, or fused by the layer below.
    Input,
    /// What fusion makes of what the layer gives.
    Output,
}

/// Inter-modality contrastive learning (paper 3.5, equation 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveConfig {
    /// Weight of the text-audio losses; default 0.5.
    pub alpha: NonNegative,
    /// Weight of the text-video losses; default 0.5.
    pub beta: NonNegative,
    /// InfoNCE temperature; default 0.1.
    pub temperature: Positive,
    /// Tokens of text that are compared: `window` (default), or `current`.
    pub scope: Scope,
    /// States of a fused layer that are compared: `output` (default; paper 3.5 takes the fused ones), or `input`, as the released code does.
    pub state: State,
    /// Common size of the projected modalities; default 64.
    pub dim: Count<1, 65_536>,
    /// Width of the 1-D convolution that projects them, an odd number of steps; default 1.
    pub kernel: Odd<999>,
    /// Mean of both directions, text to modality and back, as CLIP does; default false: text is the anchor, as published.
    pub symmetric: bool,
    /// Share of all updates over which the weights of the contrastive losses rise from 0; default 0.
    pub warmup: Share,
    /// Fewest utterances of a batch with a modality for its loss to be computed; default 1.
    pub min_rows: Count<1, 65_536>,
    /// Weight of the contrast between samples (the abstract's "between modalities and samples"): utterances of one polarity, and of one emotion, of
    /// whatever corpus attract each other, and a learned prototype of each class; default 0.
    pub samples: NonNegative,
    /// Utterances of earlier batches that are keys of the contrast between samples too; default 0.
    pub queue: Count<0, 65_536>,
}

impl Default for ContrastiveConfig {
    fn default() -> Self {
        Self {
            alpha: const { NonNegative::literal(0.5) },
            beta: const { NonNegative::literal(0.5) },
            temperature: const { Positive::literal(0.1) },
            scope: Scope::Window,
            state: State::Output,
            dim: Count::literal::<64>(),
            kernel: Odd::ONE,
            symmetric: false,
            warmup: const { Share::literal(0.0) },
            min_rows: Count::literal::<1>(),
            samples: const { NonNegative::literal(0.0) },
            queue: Count::literal::<0>(),
        }
    }
}

/// The decoder over the closed label vocabulary (ours).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelDecoderConfig {
    /// Decoder layers; default 2.
    pub layers: Count<1, 100>,
    /// Attention heads; the backbone's width must be a multiple of it. Default 6 (MiniLM: 384 / 6 = 64).
    pub heads: Count<1, 1024>,
    /// Dropout of the decoder while training; default 0.1.
    pub dropout: Share,
    /// Standard deviation, in score units, of the discretised Gaussian that is the intensity target; 0 is one-hot. Default 0.3.
    pub sigma: NonNegative,
}

impl Default for LabelDecoderConfig {
    fn default() -> Self {
        Self {
            layers: Count::literal::<2>(),
            heads: Count::literal::<6>(),
            dropout: const { Share::literal(0.1) },
            sigma: const { NonNegative::literal(0.3) },
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
