//! Which features are made of a clip's audio, and their card.

use std::{fmt, path::PathBuf, str::FromStr};

use unimse_run::FeatureCard;

use crate::{
    Fault, Sequence, VoiceActivity, mel, prosody,
    video::{Faces, Settings},
    voice_activity,
};

/// Features of audio that are made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AudioFeatures {
    /// [`mel`]: 64 log-mel bands, 100 steps a second.
    #[default]
    Mel,
    /// [`prosody`]: 60 functionals of the whole clip, one step.
    Prosody,
    /// The bands of every frame and behind them the functionals of the clip: 124 numbers, 100 steps a second.
    Both,
}

impl AudioFeatures {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mel, Self::Prosody, Self::Both];

    /// `mel`, `prosody` or `both`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mel => "mel",
            Self::Prosody => "prosody",
            Self::Both => "both",
        }
    }

    /// The features of a signal at 16 kHz, all finite; and how many values were not, and are 0.
    #[must_use]
    pub fn of(self, samples: &[f32]) -> (Sequence, usize) {
        match self {
            Self::Mel => mel::from_samples(samples),
            Self::Prosody => (prosody::from_samples(samples), 0),
            Self::Both => {
                let (bands, non_finite) = mel::from_samples(samples);
                let functionals = prosody::from_samples(samples).values;
                let dim = bands.dim + functionals.len();
                let mut values = Vec::with_capacity(bands.steps() * dim);
                for frame in bands.values.chunks_exact(bands.dim) {
                    values.extend_from_slice(frame);
                    values.extend_from_slice(&functionals);
                }
                (Sequence { dim, values }, non_finite)
            }
        }
    }

    /// What other runs must share with them.
    #[must_use]
    pub fn card(self) -> FeatureCard {
        let (bands, functionals) = (mel::card(), prosody::card());
        match self {
            Self::Mel => bands,
            Self::Prosody => functionals,
            Self::Both => FeatureCard {
                tool: format!("{} + {}", bands.tool, functionals.tool),
                version: Some(format!("unimse {} {}", mel::VERSION, prosody::VERSION)),
                dimension: bands.dimension + functionals.dimension,
                settings: {
                    let settings = functionals.settings.into_iter();
                    let named = settings.map(|(name, value)| (format!("prosody_{name}"), value));
                    bands.settings.into_iter().chain(named).collect()
                },
                rate_hz: bands.rate_hz,
                weights: Default::default(),
                columns: {
                    let bands = (1..=bands.dimension).map(|band| format!("band_{band}"));
                    bands.chain(functionals.columns).collect()
                },
            },
        }
    }
}

/// Features of video that are made here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VideoFeatures {
    /// None.
    #[default]
    None,
    /// [`video`](crate::video): what the face expresses, 145 numbers, 5 steps a second.
    Faces,
    /// What the ONNX model in a file says of the face ([`onnx`](crate::video::onnx)).
    Network(PathBuf),
}

/// `none`, `faces` or the file.
impl fmt::Display for VideoFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Faces => f.write_str("faces"),
            Self::Network(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for VideoFeatures {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "faces" => Ok(Self::Faces),
            file if file.ends_with(".onnx") => Ok(Self::Network(file.into())),
            _ => Err(format!(
                "expected none, faces or a model FILE.onnx, found {name:?}"
            )),
        }
    }
}

/// What is made of clips: features of their sound, and with networks those of the face that they show.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// Of the sound.
    pub audio: AudioFeatures,
    /// What hears where somebody speaks, so that the rest is cut out before the sound is described; `None`: nothing is cut.
    pub voice_activity: Option<&'a VoiceActivity>,
    /// Of the pictures; `None`: nothing.
    pub video: Option<(&'a Faces, Settings)>,
}

impl From<AudioFeatures> for Features<'static> {
    /// Of the sound alone.
    fn from(audio: AudioFeatures) -> Self {
        Self {
            audio,
            voice_activity: None,
            video: None,
        }
    }
}

impl Features<'_> {
    /// What other runs must share with the features of the sound.
    #[must_use]
    pub fn audio_card(&self) -> FeatureCard {
        let mut card = self.audio.card();
        if let Some(voice_activity) = self.voice_activity {
            card.settings.extend(voice_activity.settings());
            let version = card.version.unwrap_or_default();
            card.version = Some(format!("{version} {}", voice_activity::VERSION));
        }
        card
    }

    /// The features of a clip's sound at 16 kHz, and how many values were not finite and are 0.
    ///
    /// # Errors
    /// [`Fault::NoSpeech`] where all that is no speech is to be cut out, and nothing is left.
    pub fn heard(&self, samples: &[f32]) -> Result<(Sequence, usize), Fault> {
        let Some(voice_activity) = self.voice_activity else {
            return Ok(self.audio.of(samples));
        };
        let speech = voice_activity.speech(samples);
        if speech.is_empty() {
            return Err(Fault::NoSpeech);
        }
        Ok(self.audio.of(&speech))
    }

    /// The section of `features.toml` and the card of each.
    pub(crate) fn cards(&self) -> Vec<(&'static str, FeatureCard)> {
        let video = self.video.map(|(faces, settings)| faces.card(&settings));
        let audio = ("audio", self.audio_card());
        let video = video.map(|card| ("video", card));
        [audio].into_iter().chain(video).collect()
    }
}

impl fmt::Display for AudioFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AudioFeatures {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|features| features.name() == name);
        found.ok_or_else(|| format!("expected mel, prosody or both, found {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_say_the_dimension_and_the_rate_of_what_is_made() {
        let second: Vec<f32> = (0..16_000).map(|i| (i % 100) as f32 / 200.0).collect();
        for features in AudioFeatures::ALL {
            let (sequence, card) = (features.of(&second).0, features.card());
            assert_eq!(sequence.dim, card.dimension, "{features}");
            assert!(
                [0, sequence.dim].contains(&card.columns.len()),
                "{features}"
            );
            // centred frames: one more than hops
            let steps = card.rate_hz.map_or(1, |rate| rate as usize + 1);
            assert_eq!(sequence.steps(), steps, "{features}");
            assert_eq!(features.name().parse(), Ok(features));
        }
    }
}
