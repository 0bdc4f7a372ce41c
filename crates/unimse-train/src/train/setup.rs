//! What a training is made of before its first update: which parameters move, what is read, how corpora are mixed.

use std::collections::{BTreeMap, BTreeSet};

use unimse_corpus::splits::{Corpora, Dev, Learning, RowRef, Train};
use unimse_labels::{Field, FieldValue, PerField};
use unimse_model::config::{Modality, ModelConfig};
use unimse_model::unimodel::{ParameterGroup, UniModel};
use unimse_run::{ByName, FeatureCard, FeatureCards};

use crate::TrainError;
use crate::config::{RunConfig, TrainConfig, Unfreeze};
use crate::data::dataset::Dataset;
use crate::data::labels_table::LabelTable;
use crate::data::normaliser::Normaliser;
use crate::data::reader::Speakers;
use crate::data::sampler::Mixture;
use crate::data::voice::{Quality, Voice};
use crate::evaluate::scoring;
use crate::model::session::Session;

/// Stops the gradients of what `unfreeze` leaves out.
pub(super) fn freeze(model: &mut UniModel, unfreeze: Unfreeze) {
    match unfreeze {
        Unfreeze::All => {}
        Unfreeze::LastTwo => {
            let frozen = model.outside_last_blocks(2);
            model.freeze(|name| frozen.contains(name));
        }
        Unfreeze::None => model.freeze(|name| UniModel::group_of(name) == ParameterGroup::Backbone),
    }
}

/// The labelled rows of train, and dev.
pub(super) fn datasets(
    corpora: &Corpora<Learning>,
    tables: &[LabelTable],
    session: &Session,
    config: &RunConfig,
) -> Result<(Dataset, Dataset), TrainError> {
    let reader = session.reader();
    let train = Dataset::new(corpora, Train, Some(tables), reader, config)?;
    let dev = Dataset::new(corpora, Dev, None, reader, config)?;
    scoring::check_selectable(&dev)?;
    match (train.examples.len(), dev.examples.len()) {
        (0, _) | (_, 0) => Err(TrainError::Data(format!(
            "training needs labelled train and dev rows, found {} and {}",
            train.examples.len(),
            dev.examples.len()
        ))),
        _ => Ok((train, dev)),
    }
}

/// Who speaks in train.
pub(super) fn speakers(corpora: &Corpora<Learning>) -> Speakers {
    let row = |at: RowRef| &corpora.list()[at.corpus].utterances[at.utterance];
    Speakers::of(corpora.rows(Train).map(row))
}

/// With `model.voice_in_words`, where the train rows are cut between the words.
///
/// # Errors
/// [`TrainError::Config`] where the model does not read audio; [`TrainError::Data`] where no corpus has features that tell of a voice.
pub(super) fn voice(
    corpora: &Corpora<Learning>,
    normaliser: &Normaliser,
    config: &ModelConfig,
) -> Result<Option<Voice>, TrainError> {
    if !config.model.voice_in_words {
        return Ok(None);
    }
    if !config.has(Modality::Audio) {
        let read: Vec<&str> = config.model.modalities.iter().map(|m| m.name()).collect();
        return Err(TrainError::Config(format!(
            "model.voice_in_words: expected audio in model.modalities, found {}",
            read.join(", ")
        )));
    }
    let voice = Voice::fit(corpora.list().iter().map(AsRef::as_ref), normaliser);
    if voice.is_empty() {
        let found = corpora.list().iter().map(|corpus| {
            let name = &corpus.name;
            match (&corpus.features.audio, corpus.audio_dim) {
                (_, None) => format!("{name}: no audio"),
                (Some(card), _) if card.is_known() => format!("{name}: {}", card.name()),
                (_, Some(dim)) => format!("{name}: {dim} features a step that have no names"),
            }
        });
        let columns = Quality::ALL.map(|quality| quality.columns()[0]);
        return Err(TrainError::Data(format!(
            "model.voice_in_words: expected train rows with audio features named {} (`unimse extract --audio-features prosody`), found {}",
            columns.join(", "),
            found.collect::<Vec<_>>().join("; ")
        )));
    }
    Ok(Some(voice))
}

