//! The test split is opened once per run: `receipts.jsonl` records each opening, and results say how many there were.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use unimse_labels::Split;

use crate::TrainError;
use crate::dataset::Dataset;
use unimse_run::artefact;

/// One opening of the test split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// SHA-256 over corpus, id and gold of every test row.
    pub split: String,
    /// SHA-256 of the weights.
    pub checkpoint: String,
    /// How many openings this run has seen, this one included.
    pub openings: usize,
}

/// Records that the test rows of `dataset` are about to be scored with `checkpoint`, before they are.
///
/// # Errors
/// [`TrainError::Io`] with the path.
pub fn open(run: &Path, dataset: &Dataset, checkpoint: &Path) -> Result<Receipt, TrainError> {
    let mut hash = Sha256::new();
    for e in &dataset.examples {
        let u = &dataset.corpora[e.corpus].utterances[e.utterance];
        if u.split == Split::Test {
            hash.update(format!(
                "{}\t{}\t{:?}\t{:?}\n",
                u.corpus, u.utterance_id, u.score, u.emotion
            ));
        }
    }
    let split: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let checkpoint = artefact::sha256(checkpoint)?;
    let path = run.join("receipts.jsonl");
    let mut log = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(TrainError::io(&path, "reading")(e)),
    };
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    log.push_str(&format!(
        "{}\n",
        json!({"unix_time": time, "split_sha256": split, "checkpoint_sha256": checkpoint})
    ));
    artefact::write(&path, log.as_bytes())?;
    Ok(Receipt {
        split,
        checkpoint,
        openings: log.lines().count(),
    })
}

impl Receipt {
    /// As it stands in `results.json`; the time is in `receipts.jsonl` alone, so that equal runs give equal bytes.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"split_sha256": self.split, "checkpoint_sha256": self.checkpoint})
    }
}
