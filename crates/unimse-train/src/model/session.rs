//! Tokenizer, grammar and model together, as train builds and [`crate::model::saved_model`] opens them, and the one way in which rows are predicted.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Device;
use unimse_labels::{Field, Grammar};
use unimse_model::batch::{Batch, Prediction};
use unimse_model::config::FeatureDims;
use unimse_model::tokenizer::Tokenizer;
use unimse_model::unimodel::{Inference, Observed, UniModel};
use unimse_model::{BatchError, Precision};

use crate::TrainError;
use crate::config::{PrecisionChoice, RunConfig, TrainConfig};
use crate::data::dataset::{self, Dataset};
use crate::data::reader::{Reader, Speakers};
use crate::data::row::{Row, collate};
use crate::data::sampler::{Entry, Mixture, Plan};
use crate::data::voice::Voice;
use crate::processes::Processes;

/// A model with what it needs to read text and speak labels.
pub struct Session {
    /// The network.
    pub model: UniModel,
    /// The backbone's tokenizer.
    pub tokenizer: Tokenizer,
    /// With `model.speakers`, those that training knows.
    pub speakers: Option<Speakers>,
    /// With `model.voice_in_words`, where the train rows are cut between the words.
    pub voice: Option<Voice>,
    /// Folder of the checkpoint that the model was built around.
    pub folder: PathBuf,
}

/// Says in messages which row one is.
pub type Name<'a> = &'a (dyn Fn(usize) -> String + Sync);

/// The device of this process: the first CUDA device if LibTorch sees one, or that of its own among several processes, else the CPU.
#[must_use]
pub fn device() -> Device {
    match Device::cuda_if_available() {
        Device::Cuda(_) => Device::Cuda(unimse_c10d::local_rank()),
        other => other,
    }
}

/// The compute kind a choice means on a device.
#[must_use]
pub fn precision(choice: PrecisionChoice, device: Device) -> Precision {
    match choice {
        PrecisionChoice::Fp32 => Precision::Fp32,
        PrecisionChoice::Bf16 => Precision::Bf16,
        PrecisionChoice::Auto => Precision::auto(device),
    }
}

/// How rows are batched where nothing is learned, in `evaluate` and in `predict`.
#[must_use]
pub fn answering_plan(config: &TrainConfig) -> Plan {
    Plan {
        batch: config.batch.get().max(64),
        token_budget: config.token_budget.get(),
        mixture: Mixture::Temperature(1.0),
    }
}

/// Folder of a checkpoint named by a folder or a Hub id.
///
/// # Errors
/// [`TrainError::Model`] saying what to fetch.
pub fn checkpoint_folder(name: &str) -> Result<PathBuf, TrainError> {
    Ok(unimse_model::resolve(
        name,
        &unimse_model::hub::default_cache(),
    )?)
}

impl Session {
    /// Builds the model of `config` around its checkpoint; weights of our own part are drawn from `seed`.
    ///
    /// # Errors
    /// [`TrainError::Model`] where the checkpoint is absent or unfit.
    pub fn new(
        config: &RunConfig,
        fields: &[Field],
        dims: &FeatureDims,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let folder = checkpoint_folder(&config.model.checkpoint)?;
        let tokenizer = Tokenizer::from_folder(&folder)?.with_prefix(&config.model.prefix)?;
        let device = device();
        tch::manual_seed(seed as i64);
        let grammar = dataset::grammar(config, fields);
        let model = UniModel::new(
            &config.model(),
            &grammar,
            &folder,
            dims,
            device,
            precision(config.train.precision, device),
        )?;
        Ok(Self {
            model,
            tokenizer,
            speakers: None,
            voice: None,
            folder,
        })
    }

