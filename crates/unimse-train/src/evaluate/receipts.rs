//! What makes one opening of the test split: its rows with their gold, and the weights.

use sha2::{Digest, Sha256};
use unimse_labels::Split;
use unimse_run::{Receipt, RunFolder, artefact};

use crate::TrainError;
use crate::data::dataset::Dataset;

/// The receipt of scoring the test rows of `dataset` with the selected weights of `run`.
///
/// # Errors
/// [`TrainError::File`] with the path.
pub fn receipt(run: &RunFolder, dataset: &Dataset) -> Result<Receipt, TrainError> {
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
    Ok(Receipt {
        split_sha256: artefact::hex(&hash.finalize()),
        checkpoint_sha256: artefact::sha256(&run.best())?,
    })
}
