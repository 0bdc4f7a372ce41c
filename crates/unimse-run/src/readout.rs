//! How one score and one class are read off a model's distributions. Dev chooses; the card of the model and the results say which.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an intensity is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntensityReadout {
    /// The generated text (as published).
    Text,
    /// Mean of the constrained distribution.
    Expectation,
    /// Median of the constrained distribution.
    Median,
    /// The median; where that is exactly 0, half of the smallest score towards the side that has more of the distribution (ours). It is
    /// 0 to Acc-7, at most that half worse to MAE, and has a sign for Acc-2, which the median lacks wherever many scores are 0.
    SignedMedian,
}

impl IntensityReadout {
    /// Those of which the lowest error decides, the published one first: it wins ties. [`IntensityReadout::SignedMedian`] is a
    /// second choice, beside the median.
    pub const ALL: [Self; 3] = [Self::Text, Self::Expectation, Self::Median];

    /// `text`, `expectation`, `median` or `signed_median`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Expectation => "expectation",
            Self::Median => "median",
            Self::SignedMedian => "signed_median",
        }
    }
}

/// How a class is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmotionReadout {
    /// The generated text (as published); an unparsable output reads as neutral.
    Text,
    /// The most probable class, summed over polarities and intensities.
    Marginal,
}

impl EmotionReadout {
    /// All of them, the published one first: it wins ties.
    pub const ALL: [Self; 2] = [Self::Text, Self::Marginal];

    /// `text` or `marginal`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Marginal => "marginal",
        }
    }
}

/// The readouts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readout {
    /// For scores.
    pub intensity: IntensityReadout,
    /// For classes.
    pub emotion: EmotionReadout,
}

impl Readout {
    /// While training, dev is read this way in every epoch.
    pub const TRAINING: Self = Self {
        intensity: IntensityReadout::Expectation,
        emotion: EmotionReadout::Marginal,
    };
}

impl fmt::Display for Readout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (intensity, emotion) = (self.intensity.name(), self.emotion.name());
        write!(f, "intensity: {intensity}, emotion: {emotion}")
    }
}