    /// How this model reads utterances.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            tokenizer: &self.tokenizer,
            speakers: self.speakers.as_ref(),
            voice: self.voice.as_ref(),
            max_tokens: self.model.config().model.max_tokens.get(),
        }
    }

    /// The grammar the model speaks.
    #[must_use]
    pub fn grammar(&self) -> &Grammar {
        self.model.grammar()
    }

    /// Predicts every example of `dataset`, in its order, each by one of the `processes`, as [`Session::predict_rows`].
    ///
    /// # Errors
    /// As there; the message names corpus and utterance. [`TrainError::Group`] where another process ended, [`TrainError::Stopped`] where it was stopped.
    pub fn predict(
        &self,
        dataset: &Dataset,
        plan: &Plan,
        processes: &Processes,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let rows = dataset.rows();
        self.predict_rows_by(processes, &rows, plan, &|i| dataset.name(i), tick)
    }

    /// [`Session::predict`], and what `see` keeps of every batch of a model that has fused layers, of which it is given the examples and what the pass
    /// shows.
    ///
    /// # Errors
    /// As there; what `see` says.
    pub(crate) fn observe<S: Send + Serialize + DeserializeOwned>(
        &self,
        dataset: &Dataset,
        plan: &Plan,
        processes: &Processes,
        see: impl Fn(&[usize], &Observed) -> Result<S, TrainError> + Sync,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<(Vec<Prediction>, Vec<S>), TrainError> {
        let rows = dataset.rows();
        let (predictions, seen) = self.answer(
            (&rows[..], plan),
            processes,
            &|i| dataset.name(i),
            |model, batch, members| {
                let (predictions, observed) = model.observe(batch)?;
                let seen = observed.map(|observed| see(members, &observed));
                Ok((predictions, seen.transpose()?))
            },
            tick,
        )?;
        Ok((predictions, seen.into_iter().flatten().collect()))
    }

    /// Predicts every row, in their order. `name` says in messages which row one is; `tick` is called after each batch with the number
    /// of rows done and may stop the work with an error.
    ///
    /// # Errors
    /// [`TrainError::Model`]; [`TrainError::Data`] naming a row that cannot be read, or whose answer is no distribution; or what `tick`
    /// says.
    pub fn predict_rows(
        &self,
        rows: &[Row<'_>],
        plan: &Plan,
        name: Name<'_>,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        self.predict_rows_by(&Processes::alone(), rows, plan, name, tick)
    }

    /// [`Session::predict_rows`], each by one of the `processes`, all of which call this with the same rows.
    pub(crate) fn predict_rows_by(
        &self,
        processes: &Processes,
        rows: &[Row<'_>],
        plan: &Plan,
        name: Name<'_>,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let (predictions, _) = self.answer(
            (rows, plan),
            processes,
            name,
            |model, batch, _| Ok((model.predict(batch)?, ())),
            tick,
        )?;
        Ok(predictions)
    }

    /// The rows answered batch by batch as `answer` does, in their order, with what it gives beside each batch.
    fn answer<S: Send + Serialize + DeserializeOwned>(
        &self,
        (rows, plan): (&[Row<'_>], &Plan),
        processes: &Processes,
        name: Name<'_>,
        answer: impl Fn(&Inference<'_>, &Batch, &[usize]) -> Result<(Vec<Prediction>, S), TrainError>
        + Sync,
        mut tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<(Vec<Prediction>, Vec<S>), TrainError> {
        let entry = |row: &Row<'_>| Entry {
            corpus: 0,
            tokens: row.ids.len(),
        };
        let entries: Vec<Entry> = rows.iter().map(entry).collect();
        let batches = plan.by_length(&entries);
        let (pad, device) = (self.tokenizer.pad(), self.model.device());
        let model = self.model.inference();
        let all = processes.answer(
            (&model, device),
            batches.len(),
            |model, at| {
                let indices = &batches[at];
                let members: Vec<Row<'_>> = indices.iter().map(|&i| rows[i]).collect();
                let refused =
                    |e: BatchError| TrainError::Data(format!("{}: {e}", name(indices[e.row()])));
                let batch = collate(&members, pad, device).map_err(refused)?;
                let (predictions, beside) = answer(model, &batch, indices)?;
                for (&i, prediction) in indices.iter().zip(&predictions) {
                    check(prediction, || name(i))?;
                }
                Ok((predictions, beside))
            },
            |done| tick(batches[..done].iter().map(Vec::len).sum()),
        )?;
        let mut out: Vec<Option<Prediction>> = vec![None; rows.len()];
        let mut besides = Vec::with_capacity(all.len());
        for (indices, (predictions, beside)) in batches.iter().zip(all) {
            for (&i, prediction) in indices.iter().zip(predictions) {
                out[i] = Some(prediction);
            }
            besides.push(beside);
        }
        let missing =
            || TrainError::Data("the model left an utterance without an answer".to_owned());
        let out: Result<_, _> = out.into_iter().map(|p| p.ok_or_else(missing)).collect();
        Ok((out?, besides))
    }
}

/// Refuses an answer that is no distribution; `name` says of which row.
fn check(prediction: &Prediction, name: impl Fn() -> String) -> Result<(), TrainError> {
    let total: f64 = prediction.polarity.iter().sum();
    let distribution = (total - 1.0).abs() < 1e-3; // false for NaN too
    match distribution {
        true => Ok(()),
        false => Err(TrainError::Data(format!(
            "{}: expected probabilities of the polarities that sum to 1, found {:?}: the weights or features overflow",
            name(),
            prediction.polarity
        ))),
    }
}
