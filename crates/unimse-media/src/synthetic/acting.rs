//! How an emotion sounds and looks.
//!
//! The voice follows the directions that Juslin and Laukka (Psychological Bulletin 129, 2003, table 7) collect from 104 studies of speech: pitch,
//! its range, loudness, rate and quality. The face follows the action units of EMFACS (Friesen and Ekman, 1983): joy 6+12, sadness 1+4+15,
//! surprise 1+2+5+26, fear 1+2+4+5+20+26, anger 4+5+7+23, disgust 9+10+15. The sizes are ours.

use unimse_labels::BasicEmotion;

/// What somebody shows while speaking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acting {
    /// `None` is neutral.
    pub emotion: Option<BasicEmotion>,
    /// How much of it shows, from 0, nothing, to 1, all.
    pub intensity: f32,
}

impl Acting {
    /// Nothing is shown.
    pub const NEUTRAL: Self = Self {
        emotion: None,
        intensity: 0.0,
    };
}

/// How an emotion changes a neutral voice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Semitones above the speaker's own pitch.
    pub(super) pitch: f64,
    /// Logarithm (base 2) of the pitch range beside that of neutral speech.
    pub(super) range: f64,
    /// Semitones that the pitch rises to the end.
    pub(super) rise: f64,
    /// Decibels.
    pub(super) loudness: f64,
    /// Logarithm (base 2) of the syllables a second beside those of neutral speech.
    pub(super) rate: f64,
    /// Change of the share of a period in which the glottis is open.
    pub(super) openness: f64,
    /// Breath beside the glottal pulses, 0 to 1.
    pub(super) breath: f64,
    /// Change of a period from pulse to pulse, a share of it.
    pub(super) jitter: f64,
    /// Resonances, a share above the neutral ones: spread lips make the tract shorter.
    pub(super) resonance: f64,
}

/// How far muscles of a face move, 0 to 1 each; the numbers are those of the Facial Action Coding System.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Muscles {
    /// Inner brow raised, 1.
    pub(super) brow_inner: f32,
    /// Outer brow raised, 2.
    pub(super) brow_outer: f32,
    /// Brow lowered, 4.
    pub(super) brow_lower: f32,
    /// Upper lid raised, 5.
    pub(super) lid: f32,
    /// Cheek raised and lids tightened, 6 and 7.
    pub(super) squint: f32,
    /// Nose wrinkled and upper lip raised, 9 and 10.
    pub(super) wrinkle: f32,
    /// Corners of the lips pulled, 12.
    pub(super) smile: f32,
    /// Corners of the lips lowered, 15.
    pub(super) frown: f32,
    /// Lips stretched, 20.
    pub(super) stretch: f32,
    /// Lips tightened, 23.
    pub(super) press: f32,
    /// Jaw dropped, 26.
    pub(super) jaw: f32,
}

impl Acting {
    pub(super) fn manner(self) -> Manner {
        let Some(emotion) = self.emotion else {
            return Manner::default();
        };
        let [
            pitch,
            range,
            rise,
            loudness,
            rate,
            openness,
            breath,
            jitter,
            resonance,
        ] = match emotion {
            BasicEmotion::Anger => [4.0, 0.7, -1.0, 7.0, 0.25, -0.15, 0.0, 0.004, 0.02],
            BasicEmotion::Joy => [5.0, 0.9, 1.0, 4.0, 0.15, -0.05, 0.02, 0.0, 0.05],
            BasicEmotion::Sadness => [-2.5, -1.0, -1.5, -7.0, -0.45, 0.15, 0.15, 0.006, -0.03],
            BasicEmotion::Fear => [6.0, -0.6, 0.5, -1.0, 0.4, 0.1, 0.1, 0.025, 0.02],
            BasicEmotion::Disgust => [-3.5, -0.4, -2.5, -1.5, -0.35, -0.1, 0.02, 0.018, -0.05],
            BasicEmotion::Surprise => [6.5, 1.0, 6.0, 2.5, 0.0, 0.0, 0.04, 0.0, 0.01],
        }
        .map(|change| change * f64::from(self.intensity));
        Manner {
            pitch,
            range,
            rise,
            loudness,
            rate,
            openness,
            breath,
            jitter,
            resonance,
        }
    }

    pub(super) fn muscles(self) -> Muscles {
        let much = self.intensity;
        let still = Muscles::default();
        match self.emotion {
            None => still,
            Some(BasicEmotion::Joy) => Muscles {
                squint: 0.7 * much,
                smile: much,
                jaw: 0.15 * much,
                ..still
            },
            Some(BasicEmotion::Sadness) => Muscles {
                brow_inner: much,
                brow_lower: 0.3 * much,
                frown: much,
                squint: 0.3 * much,
                ..still
            },
            Some(BasicEmotion::Surprise) => Muscles {
                brow_inner: much,
                brow_outer: much,
                lid: much,
                jaw: 0.9 * much,
                ..still
            },
            Some(BasicEmotion::Fear) => Muscles {
                brow_inner: much,
                brow_outer: 0.4 * much,
                brow_lower: 0.4 * much,
                lid: 0.9 * much,
                stretch: much,
                jaw: 0.35 * much,
                ..still
            },
            Some(BasicEmotion::Anger) => Muscles {
                brow_lower: much,
                lid: 0.4 * much,
                squint: 0.5 * much,
                press: much,
                frown: 0.3 * much,
                ..still
            },
            Some(BasicEmotion::Disgust) => Muscles {
                brow_lower: 0.5 * much,
                squint: 0.8 * much,
                wrinkle: much,
                frown: 0.6 * much,
                ..still
            },
        }
    }
}
