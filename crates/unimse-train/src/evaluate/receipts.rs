//! What makes one opening of the test split: its rows with their gold, and the weights.

use sha2::{Digest, Sha256};
use unimse_run::{Receipt, RunFolder, artefact};

use crate::TrainError;
use crate::data::dataset::Dataset;

/// The receipt of scoring `test`, the test rows, with the selected weights of `run`.
///
/// # Errors
/// [`TrainError::Io`] with the path.
pub fn receipt(run: &RunFolder, test: &Dataset) -> Result<Receipt, TrainError> {
    let mut hash = Sha256::new();
    for e in &test.examples {
        let u = test.utterance(e);
        hash.update(format!(
            "{}\t{}\t{:?}\t{:?}\n",
            u.corpus, u.utterance_id, u.score, u.emotion
        ));
    }
    Ok(Receipt {
        split_sha256: artefact::hex(&hash.finalize()),
        checkpoint_sha256: artefact::sha256(&run.best())?,
    })
}
