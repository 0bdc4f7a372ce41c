//! From what the model says to one score and one class per utterance, chosen on dev (design section 4).

use serde::{Deserialize, Serialize};
use unimse_labels::Polarity;
use unimse_model::batch::Prediction;

/// How an intensity is read from its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntensityReadout {
    /// The generated text (as published).
    Text,
    /// Mean of the constrained distribution.
    Expectation,
    /// Median of the constrained distribution.
    Median,
}

impl IntensityReadout {
    /// All of them, the published one first: it wins ties.
    pub const ALL: [Self; 3] = [Self::Text, Self::Expectation, Self::Median];

    /// The score this readout takes from a prediction; an output without one reads as 0.
    #[must_use]
    pub fn score(self, p: &Prediction) -> f32 {
        match self {
            Self::Text => p.text_label.intensity.unwrap_or(0.0),
            Self::Expectation => p.expected_intensity() as f32,
            Self::Median => p.intensity_quantile(0.5) as f32,
        }
    }
}

/// How a class is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    fn class(self, text: Option<usize>, probabilities: Option<&[f64]>, neutral: usize) -> usize {
        match self {
            Self::Text => text.unwrap_or(neutral),
            Self::Marginal => probabilities.and_then(arg_max).or(text).unwrap_or(neutral),
        }
    }

    /// Class of the MELD taxonomy.
    #[must_use]
    pub fn meld(self, p: &Prediction) -> usize {
        let neutral = unimse_labels::MeldEmotion::Neutral.index();
        self.class(
            p.text_label.meld.map(|e| e.index()),
            p.meld.as_deref(),
            neutral,
        )
    }

    /// Class of the IEMOCAP taxonomy.
    #[must_use]
    pub fn iemocap(self, p: &Prediction) -> usize {
        let neutral = unimse_labels::IemocapEmotion::Neutral.index();
        self.class(
            p.text_label.iemocap.map(|e| e.index()),
            p.iemocap.as_deref(),
            neutral,
        )
    }
}

/// The readouts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl std::fmt::Display for Readout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let intensity = match self.intensity {
            IntensityReadout::Text => "text",
            IntensityReadout::Expectation => "expectation",
            IntensityReadout::Median => "median",
        };
        let emotion = if self.emotion == EmotionReadout::Text {
            "text"
        } else {
            "marginal"
        };
        write!(f, "intensity: {intensity}, emotion: {emotion}")
    }
}

/// The most probable polarity.
#[must_use]
pub fn polarity(p: &Prediction) -> Polarity {
    arg_max(&p.polarity).map_or(Polarity::Neutral, |i| Polarity::ALL[i])
}

/// First index of the largest value.
fn arg_max(values: &[f64]) -> Option<usize> {
    let mut best = None;
    for (i, &v) in values.iter().enumerate() {
        if best.is_none_or(|(_, b)| v > b) {
            best = Some((i, v));
        }
    }
    best.map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unimse_labels::{MeldEmotion, PlainLabel};

    fn prediction() -> Prediction {
        Prediction {
            raw: "positive,1.0,joy".into(),
            unexplored: 0.0,
            polarity: [0.2, 0.3, 0.5],
            intensity: vec![(-1.0, 0.2), (0.0, 0.3), (1.0, 0.3), (3.0, 0.2)],
            meld: Some(vec![0.4, 0.0, 0.0, 0.0, 0.35, 0.0, 0.25]),
            iemocap: None,
            text_label: PlainLabel {
                polarity: Polarity::Positive,
                intensity: Some(1.0),
                meld: Some(MeldEmotion::Joy),
                iemocap: None,
            },
            repairs: 0,
            parsable: true,
        }
    }

    #[test]
    fn each_readout_takes_its_statistic() {
        let p = prediction();
        assert_eq!(IntensityReadout::Text.score(&p), 1.0);
        assert!((IntensityReadout::Expectation.score(&p) - (-0.2 + 0.3 + 0.6)).abs() < 1e-6);
        assert_eq!(IntensityReadout::Median.score(&p), 0.0);
        assert_eq!(EmotionReadout::Text.meld(&p), MeldEmotion::Joy.index());
        assert_eq!(
            EmotionReadout::Marginal.meld(&p),
            MeldEmotion::Neutral.index()
        );
        assert_eq!(polarity(&p), Polarity::Positive);
    }

    #[test]
    fn an_unparsable_output_is_neutral_and_zero() {
        let mut p = prediction();
        p.parsable = false;
        p.text_label = PlainLabel {
            polarity: Polarity::Neutral,
            intensity: None,
            meld: None,
            iemocap: None,
        };
        assert_eq!(IntensityReadout::Text.score(&p), 0.0);
        assert_eq!(
            EmotionReadout::Text.iemocap(&p),
            unimse_labels::IemocapEmotion::Neutral.index()
        );
    }
}
