//! From what the model says to one score and one class per utterance, chosen on dev (design section 4).

use serde::{Deserialize, Serialize};
use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity};
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

    /// `text`, `expectation` or `median`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Expectation => "expectation",
            Self::Median => "median",
        }
    }

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
        let neutral = MeldEmotion::Neutral.index();
        self.class(
            p.text_label.meld.map(|e| e.index()),
            p.meld.as_deref(),
            neutral,
        )
    }

    /// Class of the IEMOCAP taxonomy.
    #[must_use]
    pub fn iemocap(self, p: &Prediction) -> usize {
        let neutral = IemocapEmotion::Neutral.index();
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
        let intensity = self.intensity.name();
        let emotion = if self.emotion == EmotionReadout::Text {
            "text"
        } else {
            "marginal"
        };
        write!(f, "intensity: {intensity}, emotion: {emotion}")
    }
}

/// One answer as a run reads it: what `predict` prints and `predictions.parquet` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The most probable polarity.
    pub polarity: Polarity,
    /// The score in [-3, 3]; `None` where the run has no intensities.
    pub intensity: Option<f32>,
    /// `None` where the run has no MELD emotions.
    pub meld: Option<MeldEmotion>,
    /// `None` where the run has no IEMOCAP emotions.
    pub iemocap: Option<IemocapEmotion>,
    /// Why fields do not agree, a sentence each; empty where they do. See [`Readout::read`].
    pub disagreements: Vec<String>,
}

/// A neutral answer may have a score that rounds to 0.
const NEUTRAL_SCORE: f32 = 0.5;

impl Readout {
    /// Reads every field. Each is the best answer to its own question, as its metric scores it, so two may disagree; the reading says
    /// where:
    ///
    /// - the score has not the sign of the polarity (neutral: it does not round to 0);
    /// - an emotion has another polarity than the answer (MELD's surprise has none);
    /// - an emotion that was generated is not the most probable one.
    #[must_use]
    pub fn read(self, p: &Prediction) -> Reading {
        let polarity = arg_max(&p.polarity).map_or(Polarity::Neutral, |i| Polarity::ALL[i]);
        let meld = p
            .meld
            .as_ref()
            .map(|_| MeldEmotion::ALL[self.emotion.meld(p)]);
        let iemocap = p.iemocap.as_ref();
        let iemocap = iemocap.map(|_| IemocapEmotion::ALL[self.emotion.iemocap(p)]);
        let intensity = (!p.intensity.is_empty()).then(|| self.intensity.score(p));
        let mut disagreements = Vec::new();
        disagreements.extend(intensity.and_then(|score| self.score_against(polarity, score, p)));
        let emotions = [
            (
                "meld",
                meld.map(|e| (e.name(), e.index(), meld_polarity(e))),
                &p.meld,
            ),
            (
                "iemocap",
                iemocap.map(|e| (e.name(), e.index(), Some(e.polarity()))),
                &p.iemocap,
            ),
        ];
        for (field, emotion, probabilities) in emotions {
            let (Some((name, index, of)), Some(probabilities)) = (emotion, probabilities) else {
                continue;
            };
            if let Some(of) = of.filter(|&of| of != polarity) {
                disagreements.push(format!(
                    "{field} {name} is {of}, the most probable polarity is {polarity}"
                ));
            }
            let top = probabilities.iter().copied().fold(0.0, f64::max);
            if probabilities[index] < top {
                disagreements.push(format!(
                    "{field} {name} ({:.2}) was generated, the most probable one has {top:.2}",
                    probabilities[index]
                ));
            }
        }
        Reading {
            polarity,
            intensity,
            meld,
            iemocap,
            disagreements,
        }
    }

    fn score_against(self, polarity: Polarity, score: f32, p: &Prediction) -> Option<String> {
        let agrees = match polarity {
            Polarity::Negative => score < 0.0,
            Polarity::Neutral => score.abs() < NEUTRAL_SCORE,
            Polarity::Positive => score > 0.0,
        };
        (!agrees).then(|| {
            format!(
                "intensity {score:.2} ({}) is {}, the most probable polarity is {polarity} ({:.2}); the mean of its scores alone is {:.2}",
                self.intensity.name(),
                Polarity::from_score(score),
                p.polarity[polarity.index()],
                mean_within(polarity, p)
            )
        })
    }
}

