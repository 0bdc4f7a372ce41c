//! What lies where in a run folder.

use std::path::{Path, PathBuf};

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
