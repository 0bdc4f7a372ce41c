//! From what the model says to one score and one class per utterance, chosen on dev.

use unimse_labels::{Field, FieldValue, IemocapEmotion, MeldEmotion, Polarity};
use unimse_model::batch::Prediction;
use unimse_run::{EmotionReadout, IntensityReadout, Readout};

/// The score that `readout` takes from a prediction; an output without one reads as 0.
#[must_use]
pub fn score(readout: IntensityReadout, p: &Prediction) -> f32 {
    match readout {
        IntensityReadout::Text => p.text_label.intensity.unwrap_or(0.0),
        IntensityReadout::Expectation => p.expected_intensity() as f32,
        IntensityReadout::Median => p.intensity_quantile(0.5) as f32,
        IntensityReadout::SignedMedian => match p.intensity_quantile(0.5) as f32 {
            0.0 => heavier_side(p) * half_step(p),
            median => median,
        },
    }
}

/// 1 where more of the distribution is above 0 than below it, -1 where less is, 0 where as much is.
fn heavier_side(p: &Prediction) -> f32 {
    let signed = |&(score, q): &(f32, f64)| match score {
        0.0 => 0.0,
        score => q * f64::from(score.signum()),
    };
    match p.intensity.iter().map(signed).sum::<f64>() {
        0.0 => 0.0,
        more => more.signum() as f32,
    }
}

/// Half of the smallest score above 0 that the labels can print: 0.05 with one decimal.
pub(crate) fn half_step(p: &Prediction) -> f32 {
    let scores = p.intensity.iter().map(|&(score, _)| score);
    let smallest = scores.filter(|&score| score > 0.0).min_by(f32::total_cmp);
    smallest.unwrap_or_default() / 2.0
}

/// The class of `field` that `readout` takes from a prediction; an output without one reads as neutral.
#[must_use]
pub fn class(readout: EmotionReadout, field: Field, p: &Prediction) -> usize {
    let text = p.text_label.get(field).and_then(|value| match value {
        FieldValue::Class(class) => Some(class),
        FieldValue::Score(_) => None,
    });
    let class = match readout {
        EmotionReadout::Text => text,
        EmotionReadout::Marginal => p.classes(field).and_then(arg_max).or(text),
    };
    let neutral = |names: &[&str]| names.iter().position(|name| *name == "neutral");
    class
        .or_else(|| field.classes().and_then(neutral))
        .unwrap_or_default()
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
    /// Why fields do not agree, a sentence each; empty where they do. See [`read`].
    pub disagreements: Vec<String>,
}

/// A neutral answer may have a score that rounds to 0.
const NEUTRAL_SCORE: f32 = 0.5;

/// Reads every field. Each is the best answer to its own question, as its metric scores it, so two may disagree; the reading says
/// where:
///
/// - the score has not the sign of the polarity (neutral: it does not round to 0);
/// - an emotion has another polarity than the answer (MELD's surprise has none);
/// - an emotion that was generated is not the most probable one.
#[must_use]
pub fn read(readout: Readout, p: &Prediction) -> Reading {
    let polarity = arg_max(&p.polarity).map_or(Polarity::Neutral, |i| Polarity::ALL[i]);
    let intensity = (!p.intensity.is_empty()).then(|| score(readout.intensity, p));
    let emotion = |field| p.classes(field).map(|_| class(readout.emotion, field, p));
    let meld = emotion(Field::Meld).map(|class| MeldEmotion::ALL[class]);
    let iemocap = emotion(Field::Iemocap).map(|class| IemocapEmotion::ALL[class]);
    let mut disagreements = Vec::new();
    disagreements
        .extend(intensity.and_then(|score| score_against(polarity, score, readout.intensity, p)));
    if let Some(emotion) = meld {
        let own = meld_polarity(emotion);
        emotion_against(
            polarity,
            Field::Meld,
            emotion.index(),
            own,
            p,
            &mut disagreements,
        );
    }
    if let Some(emotion) = iemocap {
        let own = Some(emotion.polarity());
        emotion_against(
            polarity,
            Field::Iemocap,
            emotion.index(),
            own,
            p,
            &mut disagreements,
        );
    }
    Reading {
        polarity,
        intensity,
        meld,
        iemocap,
        disagreements,
    }
}

/// Adds why an emotion, whose polarity is `own`, does not agree with the answer's polarity or with its own distribution.
fn emotion_against(
    polarity: Polarity,
    field: Field,
    class: usize,
    own: Option<Polarity>,
    p: &Prediction,
    disagreements: &mut Vec<String>,
) {
    let (Some(names), Some(probabilities)) = (field.classes(), p.classes(field)) else {
        return;
    };
    let name = names[class];
    if let Some(own) = own.filter(|&own| own != polarity) {
        disagreements.push(format!(
            "{field} {name} is {own}, the most probable polarity is {polarity}"
        ));
    }
    let top = probabilities.iter().copied().fold(0.0, f64::max);
    if probabilities[class] < top {
        disagreements.push(format!(
            "{field} {name} ({:.2}) was generated, the most probable one has {top:.2}",
            probabilities[class]
        ));
    }
}

