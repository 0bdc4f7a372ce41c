//! Who lends labels and who takes them: the choices of a unification.

use crate::names::vocabulary;
use crate::{Sample, Split};

vocabulary! {
    /// Who lends labels.
    DonorProtocol, "donor protocol":
    /// Utterances of the train splits.
    Train = "train",
    /// Utterances of every split, as in the official release: labels of test rows leak into training.
    All = "all",
    /// Nobody, and no rule either: every utterance keeps the fields of its own corpus alone.
    None = "none",
    /// A control: who takes a label under `train` takes it from an utterance drawn among all that might lend it.
    Random = "random",
    /// A control: as under `train`, but each takes the donor of another utterance of its polarity and split. Labels are lent as often as
    /// there, only not to similar texts.
    Shuffled = "shuffled",
}

vocabulary! {
    /// Who takes labels.
    QueryProtocol, "query protocol":
    /// Utterances of the train and dev splits; test rows keep their gold fields only.
    TrainDev = "train+dev",
    /// Utterances of every split: a diagnostic that training must not read.
    All = "all",
    /// Utterances of the test splits alone: as a stream is labelled, block by block against donors that are kept, none of which asks.
    Test = "test",
}

/// How [`unify`](crate::unify()) works. The default is the clean protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnifyOptions {
    /// Default: train.
    pub donors: DonorProtocol,
    /// Default: train and dev.
    pub queries: QueryProtocol,
    /// A best cosine below this lends nothing; under [`DonorProtocol::Random`] and [`DonorProtocol::Shuffled`] that of the nearest donor,
    /// which then is replaced. Default: none.
    pub min_similarity: Option<f32>,
    /// Seed of [`DonorProtocol::Random`] and [`DonorProtocol::Shuffled`]. Default: 1.
    pub seed: u64,
}

impl Default for UnifyOptions {
    fn default() -> Self {
        Self {
            donors: DonorProtocol::Train,
            queries: QueryProtocol::TrainDev,
            min_similarity: None,
            seed: 1,
        }
    }
}

impl UnifyOptions {
    /// Whether a sample of this split may lend labels.
    pub fn gives(&self, sample: &Sample) -> bool {
        match self.donors {
            DonorProtocol::All => true,
            DonorProtocol::None => false,
            DonorProtocol::Train | DonorProtocol::Random | DonorProtocol::Shuffled => {
                sample.split == Split::Train
            }
        }
    }

    /// Whether a sample of this split takes labels; the labels of others are kept but never looked at.
    pub fn asks(&self, sample: &Sample) -> bool {
        match self.queries {
            QueryProtocol::TrainDev => sample.split != Split::Test,
            QueryProtocol::All => true,
            QueryProtocol::Test => sample.split == Split::Test,
        }
    }
}
