//! What a model is given of a clip: the features that it was trained on, where they can be made here.

use std::path::Path;

use unimse_corpus::Sequence;
use unimse_media::{MediaError, Span, video::onnx};
use unimse_model::config::Modality;
use unimse_run::{ByName, FeatureCard, FeatureCards};

use crate::model::card::Card;
use crate::model::features;
use crate::predict::pictures::Pictures;
use crate::predict::sounds::Sounds;

/// What can be made of one modality of a clip for a model.
#[derive(Clone, Debug, Default, PartialEq)]
enum Sense<F> {
    /// The model does not read the modality.
    #[default]
    Unread,
    /// Features that it was trained on.
    Makes(F),
    /// None of those, and why.
    Lacks(String),
}

/// The features that are made of a clip for a model; by default for one that reads text alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Senses {
    audio: Sense<Sounds>,
    video: Sense<Pictures>,
}

/// What was made of a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Perceived {
    /// Features of its sound.
    pub audio: Option<Sequence>,
    /// Features of its pictures.
    pub video: Option<Sequence>,
    /// How they were made.
    pub cards: FeatureCards,
    /// The modalities that the model reads and that were not made, and why.
    pub absent: ByName<String>,
    /// Length of the part of the clip that was decoded; `None` where its sound was not.
    pub seconds: Option<f64>,
}

impl Senses {
    /// Those of a model. Where it was trained on several features of a modality, those of the first corpus of its card that can be made.
    #[must_use]
    pub fn of(card: &Card) -> Self {
        Self {
            audio: sense(card, Modality::Audio, Sounds::of_card),
            video: sense(card, Modality::Video, Pictures::of_card),
        }
    }

    /// With the features of the face by the ONNX model in a file, for a model that was trained on them.
    ///
    /// # Errors
    /// [`MediaError::Network`] where the file holds another model, cannot be run, or where the model was trained on no such features.
    pub(super) fn with_video_model(self, card: &Card, model: &Path) -> Result<Self, MediaError> {
        let mut error = MediaError::Network {
            path: model.to_owned(),
            message: "the run was trained on no features of an ONNX model".to_owned(),
        };
        for trained in features::trained(card, Modality::Video) {
            match Pictures::of_model(trained, model) {
                Ok(None) => {}
                Ok(Some(pictures)) => {
                    let video = Sense::Makes(pictures);
                    return Ok(Self { video, ..self });
                }
                Err(other) => error = other,
            }
        }
        Err(error)
    }

    /// Why nothing is made of a modality that the model reads; `None` where something is, or where it does not read it.
    #[must_use]
    pub fn lacks(&self, modality: Modality) -> Option<&str> {
        match (modality, self) {
            (
                Modality::Audio,
                Self {
                    audio: Sense::Lacks(reason),
                    ..
                },
            )
            | (
                Modality::Video,
                Self {
                    video: Sense::Lacks(reason),
                    ..
                },
            ) => Some(reason),
            _ => None,
        }
    }

    /// Whether something is made of a modality.
    #[must_use]
    pub fn makes(&self, modality: Modality) -> bool {
        match modality {
            Modality::Text => false,
            Modality::Audio => matches!(self.audio, Sense::Makes(_)),
            Modality::Video => matches!(self.video, Sense::Makes(_)),
        }
    }

    /// Makes the features of a part of a clip. A part without sound, or without a face, is no error: the modality is absent.
    ///
    /// # Errors
    /// What is wrong with the clip, as [`unimse_media::read_clip`] and [`unimse_media::video::sequence`] say.
    pub fn perceive(&self, clip: &Path, span: Span) -> Result<Perceived, MediaError> {
        let (heard, seen) = rayon::join(
            || self.audio.perceived(|sounds| sounds.hear(clip, span)),
            || self.video.perceived(|pictures| pictures.see(clip, span)),
        );
        let (mut perceived, mut absent) = (Perceived::default(), Vec::new());
        match heard? {
            Ok(None) => {}
            Ok(Some((sequence, card, seconds))) => {
                perceived.seconds = Some(seconds);
                (perceived.audio, perceived.cards.audio) = (Some(sequence), Some(card));
            }
            Err(reason) => absent.push((Modality::Audio, reason)),
        }
        match seen? {
            Ok(None) => {}
            Ok(Some((sequence, card))) => {
                (perceived.video, perceived.cards.video) = (Some(sequence), Some(card));
            }
            Err(reason) => absent.push((Modality::Video, reason)),
        }
        let absent = absent.into_iter();
        perceived.absent = absent
            .map(|(modality, reason)| (modality.name().to_owned(), reason))
            .collect();
        Ok(perceived)
    }
}

/// What was made of a modality, or why it is absent.
pub(super) type Made<T> = Result<Result<T, String>, MediaError>;

impl<F> Sense<F> {
    /// What `make` gives; nothing of a modality that the model does not read.
    fn perceived<T>(&self, make: impl FnOnce(&F) -> Made<T>) -> Made<Option<T>> {
        match self {
            Self::Unread => Ok(Ok(None)),
            Self::Lacks(reason) => Ok(Err(reason.clone())),
            Self::Makes(features) => Ok(make(features)?.map(Some)),
        }
    }
}

/// Whether a part has no length: recognisers end some captions where they begin.
pub(super) fn is_empty(span: Span) -> bool {
    span.to_s == Some(span.from_s)
}

/// What can be made of a modality for a model, by the first card of its training that `of_card` knows.
fn sense<F>(
    card: &Card,
    modality: Modality,
    of_card: impl Fn(&FeatureCard) -> Option<F>,
) -> Sense<F> {
    match features::trained(card, modality).find_map(of_card) {
        Some(features) => Sense::Makes(features),
        None => lacking(card, modality),
    }
}

/// Of a modality whose features are not made here.
fn lacking<F>(card: &Card, modality: Modality) -> Sense<F> {
    if features::dims(card, modality).is_empty() {
        return Sense::Unread;
    }
    let mut names: Vec<String> = features::trained(card, modality)
        .map(|card| match card.is_known() {
            true => card.name(),
            false => "features of an unknown maker".to_owned(),
        })
        .collect();
    names.dedup();
    let name = modality.name();
    if let Some(file) = features::trained(card, modality).find_map(onnx::made) {
        return Sense::Lacks(format!(
            "the model was trained on what {file} says of faces; name that file by --video-model, or give the features as a column {name}"
        ));
    }
    Sense::Lacks(match names.is_empty() {
        true => format!(
            "the model does not say which {name} features it was trained on; train it again, or give them as a column {name}"
        ),
        false => format!(
            "the model was trained on {}, which are not made of clips here; give them as a column {name}",
            names.join(" and ")
        ),
    })
}
