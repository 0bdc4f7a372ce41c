//! The pictures of a clip as a model was trained on them: the same networks, at the rate and sizes that its card names.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use unimse_corpus::Sequence;
use unimse_media::video::onnx::{self, Network};
use unimse_media::video::{self, Faces, Settings};
use unimse_media::{Fault, MediaError, Span};
use unimse_run::FeatureCard;

use super::senses::{Made, is_empty};

/// What makes the features of pictures for a model.
#[derive(Clone, Debug)]
pub(super) struct Pictures {
    settings: Settings,
    /// That of training.
    card: FeatureCard,
    /// Read with the first clip; or why that was not possible.
    faces: Arc<OnceLock<Result<Faces, String>>>,
}

impl PartialEq for Pictures {
    fn eq(&self, other: &Self) -> bool {
        self.card == other.card
    }
}

impl Pictures {
    /// The features that a card is of, if those of [`video`] are.
    pub(super) fn of_card(card: &FeatureCard) -> Option<Self> {
        let version = format!("unimse {}", video::VERSION);
        let is_of = card.tool == video::TOOL && card.version.as_ref() == Some(&version);
        is_of.then(|| Self::looking(card)).flatten()
    }

    /// The features that a card is of, if the ONNX model in a file made them: it is opened.
    ///
    /// # Errors
    /// Those of [`Network::of_card`], and of the networks that find faces.
    pub(super) fn of_model(card: &FeatureCard, model: &Path) -> Result<Option<Self>, MediaError> {
        let Some(pictures) = onnx::made(card).and_then(|_| Self::looking(card)) else {
            return Ok(None);
        };
        let faces = Faces::find()?.with_network(Network::of_card(model, card)?);
        let faces = pictures.checked(faces);
        drop(pictures.faces.set(faces));
        Ok(Some(pictures))
    }

    /// At the rate and sizes that a card names.
    fn looking(card: &FeatureCard) -> Option<Self> {
        let default = Settings::default();
        let number = |name: &str, default: usize| match card.settings.get(name) {
            Some(value) => value.parse().ok(),
            None => Some(default),
        };
        let rate_hz = card.rate_hz.map_or(default.rate_hz, |rate| rate as u32);
        Some(Self {
            settings: Settings {
                rate_hz: Some(rate_hz).filter(|rate| *rate > 0)?,
                long_side: number("long_side", default.long_side)?,
                min_face: number("min_face", default.min_face)?,
            },
            card: card.clone(),
            faces: Arc::default(),
        })
    }

    /// The features of the face in a part of a clip, and their card.
    pub(super) fn see(&self, clip: &Path, span: Span) -> Made<(Sequence, FeatureCard)> {
        if is_empty(span) {
            return Ok(Err(Fault::NoFrame.to_string()));
        }
        let faces = match self.faces.get_or_init(|| self.load()) {
            Ok(faces) => faces,
            Err(reason) => return Ok(Err(reason.clone())),
        };
        match video::sequence(clip, span, faces, &self.settings) {
            Ok(found) => Ok(Ok((found.sequence, faces.card(&self.settings)))),
            Err(MediaError::Fault {
                fault: nothing @ (Fault::NoVideo | Fault::NoFrame | Fault::NoFace { .. }),
                ..
            }) => Ok(Err(nothing.to_string())),
            Err(MediaError::Ffmpeg { message }) => Ok(Err(message)),
            Err(error) => Err(error),
        }
    }

    /// Reads the networks; others than those of training are none.
    fn load(&self) -> Result<Faces, String> {
        self.checked(Faces::find().map_err(|error| error.detail())?)
    }

    fn checked(&self, faces: Faces) -> Result<Faces, String> {
        match self.card.difference(&faces.card(&self.settings)) {
            None => Ok(faces),
            Some(difference) => Err(format!(
                "the networks that find faces are not those of training: expected {difference}"
            )),
        }
    }
}
