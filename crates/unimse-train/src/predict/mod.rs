//! `unimse predict`: one [`Answer`] per input row, in order, from `RUN/checkpoints` alone; [`rows`] reads the rows of users.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use unimse_corpus::{Sequence, zero_non_finite};
use unimse_media::MediaError;
use unimse_model::batch::Prediction;
use unimse_model::config::Modality;
use unimse_model::tokenizer::Encoded;
use unimse_run::{
    Answer, ByName, EmotionReadout, FeatureCards, IntensityReadout, NonFinite, Readout, RunFolder,
};

use crate::TrainError;
use crate::data::reader::Spoken;
use crate::data::row::{Row, features};
use crate::model::card::Card;
use crate::model::features::{self, Compared};
use crate::model::saved_model::SavedModel;
use crate::model::session::answering_plan;
use crate::predict::answer::answer;
use crate::predict::resting::Resting;

mod answer;
mod pictures;
mod resting;
pub mod rows;
mod senses;
mod sounds;

pub use senses::{Perceived, Senses};

/// One row to be labelled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// What messages call the row: a file and its number, say.
    pub place: String,
    /// The utterance; its text may be empty where there are features. A model that was trained without speakers does not read who speaks.
    pub spoken: Spoken,
    /// The corpus that it is of, where somebody says so; words for its voice compare it with the rows of that corpus.
    pub corpus: Option<String>,
    /// Utterances before it, oldest first; the model reads the last of them, as many as it was trained with.
    pub before: Vec<Spoken>,
    /// Utterances after it, next first; the model reads the first of them.
    pub after: Vec<Spoken>,
    /// Acoustic features; absent is fine. Values that are not finite are read as 0.
    pub audio: Option<Sequence>,
    /// Visual features; absent is fine. Values that are not finite are read as 0.
    pub video: Option<Sequence>,
    /// How the features were made, where somebody says so; they are compared with those of training.
    pub cards: FeatureCards,
    /// Of a row of a clip: the modalities that it lacks and why. Its answer says what it rests on.
    pub clip: Option<ByName<String>>,
    /// Columns that are none of ours: they come back as they are.
    pub extra: Map<String, Value>,
}

/// A row ready for the model.
struct Prepared {
    encoded: Encoded,
    audio: Option<Sequence>,
    video: Option<Sequence>,
    seen: Seen,
}

/// What is told of a row beside its answer.
#[derive(Clone)]
struct Seen {
    non_finite: NonFinite,
    /// The words for its voice that the model read.
    voice: Option<String>,
}

/// The distribution of a score: intensities in ascending order and their probabilities, which sum to 1; empty where the run has none.
pub type Scores = Vec<(f32, f64)>;

/// Called between batches; its error ends the work.
pub type Tick<'a> = &'a mut dyn FnMut() -> Result<(), TrainError>;

/// What answers: the trained model of a run, or those of several seeds together.
pub struct Predictor {
    first: SavedModel,
    others: Vec<SavedModel>,
    readout: Readout,
    /// Whether it was told that features were compared by their size alone.
    told: AtomicBool,
}

impl Predictor {
    /// Loads the selected checkpoint of a run folder. The folder of several seeds answers with all of them: with the mean of their
    /// probabilities, read as [`together`] says; one seed answers for itself where its own folder is named.
    ///
    /// # Errors
    /// As [`SavedModel::open`]; [`TrainError::Artefact`] naming a seed whose model reads or speaks something else than the first.
    pub fn load(run: &Path) -> Result<Self, TrainError> {
        let own = RunFolder::new(run);
        let mut folders = Vec::new();
        if !own.best().exists() {
            folders = RunFolder::seeds(run)?;
            folders.retain(|(_, folder)| folder.best().exists());
        }
        let mut folders = folders.into_iter().map(|(_, folder)| folder);
        let first = SavedModel::open(&folders.next().unwrap_or(own))?;
        let mut others = Vec::new();
        for folder in folders {
            let model = SavedModel::open(&folder)?;
            if let Some(what) = difference(&first.card, &model.card) {
                return Err(TrainError::artefact(
                    folder.checkpoints(),
                    format!(
                        "the seeds differ in {what}, so they cannot answer together; name one seed's folder"
                    ),
                ));
            }
            others.push(model);
        }
        let readout = match others.is_empty() {
            true => first.card.readout,
            false => together(first.card.readout),
        };
        Ok(Self {
            first,
            others,
            readout,
            told: AtomicBool::new(false),
        })
    }

    /// The features that are made of a clip for the model.
    #[must_use]
    pub fn senses(&self) -> Senses {
        Senses::of(&self.first.card)
    }

    /// The same for a model that was trained on what an ONNX model says of faces, which lies in a file.
    ///
    /// # Errors
    /// [`MediaError::Network`] where the file holds another model, cannot be run, or where the run was trained on no such features.
    pub fn senses_with(&self, video_model: &Path) -> Result<Senses, MediaError> {
        self.senses()
            .with_video_model(&self.first.card, video_model)
    }

