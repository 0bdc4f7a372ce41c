//! Whether features are those that a model was trained on: by how they were made, where both sides say so, and by their size.

use std::collections::BTreeSet;

use unimse_model::config::Modality;
use unimse_run::{FeatureCard, FeatureCards};

use super::card::Card;

/// What features could be compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// They were made as those of a corpus that the model was trained on.
    ByName,
    /// Nobody says how these were made, or those of training: they have the same size.
    BySize,
}

/// What is told of [`Compared::BySize`].
pub const BY_SIZE: &str = "nobody says how the features were made, these or those of training: only their size was compared";

/// Features a step of a modality that the model has an input projection for; empty where it does not read the modality.
#[must_use]
pub fn dims(card: &Card, modality: Modality) -> &BTreeSet<i64> {
    match modality {
        Modality::Video => &card.dims.video,
        _ => &card.dims.audio,
    }
}

/// The cards of the corpora that the model was trained on, in the order of its card.
pub fn trained(card: &Card, modality: Modality) -> impl Iterator<Item = &FeatureCard> {
    let cards = card.features.iter();
    cards.filter_map(move |(_, cards)| of(cards, modality).as_ref())
}

/// The card of a modality.
#[must_use]
pub fn of(cards: &FeatureCards, modality: Modality) -> &Option<FeatureCard> {
    match modality {
        Modality::Video => &cards.video,
        _ => &cards.audio,
    }
}

/// Compares features of `dim` numbers a step, `made` as somebody says, with those that the model of `card` was trained on.
///
/// # Errors
/// What was expected and what was found, in words: a modality that the model does not read, another size, other features.
pub fn compare(
    card: &Card,
    modality: Modality,
    dim: usize,
    made: Option<&FeatureCard>,
) -> Result<Compared, String> {
    let (dims, name) = (dims(card, modality), modality.name());
    if dims.is_empty() {
        return Err(format!("this model was trained without {name}"));
    }
    let made = made.filter(|made| made.is_known());
    let of_size: Vec<&FeatureCard> = trained(card, modality)
        .filter(|card| card.dimension == dim)
        .collect();
    let nameless = of_size.is_empty() || of_size.iter().any(|card| !card.is_known());
    if !dims.contains(&(dim as i64)) {
        let found = made.map_or_else(|| dim.to_string(), FeatureCard::name);
        return Err(format!("{}, found {found}", expected(card, modality)));
    }
    let Some(made) = made else {
        return Ok(Compared::BySize);
    };
    let mut known = of_size.iter().filter(|card| card.is_known());
    match known.find(|card| card.difference(made).is_none()) {
        Some(_) => Ok(Compared::ByName),
        None if nameless => Ok(Compared::BySize),
        None => {
            let difference = of_size.first().and_then(|card| card.difference(made));
            Err(format!(
                "{}, found {} (expected {})",
                expected(card, modality),
                made.name(),
                difference.unwrap_or_default()
            ))
        }
    }
}

/// What training had, in words: by name, or how many numbers a step.
fn expected(card: &Card, modality: Modality) -> String {
    let mut names: Vec<String> = trained(card, modality)
        .filter(|card| card.is_known())
        .map(FeatureCard::name)
        .collect();
    names.dedup();
    if names.is_empty() {
        let dims: Vec<String> = dims(card, modality).iter().map(i64::to_string).collect();
        return format!("expected {} features a step", dims.join(" or "));
    }
    format!("expected the features of training, {}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use unimse_run::{ByName, Readout};

    use super::super::card::SCHEMA;
    use super::*;
    use crate::config::RunConfig;

    fn card(cards: &[FeatureCard]) -> Card {
        let of_corpus = |(at, card): (usize, &FeatureCard)| {
            let audio = Some(card.clone());
            (format!("c{at}"), FeatureCards { audio, video: None })
        };
        let mut card = Card {
            schema: SCHEMA,
            seed: 1,
            epoch: 0,
            backbone: String::new(),
            fields: Vec::new(),
            dims: Default::default(),
            features: cards.iter().enumerate().map(of_corpus).collect(),
            speakers: None,
            voice: None,
            readout: Readout::TRAINING,
            files: Default::default(),
            config: RunConfig::default(),
        };
        card.dims.audio = [64, 74].into();
        card
    }

    #[test]
    fn features_are_refused_by_name_and_by_size_where_nobody_has_one() {
        let mel = unimse_media::mel::card();
        let prosody = unimse_media::prosody::card();
        let unknown = |dim| FeatureCard::new(FeatureCard::UNKNOWN, dim);
        let other = FeatureCard::new("opensmile", 64);
        let model = card(&[mel.clone(), unknown(74)]);
        let found = |model: &Card, made: &FeatureCard| {
            compare(model, Modality::Audio, made.dimension, Some(made))
        };
        assert_eq!(found(&model, &mel), Ok(Compared::ByName));
        assert_eq!(found(&model, &unknown(64)), Ok(Compared::BySize));
        assert_eq!(
            found(&model, &FeatureCard::new("covarep", 74)),
            Ok(Compared::BySize)
        );
        let name = mel.name();
        assert_eq!(
            found(&model, &other),
            Err(format!(
                "expected the features of training, {name}, found opensmile, 64 features a step (expected tool mel-spectrogram, found opensmile)"
            ))
        );
        assert_eq!(
            found(&model, &prosody),
            Err(format!(
                "expected the features of training, {name}, found {}",
                prosody.name()
            ))
        );
        let mut hop = mel.clone();
        hop.settings.insert("hop".to_owned(), "80".to_owned());
        assert!(found(&model, &hop).is_err_and(|e| e.ends_with("(expected hop 160, found 80)")));
        // two corpora of one size
        assert_eq!(
            found(&card(&[mel, other.clone()]), &other),
            Ok(Compared::ByName)
        );
        // a card of before they were kept
        let old = Card {
            features: ByName::default(),
            ..model
        };
        assert_eq!(found(&old, &other), Ok(Compared::BySize));
        assert_eq!(
            found(&old, &FeatureCard::new("x", 5)),
            Err("expected 64 or 74 features a step, found x, 5 features a step".to_owned())
        );
        assert_eq!(
            compare(&old, Modality::Audio, 5, None),
            Err("expected 64 or 74 features a step, found 5".to_owned())
        );
        assert_eq!(
            compare(&old, Modality::Video, 5, None),
            Err("this model was trained without video".to_owned())
        );
    }
}
