//! The closed vocabularies of the label space. Their order is canonical: tables, class indices and confusion
//! matrices follow it everywhere.

use thiserror::Error;

/// A word outside a closed vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown {kind} `{found}`, expected one of: {expected}")]
pub struct UnknownName {
    /// Which vocabulary was asked.
    pub kind: &'static str,
    /// The word as it was found.
    pub found: String,
    /// The words of the vocabulary, comma separated.
    pub expected: String,
}

impl UnknownName {
    /// The error for `found`, where `expected` are the words of the vocabulary `kind`.
    pub fn new(kind: &'static str, found: &str, expected: &[&str]) -> Self {
        Self {
            kind,
            found: found.to_owned(),
            expected: expected.join(", "),
        }
    }
}

/// Declares an enum over a closed vocabulary: canonical order and names, `Display`, `FromStr` and serde by name.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $type:ident, $kind:literal: $($(#[$doc:meta])* $variant:ident = $name:literal $(| $alias:literal)*),+ $(,)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $name $(, alias = $alias)*)] $variant),+
        }

        impl $type {
            /// Every value, in canonical order.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];
            /// The canonical names, in the order of [`ALL`](Self::ALL).
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($name),+];

            /// The canonical name.
            pub const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The position in [`ALL`](Self::ALL).
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownName::new($kind, text, &Self::NAMES)),
                }
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// Direction of a sentiment; the one field that every labelled utterance has.
    Polarity, "polarity":
    /// A score below zero.
    Negative = "negative",
    /// A score of zero.
    Neutral = "neutral",
    /// A score above zero.
    Positive = "positive",
}

impl Polarity {
    /// The sign of a score; both zeros are neutral, and so is NaN, which no corpus reader lets through.
    pub fn from_score(score: f32) -> Self {
        if score > 0.0 {
            Self::Positive
        } else if score < 0.0 {
            Self::Negative
        } else {
            Self::Neutral
        }
    }
}

vocabulary! {
    /// The seven emotions of MELD.
    MeldEmotion, "meld emotion":
    /// neutral
    Neutral = "neutral",
    /// surprise, positive or negative
    Surprise = "surprise",
    /// fear
    Fear = "fear",
    /// sadness
    Sadness = "sadness",
    /// joy
    Joy = "joy",
    /// disgust
    Disgust = "disgust",
    /// anger
    Anger = "anger",
}

vocabulary! {
    /// The six emotions of the IEMOCAP benchmark.
    IemocapEmotion, "iemocap emotion":
    /// joy, `hap` in the release
    Joy = "joy",
    /// sadness, `sad` in the release
    Sadness = "sadness",
    /// neutral, `neu` in the release
    Neutral = "neutral",
    /// anger, `ang` in the release
    Anger = "anger",
    /// excited, `exc` in the release
    Excited = "excited",
    /// frustrated, `fru` in the release
    Frustrated = "frustrated",
}

impl IemocapEmotion {
    /// Reads a code of the release; `None` for `sur`, `fea`, `dis`, `oth`, `xxx` and everything else outside the six.
    pub fn from_release_code(code: &str) -> Option<Self> {
        match code {
            "hap" => Some(Self::Joy),
            "sad" => Some(Self::Sadness),
            "neu" => Some(Self::Neutral),
            "ang" => Some(Self::Anger),
            "exc" => Some(Self::Excited),
            "fru" => Some(Self::Frustrated),
            _ => None,
        }
    }

    /// The polarity that IEMOCAP, which has no sentiment labels, takes from its emotions.
    pub fn polarity(self) -> Polarity {
        match self {
            Self::Neutral => Polarity::Neutral,
            Self::Joy | Self::Excited => Polarity::Positive,
            Self::Anger | Self::Sadness | Self::Frustrated => Polarity::Negative,
        }
    }
}

vocabulary! {
    /// A set of emotions with its own data set.
    Taxonomy, "taxonomy":
    /// [`MeldEmotion`]
    Meld = "meld",
    /// [`IemocapEmotion`]
    Iemocap = "iemocap",
}

impl Taxonomy {
    /// Class names in canonical order: index them with `MeldEmotion::index` or `IemocapEmotion::index`.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Meld => &MeldEmotion::NAMES,
            Self::Iemocap => &IemocapEmotion::NAMES,
        }
    }
}

vocabulary! {
    /// A part of the universal label (paper, section 3.2).
    Field, "field":
    /// Direction of the sentiment, which every labelled utterance has of its own.
    Polarity = "polarity",
    /// Strength of the sentiment in [-3, 3], from the corpora for sentiment analysis.
    Intensity = "intensity",
    /// Emotion in the taxonomy of MELD.
    Meld = "meld",
    /// Emotion in the taxonomy of IEMOCAP.
    Iemocap = "iemocap",
}

vocabulary! {
    /// A part of a corpus. `valid` and `val` are read as `dev`.
    Split, "split":
    /// For fitting.
    Train = "train",
    /// For selection.
    Dev = "dev" | "valid" | "val",
    /// For one final measurement.
    Test = "test",
}

vocabulary! {
    /// Where the value of a field came from.
    Source, "source":
    /// The corpus itself.
    Gold = "gold",
    /// The nearest utterance of the same polarity in another corpus.
    Donor = "donor",
    /// The rule for neutral utterances: intensity 0, emotion neutral.
    Rule = "rule",
    /// Nowhere: there is no value. It is masked from the loss and never scored.
    Missing = "missing",
}