    /// Feature dimensions of a modality that the model reads; empty where it does not.
    #[must_use]
    pub fn dims(&self, modality: Modality) -> Vec<usize> {
        let dims = match modality {
            Modality::Audio => &self.first.card.dims.audio,
            Modality::Video => &self.first.card.dims.video,
            Modality::Text => return Vec::new(),
        };
        dims.iter().map(|&d| d as usize).collect()
    }

    /// Utterances of context that the model reads, before and after the current one.
    #[must_use]
    pub fn context(&self) -> (usize, usize) {
        let model = &self.first.card.config.model;
        (model.context_before.get(), model.context_after.get())
    }

    /// Whether the model reads who speaks.
    #[must_use]
    pub fn reads_speakers(&self) -> bool {
        self.first.card.config.model.speakers
    }

    /// Answers every row, in order. An answer depends on its row alone (to rounding), not on the rows beside it.
    ///
    /// # Errors
    /// [`TrainError::Data`] naming the row that has neither text nor features, or other features than those that the model was trained on.
    pub fn predict(&self, inputs: Vec<Input>) -> Result<Vec<Answer>, TrainError> {
        self.predict_while(inputs, &mut || Ok(()))
    }

    /// As [`Predictor::predict`]; `tick` is called after each batch and may stop the work with an error.
    ///
    /// # Errors
    /// As there, and what `tick` says.
    pub fn predict_while(
        &self,
        inputs: Vec<Input>,
        tick: Tick<'_>,
    ) -> Result<Vec<Answer>, TrainError> {
        let answered = self.answered(inputs, tick)?;
        Ok(answered.into_iter().map(|(answer, _)| answer).collect())
    }

    /// As [`Predictor::predict`], each answer beside the distribution of its score.
    ///
    /// # Errors
    /// As there.
    pub fn predict_scores(&self, inputs: Vec<Input>) -> Result<Vec<(Answer, Scores)>, TrainError> {
        self.answered(inputs, &mut || Ok(()))
    }

    fn answered(
        &self,
        inputs: Vec<Input>,
        tick: Tick<'_>,
    ) -> Result<Vec<(Answer, Scores)>, TrainError> {
        let (inputs, resting) = Resting::spread(inputs);
        let (mut predictions, seen) = self.of_seed(&self.first, &inputs, tick)?;
        for (model, before) in self.others.iter().zip(1..) {
            let (more, _) = self.of_seed(model, &inputs, tick)?;
            for (mean, one) in predictions.iter_mut().zip(&more) {
                add(mean, one, before);
            }
        }
        let rows = inputs.into_iter().zip(predictions).zip(seen);
        let answers = rows.map(|((row, p), Seen { non_finite, voice })| {
            let answer = answer(row.spoken.text, &p, self.readout, non_finite, row.extra);
            ((answer, p.intensity), voice)
        });
        Ok(resting.gather(answers))
    }

    /// What one model says of the rows, and what is told of them.
    fn of_seed(
        &self,
        model: &SavedModel,
        inputs: &[Input],
        tick: Tick<'_>,
    ) -> Result<(Vec<Prediction>, Vec<Seen>), TrainError> {
        let prepared = inputs.iter().map(|row| self.prepare(model, row));
        let prepared: Vec<Prepared> = prepared.collect::<Result<_, _>>()?;
        let rows: Vec<Row<'_>> = prepared
            .iter()
            .map(|p| Row {
                ids: &p.encoded.ids,
                segments: &p.encoded.segments,
                audio: features(p.audio.as_ref()),
                video: features(p.video.as_ref()),
            })
            .collect();
        let plan = answering_plan(&model.card.config.train);
        let name = |i: usize| inputs[i].place.clone();
        let predictions = model
            .session
            .predict_rows(&rows, &plan, &name, |_| tick())?;
        Ok((predictions, prepared.into_iter().map(|p| p.seen).collect()))
    }

    fn prepare(&self, model: &SavedModel, row: &Input) -> Result<Prepared, TrainError> {
        if row.spoken.text.trim().is_empty() && row.audio.is_none() && row.video.is_none() {
            let absent = row.clip.iter().flat_map(ByName::iter);
            let absent: String = absent
                .map(|(name, reason)| format!("; {name}: {reason}"))
                .collect();
            return Err(TrainError::Data(format!(
                "{}: field text: expected words, or audio or video beside it, found nothing{absent}",
                row.place
            )));
        }
        let (most_before, most_after) = self.context();
        let from = row.before.len().saturating_sub(most_before);
        let to = row.after.len().min(most_after);
        let (before, after) = (&row.before[from..], &row.after[..to]);
        let lines = before.iter().chain([&row.spoken]).chain(after);
        let lines: Vec<_> = lines
            .map(|line| (line.speaker.as_deref(), line.text.as_str()))
            .collect();
        let mut non_finite = NonFinite::default();
        let audio = self.standardise(model, row, Modality::Audio, &mut non_finite.audio)?;
        let reader = model.session.reader();
        let voice = reader.voice(row.corpus.as_deref(), audio.as_ref());
        Ok(Prepared {
            encoded: reader.read(&lines, before.len(), voice.as_deref())?,
            audio,
            video: self.standardise(model, row, Modality::Video, &mut non_finite.video)?,
            seen: Seen { non_finite, voice },
        })
    }

