//! What lies where in a run folder, and what a saved model needs to be built again.

use std::path::{Path, PathBuf};

use crate::TrainError;

/// Where a run reads and writes.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The run folder: checkpoints, events.
    pub run: PathBuf,
    /// Utterance tables.
    pub corpus: PathBuf,
    /// Label tables.
    pub labels: PathBuf,
}

impl Paths {
    /// Tables inside the run folder.
    #[must_use]
    pub fn of_run(run: &Path) -> Self {
        Self {
            run: run.into(),
            corpus: run.join("corpus"),
            labels: run.join("labels"),
        }
    }

    /// The folder of the checkpoint, which is one of the Hub: the backbone's configuration and tokenizer lie in it.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.run.join("checkpoints")
    }

    /// The weights that dev selected.
    #[must_use]
    pub fn best(&self) -> PathBuf {
        self.run.join("checkpoints/model.safetensors")
    }

    /// The state an interrupted training goes on from.
    #[must_use]
    pub fn last(&self) -> PathBuf {
        self.run.join("checkpoints/last.safetensors")
    }

    /// Feature scales fitted on the training rows.
    #[must_use]
    pub fn normaliser(&self) -> PathBuf {
        self.run.join("checkpoints/features.json")
    }

    /// What the checkpoint is of: fields, dimensions, seed.
    #[must_use]
    pub fn card(&self) -> PathBuf {
        self.run.join("checkpoints/model.json")
    }

    /// The whole configuration, as merged.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.run.join("config.toml")
    }

    /// The event log.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.run.join("events.jsonl")
    }
}

/// What a saved model needs to be built again.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Card {
    pub(crate) seed: u64,
    pub(crate) fields: Vec<unimse_labels::Field>,
    pub(crate) dims: unimse_model::config::FeatureDims,
}

impl Card {
    pub(crate) fn load(path: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path, "reading"))?;
        serde_json::from_slice(&bytes).map_err(|e| TrainError::artefact(path, e))
    }
}
