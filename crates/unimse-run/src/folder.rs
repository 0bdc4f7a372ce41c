//! What lies where in a run folder.

use std::path::{Path, PathBuf};

use crate::{FileError, RO_CRATE};

/// Where a run reads and writes. Of several seeds each has its own run folder, below the one that holds what they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    /// The run folder: checkpoints, events, results.
    pub run: PathBuf,
    /// Utterance tables.
    pub corpus: PathBuf,
    /// Label tables.
    pub labels: PathBuf,
}

/// Name of the model card in the folder of a checkpoint.
pub const MODEL_CARD: &str = "README.md";

/// Name of the description of the utterance tables, in their folder.
pub const CROISSANT: &str = "croissant.json";

/// What a run writes into its folder downstream of the tables.
pub const DOWNSTREAM: [&str; 12] = [
    "checkpoints",
    "baselines",
    "events.jsonl",
    "tensorboard",
    "non_finite.json",
    "predictions.parquet",
    "representations.json",
    "results.json",
    "report.md",
    "report.html",
    "provenance.json",
    RO_CRATE,
];

impl RunFolder {
    /// Tables inside the run folder.
    #[must_use]
    pub fn new(run: &Path) -> Self {
        Self {
            run: run.into(),
            corpus: run.join("corpus"),
            labels: run.join("labels"),
        }
    }

    /// The run folder of one of several seeds below `run`.
    #[must_use]
    pub fn of_seed(run: &Path, seed: u64) -> Self {
        Self::new(&run.join(format!("seed-{seed}")))
    }

    /// The run folder of the fine-tuned baseline of a corpus: a training of its own, with tables of its own.
    #[must_use]
    pub fn finetuned(&self, corpus: &str) -> Self {
        Self::new(&self.run.join("baselines").join(corpus))
    }

    /// The seed that a folder's name is of; `None` for another name.
    #[must_use]
    pub fn seed_of(name: &str) -> Option<u64> {
        let digits = name.strip_prefix("seed-")?;
        let seed: u64 = digits.parse().ok()?;
        (seed.to_string() == digits).then_some(seed)
    }

    /// The run folders of the seeds below `run`, by seed; empty where `run` is a run folder itself.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn seeds(run: &Path) -> Result<Vec<(u64, Self)>, FileError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(run).map_err(FileError::at(run, "listing"))? {
            let path = entry.map_err(FileError::at(run, "listing"))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(seed) = name.and_then(Self::seed_of)
                && path.is_dir()
            {
                found.push((seed, Self::new(&path)));
            }
        }
        found.sort_by_key(|(seed, _)| *seed);
        Ok(found)
    }

    /// The folder of the checkpoint, which is one of the Hub: the backbone's configuration and tokenizer lie in it.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.run.join("checkpoints")
    }

    /// The weights that dev selected.
    #[must_use]
    pub fn best(&self) -> PathBuf {
        self.checkpoints().join("model.safetensors")
    }

    /// The state an interrupted training goes on from.
    #[must_use]
    pub fn last(&self) -> PathBuf {
        self.checkpoints().join("last.safetensors")
    }

    /// The state before [`RunFolder::last`], for the case that the disk spoils it.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        self.checkpoints().join("previous.safetensors")
    }

    /// The model card of the checkpoint: made from results, so no part of what was trained.
    #[must_use]
    pub fn model_card(&self) -> PathBuf {
        self.checkpoints().join(MODEL_CARD)
    }

    /// Feature scales fitted on the training rows.
    #[must_use]
    pub fn normaliser(&self) -> PathBuf {
        self.checkpoints().join("features.json")
    }

    /// The ablation that the run is a row of: beside it, where there is one; see [`crate::Ablation`].
    #[must_use]
    pub fn ablation(&self) -> PathBuf {
        self.run.join("../ablation.json")
    }

    /// The whole configuration, as merged.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.run.join("config.toml")
    }

    /// The event log; see [`crate::Event`].
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.run.join("events.jsonl")
    }

    /// The numbers of the event log for TensorBoard; see [`crate::ScalarLog`]. One training has one file, so its name holds no time.
    #[must_use]
    pub fn scalars(&self) -> PathBuf {
        self.run.join("tensorboard/events.out.tfevents.0.unimse")
    }

    /// What is known of the labels; see [`crate::LabelSummary`].
    #[must_use]
    pub fn label_summary(&self) -> PathBuf {
        self.labels.join("summary.json")
    }

    /// What the model said of every dev and test utterance.
    #[must_use]
    pub fn predictions(&self) -> PathBuf {
        self.run.join("predictions.parquet")
    }

    /// Utterances before and after fusion; see [`crate::Representations`]. Absent without a fused layer.
    #[must_use]
    pub fn representations(&self) -> PathBuf {
        self.run.join("representations.json")
    }

    /// The scores; see [`crate::Results`].
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.run.join("results.json")
    }

    /// The openings of the test split; see [`crate::Receipt`].
    #[must_use]
    pub fn receipts(&self) -> PathBuf {
        self.run.join("receipts.jsonl")
    }

    /// What the folder holds, for machines; see [`crate::RoCrate`].
    #[must_use]
    pub fn metadata(&self) -> PathBuf {
        self.run.join(RO_CRATE)
    }

    /// Where the numbers come from; see [`crate::Provenance`].
    #[must_use]
    pub fn provenance(&self) -> PathBuf {
        self.run.join("provenance.json")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn seeds_are_found_by_number() {
        let run = tempfile::tempdir().unwrap();
        for name in ["seed-10", "seed-2", "seed-02", "seed-x", "seed-", "other"] {
            std::fs::create_dir(run.path().join(name)).unwrap();
        }
        std::fs::write(run.path().join("seed-3"), "a file").unwrap();
        let seeds = RunFolder::seeds(run.path()).unwrap();
        let expected = [2, 10].map(|seed| (seed, RunFolder::of_seed(run.path(), seed)));
        assert_eq!(seeds, expected);
        assert_eq!(seeds[0].1.corpus, run.path().join("seed-2/corpus"));
    }
}
