//! Tokenizer, grammar and model together, as train builds and [`crate::model::saved_model`] opens them, and the one way in which rows are predicted.

use std::path::PathBuf;

use tch::Device;
use unimse_labels::{Field, Grammar};
use unimse_model::batch::Prediction;
use unimse_model::config::FeatureDims;
use unimse_model::tokenizer::Tokenizer;
use unimse_model::unimodel::{Observed, UniModel};
use unimse_model::{BatchError, Precision, parallel};

use crate::config::{PrecisionChoice, RunConfig, TrainConfig};
use crate::data::dataset::{self, Dataset};
use crate::data::reader::{Reader, Speakers};
use crate::data::row::{Row, collate};
use crate::data::sampler::{Entry, Mixture, Plan};
use crate::{TrainError, train::cpu};

/// A model with what it needs to read text and speak labels.
pub struct Session {
    /// The network.
    pub model: UniModel,
    /// The backbone's tokenizer.
    pub tokenizer: Tokenizer,
    /// With `model.speakers`, those that training knows.
    pub speakers: Option<Speakers>,
    /// Folder of the checkpoint that the model was built around.
    pub folder: PathBuf,
}

/// What is told of a batch beside its answers: the rows that it is of, in its order, and what its pass shows.
pub type Observer<'a> = &'a mut dyn FnMut(&[usize], &Observed) -> Result<(), TrainError>;

/// The device of this machine: the first CUDA device if LibTorch sees one, else the CPU.
#[must_use]
pub fn device() -> Device {
    Device::cuda_if_available()
}

/// The compute kind a choice means on a device.
#[must_use]
pub fn precision(choice: PrecisionChoice, device: Device) -> Precision {
    match choice {
        PrecisionChoice::Fp32 => Precision::Fp32,
        PrecisionChoice::Bf16 => Precision::Bf16,
        PrecisionChoice::Auto if device.is_cuda() || cpu::has_bf16() => Precision::Bf16,
        PrecisionChoice::Auto => Precision::Fp32,
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
            folder,
        })
    }

    /// How this model reads utterances.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            tokenizer: &self.tokenizer,
            speakers: self.speakers.as_ref(),
            max_tokens: self.model.config().model.max_tokens.get(),
        }
    }

    /// The grammar the model speaks.
    #[must_use]
    pub fn grammar(&self) -> &Grammar {
        self.model.grammar()
    }

    /// Predicts every example of `dataset`, in its order, as [`Session::predict_rows`].
    ///
    /// # Errors
    /// As there; the message names corpus and utterance.
    pub fn predict(
        &self,
        dataset: &Dataset,
        plan: &Plan,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let rows = dataset.rows();
        self.predict_rows(&rows, plan, &|i| dataset.name(i), tick)
    }

    /// [`Session::predict`]; `see` is shown every batch of a model that has fused layers.
    ///
    /// # Errors
    /// As there; what `see` says.
    pub fn observe(
        &self,
        dataset: &Dataset,
        plan: &Plan,
        see: Observer<'_>,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let rows = dataset.rows();
        self.answer(&rows, plan, &|i| dataset.name(i), tick, Some(see))
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
        name: &dyn Fn(usize) -> String,
        tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        self.answer(rows, plan, name, tick, None)
    }

    fn answer(
        &self,
        rows: &[Row<'_>],
        plan: &Plan,
        name: &dyn Fn(usize) -> String,
        mut tick: impl FnMut(usize) -> Result<(), TrainError>,
        mut see: Option<Observer<'_>>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let entries: Vec<Entry> = rows
            .iter()
            .map(|r| Entry {
                corpus: 0,
                tokens: r.ids.len(),
            })
            .collect();
        let batches = plan.by_length(&entries);
        let (pad, device) = (self.tokenizer.pad(), self.model.device());
        let gather = |at: usize| {
            let members: Vec<Row<'_>> = batches[at].iter().map(|&i| rows[i]).collect();
            collate(&members, pad, device)
        };
        let refused = |at: usize, e: BatchError| {
            TrainError::Data(format!("{}: {e}", name(batches[at][e.row()])))
        };
        let mut out: Vec<Option<Prediction>> = vec![None; rows.len()];
        let (mut at, mut done) = (0, 0);
        let mut keep = |predictions: Vec<Prediction>| {
            done += predictions.len();
            for (&i, p) in batches[at].iter().zip(predictions) {
                check(&p, || name(i))?;
                out[i] = Some(p);
            }
            at += 1;
            tick(done)
        };
        let model = self.model.inference();
        if see.is_none() && device == Device::Cpu {
            parallel::each(
                &model,
                batches.len(),
                |model, at| (at, gather(at).map(|batch| model.predict(&batch))),
                |(at, found)| keep(found.map_err(|e| refused(at, e))??),
            )?;
        } else {
            for (at, indices) in batches.iter().enumerate() {
                let batch = gather(at).map_err(|e| refused(at, e))?;
                keep(match &mut see {
                    None => model.predict(&batch)?,
                    Some(see) => {
                        let (predictions, observed) = model.observe(&batch)?;
                        observed.map_or(Ok(()), |observed| see(indices, &observed))?;
                        predictions
                    }
                })?;
            }
        }
        let missing =
            || TrainError::Data("the model left an utterance without an answer".to_owned());
        out.into_iter().map(|p| p.ok_or_else(missing)).collect()
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