/// How the features of every corpus with train rows were made, of the modalities in use.
pub(super) fn feature_cards(
    corpora: &Corpora<Learning>,
    config: &ModelConfig,
) -> ByName<FeatureCards> {
    let used = |modality, card: &Option<FeatureCard>| card.clone().filter(|_| config.has(modality));
    let trained: BTreeSet<usize> = corpora.rows(Train).map(|at| at.corpus).collect();
    let cards = trained.into_iter().map(|at| {
        let corpus = &corpora.list()[at];
        let cards = FeatureCards {
            audio: used(Modality::Audio, &corpus.features.audio),
            video: used(Modality::Video, &corpus.features.video),
        };
        (corpus.name.clone(), cards)
    });
    cards
        .filter(|(_, cards)| *cards != FeatureCards::default())
        .collect()
}

/// How often each corpus is drawn: by `train.quotas` where there are some, else by `train.temperature`.
///
/// # Errors
/// [`TrainError::Config`] for a quota of a corpus that the run does not train on, or quotas that draw nothing.
pub(super) fn mixture(config: &TrainConfig, train: &Dataset) -> Result<Mixture, TrainError> {
    if config.quotas.is_empty() {
        return Ok(Mixture::Temperature(config.temperature.get()));
    }
    let known = |index: &usize| train.utterances_of(*index).next().is_some();
    let indices = (0..train.corpora.len()).filter(known);
    let names: BTreeMap<&str, usize> = indices
        .map(|index| (train.corpora[index].name.as_str(), index))
        .collect();
    let mut quotas = vec![0.0; train.corpora.len()];
    for (name, quota) in &config.quotas {
        let index = names.get(name.as_str()).ok_or_else(|| {
            let expected: Vec<&str> = names.keys().copied().collect();
            let expected = expected.join(", ");
            TrainError::Config(format!(
                "train.quotas.{name}: expected a corpus with train rows, one of {expected}"
            ))
        })?;
        quotas[*index] = quota.get();
    }
    if quotas.iter().sum::<f64>() <= 0.0 {
        return Err(TrainError::Config(
            "train.quotas: expected a quota above 0, found none".to_owned(),
        ));
    }
    Ok(Mixture::Quotas(quotas))
}

/// Share of each class of the emotions among the targets of `train`, by their weights, one added to each count; empty for the other fields.
pub(super) fn class_shares(train: &Dataset) -> PerField<Vec<f64>> {
    let shares = |field: Field| {
        let classes = match field {
            Field::Meld | Field::Iemocap => field.classes().unwrap_or_default().len(),
            Field::Polarity | Field::Intensity => 0,
        };
        let mut counts = vec![1.0; classes];
        for target in train.examples.iter().filter_map(|e| e.target.as_ref()) {
            if let Some(FieldValue::Class(class)) = target.label.get(field)
                && let Some(count) = counts.get_mut(class)
            {
                *count += f64::from(target.weights[field]);
            }
        }
        let all: f64 = counts.iter().sum();
        counts.iter().map(|count| count / all).collect()
    };
    PerField::from_fn(shares)
}

/// Norms of the gradients of the optimiser's groups, put together by part of the model: `backbone`, `fusion`, `rest`.
pub(super) fn norms_by_part(norms: &[f64]) -> ByName<f64> {
    let part = |group: usize| match group / 2 {
        1 => "fusion",
        2 => "rest",
        _ => "backbone",
    };
    let mut squares: BTreeMap<&str, f64> = BTreeMap::new();
    for (group, norm) in norms.iter().enumerate() {
        *squares.entry(part(group)).or_default() += norm * norm;
    }
    let parts = squares.into_iter();
    parts
        .map(|(part, sum)| (part.to_owned(), sum.sqrt()))
        .collect()
}