    /// The features of a row as training saw them; counts the values that were not finite.
    fn standardise(
        &self,
        model: &SavedModel,
        row: &Input,
        modality: Modality,
        non_finite: &mut usize,
    ) -> Result<Option<Sequence>, TrainError> {
        let sequence = match modality {
            Modality::Audio => row.audio.as_ref(),
            _ => row.video.as_ref(),
        };
        let Some(sequence) = sequence else {
            return Ok(None);
        };
        let made = features::of(&row.cards, modality).as_ref();
        let compared = features::compare(&self.first.card, modality, sequence.dim, made);
        let (name, place) = (modality.name(), &row.place);
        let compared = compared
            .map_err(|reason| TrainError::Data(format!("{place}: field {name}: {reason}")))?;
        if compared == Compared::BySize && !self.told.swap(true, Ordering::Relaxed) {
            eprintln!("note: {place}: field {name}: {}", features::BY_SIZE);
        }
        let mut sequence = sequence.clone();
        *non_finite = zero_non_finite(&mut sequence.values);
        model.normaliser.apply_to(modality, &mut sequence);
        Ok(Some(sequence))
    }
}

/// How seeds that each read their answers by `readout` are read together: the mean of several distributions has no generated text, so what
/// was read from the text is read from the mean of the distribution, and from the most probable class.
#[must_use]
pub fn together(readout: Readout) -> Readout {
    Readout {
        intensity: match readout.intensity {
            IntensityReadout::Text => IntensityReadout::Expectation,
            other => other,
        },
        emotion: EmotionReadout::Marginal,
    }
}

/// The first thing in which two models differ that answer together.
fn difference(one: &Card, other: &Card) -> Option<&'static str> {
    let (a, b) = (&one.config, &other.config);
    [
        ("their fields", one.fields == other.fields),
        ("the dimensions of their features", one.dims == other.dims),
        (
            "how their features were made",
            one.features == other.features,
        ),
        ("labels", a.labels == b.labels),
        ("model", a.model == b.model),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}

/// Takes one more answer into the mean of `before` ones.
fn add(mean: &mut Prediction, one: &Prediction, before: usize) {
    let n = before as f64;
    let take = |mean: &mut f64, value: f64| *mean = (*mean * n + value) / (n + 1.0);
    let classes = |mean: &mut Option<Vec<f64>>, one: &Option<Vec<f64>>| {
        let pairs = mean.iter_mut().flatten().zip(one.iter().flatten());
        pairs.for_each(|(mean, &value)| take(mean, value));
    };
    let polarities = mean.polarity.iter_mut().zip(one.polarity);
    polarities.for_each(|(mean, value)| take(mean, value));
    let scores = mean.intensity.iter_mut().zip(&one.intensity);
    scores.for_each(|((_, mean), &(_, value))| take(mean, value));
    classes(&mut mean.meld, &one.meld);
    classes(&mut mean.iemocap, &one.iemocap);
    take(&mut mean.unexplored, one.unexplored);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use unimse_labels::{PlainLabel, Polarity};

    use super::*;

    fn prediction(polarity: [f64; 3], meld: f64) -> Prediction {
        Prediction {
            raw: String::new(),
            unexplored: 0.0,
            polarity,
            intensity: vec![(-1.0, polarity[0]), (0.0, polarity[1]), (1.0, polarity[2])],
            meld: Some(vec![meld, 1.0 - meld, 0.0, 0.0, 0.0, 0.0, 0.0]),
            iemocap: None,
            text_label: PlainLabel::of_polarity(Polarity::Neutral),
            repairs: 0,
            parsable: true,
        }
    }

    #[test]
    fn seeds_answer_with_the_mean_of_their_probabilities() {
        let mut mean = prediction([0.3, 0.3, 0.4], 0.9);
        add(&mut mean, &prediction([0.6, 0.3, 0.1], 0.6), 1);
        add(&mut mean, &prediction([0.0, 0.9, 0.1], 0.3), 2);
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12);
        close(mean.polarity[0], (0.3 + 0.6 + 0.0) / 3.0);
        close(mean.intensity[1].1, (0.3 + 0.3 + 0.9) / 3.0);
        close(mean.meld.as_ref().unwrap()[0], (0.9 + 0.6 + 0.3) / 3.0);
        assert_eq!(mean.iemocap, None);
    }
}
