//! `unimse predict`: one [`Answer`] per input row, in order (design section 7), from `RUN/checkpoints` alone.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use unimse_corpus::{Sequence, zero_non_finite};
use unimse_model::config::Modality;
use unimse_model::tokenizer::Encoded;

use crate::TrainError;
use crate::answer::{Answer, NonFinite};
use crate::row::{Row, features};
use crate::run_folder::Paths;
use crate::saved_model::SavedModel;
use crate::session::answering_plan;

/// One row to be labelled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// What messages call the row: a file and its number, say.
    pub place: String,
    /// The utterance; it may be empty where there are features.
    pub text: String,
    /// Utterances before it, oldest first; the model reads the last of them, as many as it was trained with.
    pub before: Vec<String>,
    /// Utterances after it, next first; the model reads the first of them.
    pub after: Vec<String>,
    /// Acoustic features; absent is fine. Values that are not finite are read as 0.
    pub audio: Option<Sequence>,
    /// Visual features; absent is fine. Values that are not finite are read as 0.
    pub video: Option<Sequence>,
    /// Columns that are none of ours: they come back as they are.
    pub extra: Map<String, Value>,
}

/// A row ready for the model.
struct Prepared {
    encoded: Encoded,
    audio: Option<Sequence>,
    video: Option<Sequence>,
    non_finite: NonFinite,
}

/// A trained model, ready to answer.
pub struct Predictor(SavedModel);

impl Predictor {
    /// Loads the selected checkpoint of a run folder; the folder of several seeds answers with its first.
    ///
    /// # Errors
    /// As [`SavedModel::open`].
    pub fn load(run: &Path) -> Result<Self, TrainError> {
        let run = seed_folder(run)?;
        Ok(Self(SavedModel::open(&Paths::of_run(&run))?))
    }

    /// Feature dimensions of a modality that the model listens to; empty where it does not.
    #[must_use]
    pub fn dims(&self, modality: Modality) -> Vec<usize> {
        let dims = match modality {
            Modality::Audio => &self.0.card.dims.audio,
            Modality::Video => &self.0.card.dims.video,
            Modality::Text => return Vec::new(),
        };
        dims.iter().map(|&d| d as usize).collect()
    }

    /// Utterances of context that the model reads, before and after the current one.
    #[must_use]
    pub fn context(&self) -> (usize, usize) {
        let model = &self.0.card.config.model;
        (model.context_before, model.context_after)
    }

    /// Answers every row, in order. An answer depends on its row alone (to rounding), not on the rows beside it.
    ///
    /// # Errors
    /// [`TrainError::Data`] naming the row that has neither text nor features, or features of another dimension than the model's.
    pub fn predict(&self, inputs: Vec<Input>) -> Result<Vec<Answer>, TrainError> {
        let prepared = inputs.iter().map(|row| self.prepare(row));
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
        let plan = answering_plan(&self.0.card.config.train);
        let name = |i: usize| inputs[i].place.clone();
        let predictions = self
            .0
            .session
            .predict_rows(&rows, &plan, &name, |_| Ok(()))?;
        let counts: Vec<NonFinite> = prepared.iter().map(|p| p.non_finite).collect();
        Ok(inputs
            .into_iter()
            .zip(predictions)
            .zip(counts)
            .map(|((row, p), count)| {
                Answer::new(row.text, &p, self.0.card.readout, count, row.extra)
            })
            .collect())
    }

    fn prepare(&self, row: &Input) -> Result<Prepared, TrainError> {
        if row.text.trim().is_empty() && row.audio.is_none() && row.video.is_none() {
            return Err(TrainError::Data(format!(
                "{}: field text: expected words, or audio or video beside it, found nothing",
                row.place
            )));
        }
        let (most_before, most_after) = self.context();
        let from = row.before.len().saturating_sub(most_before);
        let to = row.after.len().min(most_after);
        let before: Vec<&str> = row.before[from..].iter().map(String::as_str).collect();
        let after: Vec<&str> = row.after[..to].iter().map(String::as_str).collect();
        let most = self.0.card.config.model.max_tokens;
        let tokenizer = &self.0.session.tokenizer;
        let encoded = tokenizer.encode(&before, &row.text, &after, most)?;
        let mut non_finite = NonFinite::default();
        Ok(Prepared {
            encoded,
            audio: self.standardise(row, Modality::Audio, &mut non_finite.audio)?,
            video: self.standardise(row, Modality::Video, &mut non_finite.video)?,
            non_finite,
        })
    }

    /// The features of a row as training saw them; counts the values that were not finite.
    fn standardise(
        &self,
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
        let (dims, name, place) = (self.dims(modality), modality.name(), &row.place);
        if dims.is_empty() {
            return Err(TrainError::Data(format!(
                "{place}: field {name}: this model was trained without {name}"
            )));
        }
        if !dims.contains(&sequence.dim) {
            let expected: Vec<_> = dims.iter().map(ToString::to_string).collect();
            return Err(TrainError::Data(format!(
                "{place}: field {name}: expected {} features a step, found {}",
                expected.join(" or "),
                sequence.dim
            )));
        }
        let mut sequence = sequence.clone();
        *non_finite = zero_non_finite(&mut sequence.values);
        self.0.normaliser.apply_to(modality, &mut sequence);
        Ok(Some(sequence))
    }
}

/// The run itself, or its first seed.
fn seed_folder(run: &Path) -> Result<PathBuf, TrainError> {
    if Paths::of_run(run).best().exists() {
        return Ok(run.into());
    }
    let mut seeds: Vec<(u64, PathBuf)> = std::fs::read_dir(run)
        .map_err(TrainError::io(run, "listing"))?
        .filter_map(|e| {
            let path = e.ok()?.path();
            let seed = path
                .file_name()?
                .to_str()?
                .strip_prefix("seed-")?
                .parse()
                .ok()?;
            Paths::of_run(&path).best().exists().then_some((seed, path))
        })
        .collect();
    seeds.sort();
    seeds.into_iter().next().map(|s| s.1).ok_or_else(|| {
        TrainError::artefact(
            Paths::of_run(run).best(),
            "no trained model is here; run `unimse train` first",
        )
    })
}
