//! The sound of a clip as a model was trained on it: the same features, of speech alone where training had cut out the rest.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use unimse_corpus::Sequence;
use unimse_media::{
    AudioFeatures, Fault, Features, MediaError, Span, VoiceActivity, read_clip, voice_activity,
};
use unimse_run::FeatureCard;

use super::senses::{Made, is_empty};

/// What makes the features of sound for a model.
#[derive(Clone, Debug)]
pub(super) struct Sounds {
    audio: AudioFeatures,
    /// That of training.
    card: FeatureCard,
    /// What cuts out all but speech, where training had that: read with the first clip, or why that was not possible.
    speech: Option<Arc<OnceLock<Result<VoiceActivity, String>>>>,
}

impl PartialEq for Sounds {
    fn eq(&self, other: &Self) -> bool {
        self.card == other.card
    }
}

impl Sounds {
    /// The features that a card is of, if any that are made here are.
    pub(super) fn of_card(card: &FeatureCard) -> Option<Self> {
        if !card.is_known() {
            return None;
        }
        AudioFeatures::ALL.into_iter().find_map(|audio| {
            let mut whole = audio.card();
            let is_whole = whole.difference(card).is_none();
            let version = whole.version.take().unwrap_or_default();
            whole.version = Some(format!("{version} {}", voice_activity::VERSION));
            let is_cut = whole.version == card.version && whole.difference(card).is_none();
            (is_whole || is_cut).then(|| Self {
                audio,
                card: card.clone(),
                speech: (!is_whole).then(Arc::default),
            })
        })
    }

    /// The features of the sound of a part of a clip, their card, and the seconds that they are of.
    pub(super) fn hear(&self, clip: &Path, span: Span) -> Made<(Sequence, FeatureCard, f64)> {
        if is_empty(span) {
            return Ok(Err(Fault::NoSample.to_string()));
        }
        let speech = self.speech.as_ref();
        let speech = speech.map(|speech| speech.get_or_init(|| self.load()));
        let speech = match speech.map(Result::as_ref).transpose() {
            Ok(speech) => speech,
            Err(reason) => return Ok(Err(reason.clone())),
        };
        let features = Features {
            voice_activity: speech,
            ..self.audio.into()
        };
        let heard = match read_clip(clip, span) {
            Ok(heard) => heard,
            Err(MediaError::Fault {
                fault: nothing @ (Fault::NoAudio | Fault::NoSample | Fault::Silent),
                ..
            }) => return Ok(Err(nothing.to_string())),
            Err(error) => return Err(error),
        };
        Ok(match features.heard(&heard.samples) {
            Ok((sequence, _)) => Ok((sequence, features.audio_card(), heard.seconds())),
            Err(nothing) => Err(nothing.to_string()),
        })
    }

    /// Reads the network that hears speech; another than that of training is none.
    fn load(&self) -> Result<VoiceActivity, String> {
        let speech = VoiceActivity::find().map_err(|error| error.detail())?;
        let features = Features {
            voice_activity: Some(&speech),
            ..self.audio.into()
        };
        match self.card.difference(&features.audio_card()) {
            None => Ok(speech),
            Some(difference) => Err(format!(
                "the network that hears speech is not that of training: expected {difference}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn features_are_known_by_their_card_with_and_without_what_is_no_speech() {
        for audio in AudioFeatures::ALL {
            let sounds = Sounds::of_card(&audio.card()).unwrap();
            assert_eq!((sounds.audio, sounds.speech.is_some()), (audio, false));
            let mut card = audio.card();
            let version = card.version.unwrap_or_default();
            card.version = Some(format!("{version} {}", voice_activity::VERSION));
            let sounds = Sounds::of_card(&card).unwrap();
            assert_eq!((sounds.audio, sounds.speech.is_some()), (audio, true));
            card.version = Some(format!("{version} other"));
            assert_eq!(Sounds::of_card(&card), None);
        }
        assert_eq!(
            Sounds::of_card(&FeatureCard::new(FeatureCard::UNKNOWN, 64)),
            None
        );
    }
}
