//! What train, evaluate and predict build alike: tokenizer, grammar and model of a run.

use std::path::PathBuf;

use tch::Device;
use unimse_labels::{Field, Grammar};
use unimse_model::Precision;
use unimse_model::batch::Prediction;
use unimse_model::config::FeatureDims;
use unimse_model::tokenizer::Tokenizer;
use unimse_model::unimodel::UniModel;

use crate::config::{PrecisionChoice, RunConfig};
use crate::dataset::{self, Dataset};
use crate::sampler::Plan;
use crate::{TrainError, cpu};

/// A model with what it needs to read text and speak labels.
pub struct Session {
    /// The network.
    pub model: UniModel,
    /// The backbone's tokenizer.
    pub tokenizer: Tokenizer,
    /// Folder of the checkpoint that the model was built around.
    pub folder: PathBuf,
}

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
        let tokenizer = Tokenizer::from_folder(&folder)?;
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
            folder,
        })
    }

    /// The grammar the model speaks.
    #[must_use]
    pub fn grammar(&self) -> &Grammar {
        self.model.grammar()
    }

    /// Predicts every example of `dataset`, in its order. `tick` is called after each batch with the number of examples done and
    /// may stop the work with an error.
    ///
    /// # Errors
    /// [`TrainError::Model`], [`TrainError::Data`], or what `tick` says.
    pub fn predict(
        &self,
        dataset: &Dataset,
        plan: &Plan,
        mut tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let mut out: Vec<Option<Prediction>> = vec![None; dataset.examples.len()];
        let mut done = 0;
        let model = self.model.inference();
        for indices in plan.by_length(&dataset.entries()) {
            let batch = dataset.batch(&indices, self.model.device())?;
            let predictions = model.predict(&batch)?;
            done += predictions.len();
            for (i, p) in indices.into_iter().zip(predictions) {
                out[i] = Some(p);
            }
            tick(done)?;
        }
        let missing =
            || TrainError::Data("the model left an utterance without an answer".to_owned());
        out.into_iter().map(|p| p.ok_or_else(missing)).collect()
    }
}
