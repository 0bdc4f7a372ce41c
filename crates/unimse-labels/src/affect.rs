//! What emotions of different taxonomies have in common: a basic emotion, a place in the plane of valence and arousal,
//! and the mapping between MELD and IEMOCAP that follows.
//!
//! | MELD | basic emotion | IEMOCAP | place on the circle |
//! |---|---|---|---|
//! | neutral | none | neutral | origin |
//! | joy | joy | joy; excited reads as joy | pleasure 0°; excited: excitement 45° |
//! | surprise | surprise | none | arousal 90° |
//! | fear | fear | none | distress 135° |
//! | anger | anger | anger; frustrated reads as anger | distress 135° |
//! | disgust | disgust | none | displeasure 180° |
//! | sadness | sadness | sadness | depression 225° |
//!
//! Basic emotions are the six of Ekman, "An argument for basic emotions", Cognition and Emotion 6 (1992), which MELD
//! annotates. The circle has the eight affect concepts of Russell, "A circumplex model of affect", Journal of Personality
//! and Social Psychology 39 (1980), 45 degrees apart; which concept stands for which emotion is our reading of it. The
//! mapping is for comparing labels, never for making them: donors do that.

use crate::names::vocabulary;
use crate::{IemocapEmotion, MeldEmotion};

vocabulary! {
    /// The six basic emotions of Ekman (1992). Read also by the words that MOSEI and IEMOCAP use for them.
    BasicEmotion, "basic emotion":
    /// anger
    Anger = "anger" | "angry" | "ang",
    /// disgust
    Disgust = "disgust" | "disgusted" | "dis",
    /// fear
    Fear = "fear" | "fearful" | "fea",
    /// joy, Ekman's enjoyment or happiness
    Joy = "joy" | "happiness" | "happy" | "hap",
    /// sadness
    Sadness = "sadness" | "sad",
    /// surprise
    Surprise = "surprise" | "surprised" | "sur",
}

/// A point in the plane of valence and arousal, inside the unit circle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affect {
    /// From -1, displeasure, to 1, pleasure.
    pub valence: f32,
    /// From -1, sleepiness, to 1, arousal.
    pub arousal: f32,
}

impl Affect {
    /// Neither pleasant nor unpleasant, neither aroused nor sleepy.
    pub const NEUTRAL: Self = Self {
        valence: 0.0,
        arousal: 0.0,
    };

    /// A point on the circle, `degrees` counted from pleasure towards arousal.
    fn at(degrees: f32) -> Self {
        let (arousal, valence) = degrees.to_radians().sin_cos();
        Self { valence, arousal }
    }

    /// Distance in the plane, 2 at most.
    pub fn distance(self, other: Self) -> f32 {
        (self.valence - other.valence).hypot(self.arousal - other.arousal)
    }
}

impl BasicEmotion {
    /// Its place on the circle of Russell (1980).
    pub fn affect(self) -> Affect {
        Affect::at(match self {
            Self::Joy => 0.0,
            Self::Surprise => 90.0,
            Self::Fear | Self::Anger => 135.0,
            Self::Disgust => 180.0,
            Self::Sadness => 225.0,
        })
    }

    /// The class of MELD that annotates it.
    pub fn meld(self) -> MeldEmotion {
        match self {
            Self::Anger => MeldEmotion::Anger,
            Self::Disgust => MeldEmotion::Disgust,
            Self::Fear => MeldEmotion::Fear,
            Self::Joy => MeldEmotion::Joy,
            Self::Sadness => MeldEmotion::Sadness,
            Self::Surprise => MeldEmotion::Surprise,
        }
    }
}

impl MeldEmotion {
    /// The basic emotion; `None` for neutral.
    pub fn basic(self) -> Option<BasicEmotion> {
        match self {
            Self::Neutral => None,
            Self::Surprise => Some(BasicEmotion::Surprise),
            Self::Fear => Some(BasicEmotion::Fear),
            Self::Sadness => Some(BasicEmotion::Sadness),
            Self::Joy => Some(BasicEmotion::Joy),
            Self::Disgust => Some(BasicEmotion::Disgust),
            Self::Anger => Some(BasicEmotion::Anger),
        }
    }

    /// Its place in the plane of valence and arousal.
    pub fn affect(self) -> Affect {
        self.basic().map_or(Affect::NEUTRAL, BasicEmotion::affect)
    }

    /// The class of IEMOCAP that means the same; `None` for surprise, fear and disgust, which IEMOCAP's six leave out.
    pub fn to_iemocap(self) -> Option<IemocapEmotion> {
        match self {
            Self::Neutral => Some(IemocapEmotion::Neutral),
            Self::Sadness => Some(IemocapEmotion::Sadness),
            Self::Joy => Some(IemocapEmotion::Joy),
            Self::Anger => Some(IemocapEmotion::Anger),
            Self::Surprise | Self::Fear | Self::Disgust => None,
        }
    }
}

impl IemocapEmotion {
    /// The basic emotion it is nearest to, excited counted as joy and frustrated as anger; `None` for neutral.
    pub fn basic(self) -> Option<BasicEmotion> {
        match self {
            Self::Neutral => None,
            Self::Joy | Self::Excited => Some(BasicEmotion::Joy),
            Self::Sadness => Some(BasicEmotion::Sadness),
            Self::Anger | Self::Frustrated => Some(BasicEmotion::Anger),
        }
    }

    /// Its place in the plane of valence and arousal.
    pub fn affect(self) -> Affect {
        match self {
            Self::Excited => Affect::at(45.0),
            other => other.basic().map_or(Affect::NEUTRAL, BasicEmotion::affect),
        }
    }

    /// The class of MELD for it: the same word, excited read as joy and frustrated as anger.
    pub fn to_meld(self) -> MeldEmotion {
        self.basic()
            .map_or(MeldEmotion::Neutral, BasicEmotion::meld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Polarity;

    #[test]
    fn the_mapping_keeps_what_both_taxonomies_have() {
        for meld in MeldEmotion::ALL {
            if let Some(iemocap) = meld.to_iemocap() {
                assert_eq!((iemocap.to_meld(), iemocap.name()), (meld, meld.name()));
                assert_eq!(iemocap.affect(), meld.affect());
            }
            assert_eq!(
                meld.basic()
                    .map(BasicEmotion::meld)
                    .unwrap_or(MeldEmotion::Neutral),
                meld
            );
        }
    }

    #[test]
    fn valence_has_the_sign_of_the_polarity() {
        for emotion in IemocapEmotion::ALL {
            let Affect { valence, arousal } = emotion.affect();
            assert_eq!(
                Polarity::from_score(valence),
                emotion.polarity(),
                "{emotion}"
            );
            assert!(valence.hypot(arousal) < 1.000_001);
        }
        let half = 0.5_f32.sqrt(); // sin and cos of 45 degrees
        let excited = IemocapEmotion::Excited.affect();
        assert!((excited.valence - half).abs() < 1e-6 && (excited.arousal - half).abs() < 1e-6);
        let far = Affect::at(0.0).distance(Affect::at(180.0));
        assert!((far - 2.0).abs() < 1e-6);
    }
}