/// Why a score does not agree with the answer's polarity; `None` where it does.
fn score_against(
    polarity: Polarity,
    score: f32,
    readout: IntensityReadout,
    p: &Prediction,
) -> Option<String> {
    let agrees = match polarity {
        Polarity::Negative => score < 0.0,
        Polarity::Neutral => score.abs() < NEUTRAL_SCORE,
        Polarity::Positive => score > 0.0,
    };
    (!agrees).then(|| {
        format!(
            "intensity {score:.2} ({}) is {}, the most probable polarity is {polarity} ({:.2}); the mean of its scores alone is {:.2}",
            readout.name(),
            Polarity::from_score(score),
            p.polarity[polarity.index()],
            mean_within(polarity, p)
        )
    })
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
        assert_eq!(score(IntensityReadout::Text, &p), 1.0);
        assert!((score(IntensityReadout::Expectation, &p) - (-0.2 + 0.3 + 0.6)).abs() < 1e-6);
        assert_eq!(score(IntensityReadout::Median, &p), 0.0);
        // 0.2 of the distribution below 0, 0.5 above, half of the smallest score
        assert_eq!(score(IntensityReadout::SignedMedian, &p), 0.5);
        let mut p = p;
        p.intensity = vec![(-1.0, 0.4), (0.0, 0.3), (1.0, 0.3)];
        assert_eq!(score(IntensityReadout::SignedMedian, &p), -0.5);
        p.intensity = vec![(-1.0, 0.25), (0.0, 0.5), (1.0, 0.25)];
        assert_eq!(score(IntensityReadout::SignedMedian, &p), 0.0);
        p.intensity = vec![(-1.0, 0.1), (0.0, 0.2), (1.0, 0.7)];
        assert_eq!(score(IntensityReadout::SignedMedian, &p), 1.0);
        assert_eq!(
            class(EmotionReadout::Text, Field::Meld, &p),
            MeldEmotion::Joy.index()
        );
        assert_eq!(
            class(EmotionReadout::Marginal, Field::Meld, &p),
            MeldEmotion::Neutral.index()
        );
        assert_eq!(read(MARGINAL, &p).polarity, Polarity::Positive);
    }

    const MARGINAL: Readout = Readout::TRAINING;

    /// Positive is most probable, and yet the mean leans the other way: both are right, and the answer says why.
    #[test]
    fn a_positive_answer_of_negative_intensity_says_why() {
        let mut p = prediction();
        p.polarity = [0.44, 0.0, 0.56];
        p.intensity = vec![(-2.0, 0.44), (1.0, 0.28), (1.857, 0.28)];
        p.meld = Some(vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let reading = read(MARGINAL, &p);
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
        assert!(read(MARGINAL, &p).disagreements.is_empty());
    }

    #[test]
    fn emotions_that_contradict_say_so() {
        // marginal: neutral (0.40) beside positive; text: joy (0.35), which is not the most probable
        let text = Readout {
            intensity: IntensityReadout::Text,
            emotion: EmotionReadout::Text,
        };
        let reading = read(text, &prediction());
        assert_eq!(reading.meld, Some(MeldEmotion::Joy));
        assert_eq!(
            reading.disagreements,
            ["meld joy (0.35) was generated, the most probable one has 0.40"]
        );
        let mut p = prediction();
        p.intensity = vec![(1.0, 1.0)];
        assert_eq!(
            read(MARGINAL, &p).disagreements,
            ["meld neutral is neutral, the most probable polarity is positive"]
        );
    }

    #[test]
    fn a_neutral_answer_may_have_a_score_that_rounds_to_zero() {
        let mut p = prediction();
        (p.meld, p.polarity) = (None, [0.3, 0.4, 0.3]);
        for (value, agrees) in [
            (-0.49, true),
            (0.0, true),
            (0.49, true),
            (0.5, false),
            (-0.6, false),
        ] {
            p.intensity = vec![(value, 1.0)];
            assert_eq!(
                read(MARGINAL, &p).disagreements.is_empty(),
                agrees,
                "{value}"
            );
        }
    }

    #[test]
    fn an_unparsable_output_is_neutral_and_zero() {
        let mut p = prediction();
        p.parsable = false;
        p.text_label = PlainLabel::of_polarity(Polarity::Neutral);
        assert_eq!(score(IntensityReadout::Text, &p), 0.0);
        assert_eq!(
            class(EmotionReadout::Text, Field::Iemocap, &p),
            unimse_labels::IemocapEmotion::Neutral.index()
        );
    }
}