/// Mean of the scores with the sign of `polarity` under their distribution; 0 where they have no mass.
fn mean_within(polarity: Polarity, p: &Prediction) -> f64 {
    let own = p
        .intensity
        .iter()
        .filter(|(score, _)| Polarity::from_score(*score) == polarity);
    let (mass, sum) = own.fold((0.0, 0.0), |(mass, sum), &(score, q)| {
        (mass + q, sum + f64::from(score) * q)
    });
    if mass > 0.0 { sum / mass } else { 0.0 }
}

/// The polarity of an emotion in MELD, whose labellers gave each emotion but surprise one sentiment.
fn meld_polarity(emotion: MeldEmotion) -> Option<Polarity> {
    match emotion {
        MeldEmotion::Surprise => None,
        MeldEmotion::Neutral => Some(Polarity::Neutral),
        MeldEmotion::Joy => Some(Polarity::Positive),
        MeldEmotion::Fear | MeldEmotion::Sadness | MeldEmotion::Disgust | MeldEmotion::Anger => {
            Some(Polarity::Negative)
        }
    }
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
    use unimse_labels::PlainLabel;

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
        assert_eq!(MARGINAL.read(&p).polarity, Polarity::Positive);
    }

    const MARGINAL: Readout = Readout::TRAINING;

    /// Positive is most probable, and yet the mean leans the other way: both are right, and the answer says why.
    #[test]
    fn a_positive_answer_of_negative_intensity_says_why() {
        let mut p = prediction();
        p.polarity = [0.44, 0.0, 0.56];
        p.intensity = vec![(-2.0, 0.44), (1.0, 0.28), (1.857, 0.28)];
        p.meld = Some(vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let reading = MARGINAL.read(&p);
        assert_eq!(reading.polarity, Polarity::Positive);
        let mean = -2.0 * 0.44 + 1.0 * 0.28 + 1.857 * 0.28;
        assert!((f64::from(reading.intensity.unwrap_or_default()) - mean).abs() < 1e-6);
        assert_eq!(format!("{mean:.2}"), "-0.08");
        // (1 + 1.857) / 2 = 1.4285
        assert_eq!(
            reading.disagreements,
            [
                "intensity -0.08 (expectation) is negative, the most probable polarity is positive (0.56); the mean of its scores alone is 1.43"
            ]
        );
        p.intensity = vec![(-1.0, 0.44), (2.0, 0.56)];
        assert!(MARGINAL.read(&p).disagreements.is_empty());
    }

    #[test]
    fn emotions_that_contradict_say_so() {
        // marginal: neutral (0.40) beside positive; text: joy (0.35), which is not the most probable
        let text = Readout {
            intensity: IntensityReadout::Text,
            emotion: EmotionReadout::Text,
        };
        let reading = text.read(&prediction());
        assert_eq!(reading.meld, Some(MeldEmotion::Joy));
        assert_eq!(
            reading.disagreements,
            ["meld joy (0.35) was generated, the most probable one has 0.40"]
        );
        let mut p = prediction();
        p.intensity = vec![(1.0, 1.0)];
        assert_eq!(
            MARGINAL.read(&p).disagreements,
            ["meld neutral is neutral, the most probable polarity is positive"]
        );
    }

    #[test]
    fn a_neutral_answer_may_have_a_score_that_rounds_to_zero() {
        let mut p = prediction();
        (p.meld, p.polarity) = (None, [0.3, 0.4, 0.3]);
        for (score, agrees) in [
            (-0.49, true),
            (0.0, true),
            (0.49, true),
            (0.5, false),
            (-0.6, false),
        ] {
            p.intensity = vec![(score, 1.0)];
            assert_eq!(
                MARGINAL.read(&p).disagreements.is_empty(),
                agrees,
                "{score}"
            );
        }
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
