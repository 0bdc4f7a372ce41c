//! What a model is given of a clip: the features that it was trained on, where they can be made here.

use std::path::Path;

use unimse_corpus::Sequence;
use unimse_media::{AudioFeatures, Fault, MediaError, Span, read_clip};
use unimse_model::config::Modality;
use unimse_run::{ByName, FeatureCards};

use crate::model::card::Card;
use crate::model::features;

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
    audio: Sense<AudioFeatures>,
    video: Sense<std::convert::Infallible>,
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
        let audio = features::trained(card, Modality::Audio).find_map(AudioFeatures::of_card);
        Self {
            audio: match audio {
                Some(features) => Sense::Makes(features),
                None => lacking(card, Modality::Audio),
            },
            video: lacking(card, Modality::Video),
        }
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

    /// Makes the features of a part of a clip. A part without a sound is no error: the modality is absent.
    ///
    /// # Errors
    /// What is wrong with the clip, as [`read_clip`] says.
    pub fn perceive(&self, clip: &Path, span: Span) -> Result<Perceived, MediaError> {
        let mut perceived = Perceived::default();
        let mut absent = Vec::new();
        match &self.audio {
            Sense::Unread => {}
            Sense::Lacks(reason) => absent.push((Modality::Audio, reason.clone())),
            Sense::Makes(features) => match heard(clip, span)? {
                Ok(heard) => {
                    perceived.seconds = Some(heard.seconds());
                    perceived.audio = Some(features.of(&heard.samples).0);
                    perceived.cards.audio = Some(features.card());
                }
                Err(nothing) => absent.push((Modality::Audio, nothing.to_string())),
            },
        }
        if let Sense::Lacks(reason) = &self.video {
            absent.push((Modality::Video, reason.clone()));
        }
        let absent = absent.into_iter();
        perceived.absent = absent
            .map(|(modality, reason)| (modality.name().to_owned(), reason))
            .collect();
        Ok(perceived)
    }
}

/// The sound of a part of a clip, or why there is none.
fn heard(clip: &Path, span: Span) -> Result<Result<unimse_media::Clip, Fault>, MediaError> {
    if span.to_s == Some(span.from_s) {
        return Ok(Err(Fault::NoSample)); // as recognisers end a caption where it begins
    }
    match read_clip(clip, span) {
        Ok(heard) => Ok(Ok(heard)),
        Err(MediaError::Fault {
            fault: nothing @ (Fault::NoAudio | Fault::NoSample | Fault::Silent),
            ..
        }) => Ok(Err(nothing)),
        Err(error) => Err(error),
    }
}

/// Of a modality whose features are not made here.
fn lacking<F>(card: &Card, modality: Modality) -> Sense<F> {
    if features::dims(card, modality).is_empty() {
        return Sense::Unread;
    }
    let mut names: Vec<String> = features::trained(card, modality)
        .map(|card| card.name())
        .collect();
    names.dedup();
    let name = modality.name();
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
