//! Batches of an epoch, made ready on a thread of their own while the model is at work on the one before.
//!
//! What a batch holds is a function of (seed, epoch, place), so it does not matter which thread makes it, or when.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Device;
use unimse_model::batch::{Batch, Target};
use unimse_model::config::Modality;

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::processes::Rank;

/// Batches that wait for the model, at most.
const AHEAD: usize = 2;

/// Where the batches of an epoch come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed<'a> {
    /// The labelled examples.
    pub(super) dataset: &'a Dataset,
    /// Chance with which an utterance loses its audio, and its video: `train.modality_dropout`.
    pub(super) modality_dropout: f64,
    /// Where the tensors shall lie.
    pub(super) device: Device,
    /// Whose rows of a batch are wanted.
    pub(super) rank: Rank,
}

/// A batch with its targets.
pub(super) type Loaded = Result<(Batch, Vec<Target>), TrainError>;

impl Feed<'_> {
    /// What this process reads of the batch of the examples at `indices`. `seed` decides which modalities are lost.
    ///
    /// # Errors
    /// [`TrainError::Data`] naming the utterance that cannot be used.
    pub(super) fn load(&self, indices: &[usize], seed: i64) -> Loaded {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.unsigned_abs());
        let chance = self.modality_dropout;
        let lost = |_, _: Modality| chance > 0.0 && rng.random_bool(chance);
        let own = self.rank.read(indices.len());
        let targets = self.dataset.targets(&indices[own.clone()])?;
        let dataset = self.dataset;
        Ok((
            dataset.batch_without(indices, own, lost, self.device)?,
            targets,
        ))
    }

    /// The batches from number `first` on, in their order. The thread ends with the last one, after the first error, or when nobody listens.
    pub(super) fn run<'s>(
        self,
        scope: &'s Scope<'s, '_>,
        batches: &'s [Vec<usize>],
        first: usize,
        seed: impl Fn(usize) -> i64 + Send + 's,
    ) -> Receiver<Loaded>
    where
        Self: 's,
    {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for (at, indices) in batches.iter().enumerate().skip(first) {
                let loaded = self.load(indices, seed(at));
                let failed = loaded.is_err();
                if sender.send(loaded).is_err() || failed {
                    break;
                }
            }
        });
        receiver
    }
}
