//! The processes that train one model together: which rows of a batch are whose, what they add up, what the one of rank 0 tells the others.
//!
//! All hold the same weights, moments and averages, to the bit, because they make the same updates from the same sums. The one of rank 0 leads: it
//! alone scores dev and writes.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};
use unimse_c10d::Group;
use unimse_model::{Share, UniModel};

use crate::TrainError;
use crate::train::identity::Identity;

/// How long the others wait while one gets ready, or the leading process scores dev or writes. That it ends is noticed at once all the same.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Which of how many processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    /// From 0.
    pub(super) rank: usize,
    /// At least 1.
    pub(super) size: usize,
}

impl Rank {
    /// Which of a batch's `rows` are this process's: none, where there are fewer rows than processes.
    pub(super) fn own(self, rows: usize) -> Range<usize> {
        let until = |rank: usize| rows * rank / self.size;
        until(self.rank)..until(self.rank + 1)
    }

    /// Which of them it reads: its own, or the first one, for a model answers no empty batch.
    pub(super) fn read(self, rows: usize) -> Range<usize> {
        let own = self.own(rows);
        if own.is_empty() { 0..rows.min(1) } else { own }
    }

    /// What it reads of every one of `batches`.
    pub(super) fn parts(self, batches: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let part = |batch: Vec<usize>| batch[self.read(batch.len())].to_vec();
        batches.into_iter().map(part).collect()
    }
}

/// This process and the others, where there are some.
#[derive(Debug)]
pub(super) struct Processes(Option<Group>);

impl Processes {
    /// Those of `group`; this one alone where there is none.
    pub(super) fn of(group: Option<Group>) -> Self {
        Self(group)
    }

    /// Which one this is.
    pub(super) fn rank(&self) -> Rank {
        self.0
            .as_ref()
            .map_or(Rank { rank: 0, size: 1 }, |group| Rank {
                rank: group.rank(),
                size: group.size(),
            })
    }

    /// Whether this one scores dev and writes.
    pub(super) fn leads(&self) -> bool {
        self.rank().rank == 0
    }

    /// What this one has of a batch of `rows`; `None` where it has all.
    pub(super) fn share(&self, rows: usize) -> Option<Share<'_>> {
        let group = self.0.as_ref()?;
        Some(Share::new(group, self.rank().own(rows).len(), rows))
    }

    /// Refuses processes that train something else than the leading one.
    pub(super) fn agree(&self, identity: &Identity) -> Result<(), TrainError> {
        let leader: Identity = self.hear(self.leads().then(|| identity.clone()))?;
        leader.difference(identity).map_or(Ok(()), |difference| {
            let rank = self.rank().rank;
            Err(TrainError::Config(format!(
                "process {rank} would train something else than process 0 (there): {difference}"
            )))
        })
    }

    /// Sums the gradients of the model over the processes. That of a parameter that took no part in the rows here is 0 here.
    pub(super) fn sum_gradients(&self, model: &UniModel) -> Result<(), TrainError> {
        let Some(group) = &self.0 else {
            return Ok(());
        };
        let parameters = model.parameters().into_iter().map(|(_, p)| p);
        let trained: Vec<Tensor> = parameters.filter(Tensor::requires_grad).collect();
        let absent = trained.iter().filter(|p| !p.grad().defined());
        // tch sets no gradient; that of 0 times a parameter is 0
        let zeros = absent.map(|p| p.sum(Kind::Float) * 0.0);
        if let Some(zero) = zeros.reduce(|a, b| a + b) {
            zero.backward();
        }
        let mut gradients: Vec<Tensor> = trained.iter().map(Tensor::grad).collect();
        Ok(group.all_reduce(&mut gradients)?)
    }

    /// Whether one of the processes says so.
    pub(super) fn any(&self, here: bool) -> Result<bool, TrainError> {
        let Some(group) = &self.0 else {
            return Ok(here);
        };
        let mut said = [Tensor::from_slice(&[i64::from(here)])];
        group.all_reduce(&mut said)?;
        Ok(said[0].int64_value(&[0]) > 0)
    }

    /// What the leading process says, which alone gives `word`. The others wait for it.
    pub(super) fn hear<T: Serialize + DeserializeOwned>(
        &self,
        word: Option<T>,
    ) -> Result<T, TrainError> {
        let unheard = |error: &dyn std::fmt::Display| {
            TrainError::Data(format!("what process 0 says cannot be read: {error}"))
        };
        let Some(group) = &self.0 else {
            return word.ok_or_else(|| unheard(&"nothing"));
        };
        let said = word.as_ref().map(serde_json::to_vec).transpose();
        let mut bytes = said.map_err(|e| unheard(&e))?.unwrap_or_default();
        group.broadcast_bytes(&mut bytes, 0, PATIENCE)?;
        match word {
            Some(word) => Ok(word),
            None => serde_json::from_slice(&bytes).map_err(|e| unheard(&e)),
        }
    }

    /// Waits until all have come here: the leading process from writing, each from what it does before the first batch.
    pub(super) fn wait(&self) -> Result<(), TrainError> {
        let group = self.0.as_ref();
        Ok(group.map_or(Ok(()), |group| group.barrier(PATIENCE))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_belongs_to_one_process() {
        for size in 1..5 {
            for rows in 1..12 {
                let of = |rank| Rank { rank, size };
                let own: Vec<usize> = (0..size).flat_map(|rank| of(rank).own(rows)).collect();
                assert!(own.into_iter().eq(0..rows), "{rows} rows, {size} processes");
                for rank in 0..size {
                    let (own, read) = (of(rank).own(rows), of(rank).read(rows));
                    assert!(own.len().abs_diff(rows / size) <= 1, "{own:?}");
                    assert!(own == read || own.is_empty() && read == (0..1));
                    let batch: Vec<usize> = (10..10 + rows).collect();
                    let part = batch[read].to_vec();
                    assert_eq!(of(rank).parts(vec![batch]), [part]);
                }
            }
        }
    }
}
