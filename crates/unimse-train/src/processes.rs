//! Several processes that do one thing together: which rows of a batch are whose, what they add up, what they answer for each other, what the one of
//! rank 0 tells the others.
//!
//! In training all hold the same weights, moments and averages, to the bit, because they make the same updates from the same sums. Whole batches that are
//! answered, of dev, of test or of texts to embed, are dealt out one by one; the answer to a batch depends on the batch alone, so it does not matter which
//! process gives it. The process of rank 0 leads: it alone scores and writes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};
use unimse_c10d::{Gradients, Group, Place, TIMEOUT};
use unimse_model::parallel::{self, ReadOnly};
use unimse_model::{Share, UniModel};

use crate::TrainError;

/// How long processes wait for each other before something that they begin together.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long the others wait for what the leading process does alone, a baseline that it trains among it. That it ends is noticed at once all the
/// same.
const LEADER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which of how many processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    /// From 0.
    pub(crate) rank: usize,
    /// At least 1.
    pub(crate) size: usize,
}

impl Rank {
    /// Which of a batch's `rows` are this process's: none, where there are fewer rows than processes.
    pub(crate) fn own(self, rows: usize) -> Range<usize> {
        let until = |rank: usize| rows * rank / self.size;
        until(self.rank)..until(self.rank + 1)
    }

    /// Which of them it reads: its own, or the first one, for a model answers no empty batch.
    pub(crate) fn read(self, rows: usize) -> Range<usize> {
        let own = self.own(rows);
        if own.is_empty() { 0..rows.min(1) } else { own }
    }

    /// What it reads of every one of `batches`.
    pub(crate) fn parts(self, batches: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let part = |batch: Vec<usize>| batch[self.read(batch.len())].to_vec();
        batches.into_iter().map(part).collect()
    }

    /// Which of `count` whole batches it answers.
    fn dealt(self, count: usize) -> Vec<usize> {
        (self.rank..count).step_by(self.size).collect()
    }
}

/// What a process says in a round of [`Processes::answer`], or the leading one to the others.
#[derive(Debug, Serialize, Deserialize)]
enum Word<T> {
    /// The answer to its batch.
    Answer(T),
    /// It has no batch in this round.
    Nothing,
    /// It was asked to stop.
    Stop,
}

/// This process and the others, where there are some.
#[derive(Debug)]
pub struct Processes {
    group: Option<Group>,
    /// Whether gradients are summed beside the backward pass.
    beside: bool,
}

impl Processes {
    /// This one alone.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            group: None,
            beside: false,
        }
    }

    /// Meets the others that `torchrun`, or `cargo xtask`, began with this one, which computes on `device`; alone where there are none.
    ///
    /// # Errors
    /// [`TrainError::Group`] naming a variable of the environment, or saying that not all came.
    pub fn join(device: Device) -> Result<Self, TrainError> {
        let place = Place::of_this_process()?;
        let group = place.map(|place| Group::join(&place, device, TIMEOUT));
        Ok(Self {
            group: group.transpose()?,
            beside: device.is_cuda(),
        })
    }

    /// The same; `beside` is whether gradients are summed beside the backward pass, or after it. Default: beside it on a GPU, after it on the CPU, where sums take
    /// the cores that the pass needs (docs/processes.md). The numbers are the same to the bit.
    #[must_use]
    pub fn summing_beside(self, beside: bool) -> Self {
        Self { beside, ..self }
    }

    /// Whether this one scores and writes.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.rank().rank == 0
    }

    /// Which one this is.
    pub(crate) fn rank(&self) -> Rank {
        self.group
            .as_ref()
            .map_or(Rank { rank: 0, size: 1 }, |group| Rank {
                rank: group.rank(),
                size: group.size(),
            })
    }

    /// What this one has of a batch of `rows`; `None` where it has all.
    pub(crate) fn share(&self, rows: usize) -> Option<Share<'_>> {
        let group = self.group.as_ref()?;
        Some(Share::new(group, self.rank().own(rows).len(), rows))
    }

    /// Refuses processes that work on something else than the leading one. `parts` names, with its value, everything that decides the numbers.
    pub(crate) fn agree(&self, parts: &BTreeMap<String, String>) -> Result<(), TrainError> {
        let leader = self.hear(self.leads().then(|| parts.clone()))?;
        difference(&leader, parts).map_or(Ok(()), |difference| {
            let rank = self.rank().rank;
            Err(TrainError::Config(format!(
                "process {rank} works on something else than process 0 (there): {difference}"
            )))
        })
    }

    /// Sums the gradients of `model` over the processes: begins before the last backward pass of an update, and ends in [`Gradients::finish`] after it. That of a parameter
    /// that took no part in the rows here is 0 here. `None` where this process is alone.
    pub(crate) fn gradients(&self, model: &UniModel) -> Result<Option<Gradients<'_>>, TrainError> {
        // a backward pass in pieces may come to a leaf more than once
        let beside = self.beside && !model.config().checkpointing;
        let group = self.group.as_ref();
        let begun = group.map(|group| group.gradients(&model.trained(), beside));
        Ok(begun.transpose()?)
    }

    /// Does `work` for the numbers from 0 to `count`, each in one process, several at a time on threads of the CPU, and gives to all what comes of it, in
    /// order. Numbers are dealt by rounds, one a process; a round ends when every process has heard what all have to say in it. So one that ends, or is
    /// stopped, is missed within a round, and what is held beside the result is one round.
    ///
    /// `tick` hears how many numbers are done when the round is, and may stop the work in all processes with [`TrainError::Stopped`].
    ///
    /// # Errors
    /// What `work` or `tick` says; [`TrainError::Stopped`] where another process was stopped, [`TrainError::Group`] where one ended.
    pub(crate) fn answer<M, T>(
        &self,
        (model, device): (&M, Device),
        count: usize,
        work: impl Fn(&M, usize) -> Result<T, TrainError> + Sync,
        mut tick: impl FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<T>, TrainError>
    where
        M: ReadOnly,
        T: Send + Serialize + DeserializeOwned,
    {
        self.wait()?; // the leading process may come from what it does alone
        let rank = self.rank();
        let own = rank.dealt(count);
        let mut all = Vec::with_capacity(count);
        let mut keep = |found: Result<T, TrainError>| {
            let answer = found?;
            let asked = tick((all.len() + rank.size).min(count));
            let heard = match &asked {
                Ok(()) => self.round(Word::Answer(answer)),
                Err(TrainError::Stopped(_)) => self.round(Word::Stop),
                Err(_) => return asked,
            };
            asked?;
            all.extend(heard?);
            Ok(())
        };
        match device {
            Device::Cpu => parallel::some(model, &own, count, work, keep)?,
            _ => own.iter().try_for_each(|&at| keep(work(model, at)))?,
        }
        if own.len() < count.div_ceil(rank.size) {
            all.extend(self.round(Word::Nothing)?);
        }
        Ok(all)
    }

    /// The answers of a round, by rank.
    fn round<T: Serialize + DeserializeOwned>(&self, word: Word<T>) -> Result<Vec<T>, TrainError> {
        let words = match &self.group {
            None => vec![word],
            Some(group) => {
                let mut said = Vec::new();
                ciborium::into_writer(&word, &mut said).map_err(|e| unheard(&e))?;
                let all = group.gather_bytes(&said)?;
                let read = all.iter().map(|said| ciborium::from_reader(&said[..]));
                read.collect::<Result<_, _>>().map_err(|e| unheard(&e))?
            }
        };
        let mut answers = Vec::with_capacity(words.len());
        for word in words {
            match word {
                Word::Answer(answer) => answers.push(answer),
                Word::Nothing => {}
                Word::Stop => return Err(TrainError::Stopped("with another process".to_owned())),
            }
        }
        Ok(answers)
    }

    /// Lets the leading process do `work`, and gives to all what comes of it. Where it was stopped, all are.
    pub(crate) fn lead<T: Serialize + DeserializeOwned>(
        &self,
        work: impl FnOnce() -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let word = match self.leads().then(work) {
            None => None,
            Some(Ok(done)) => Some(Word::Answer(done)),
            Some(Err(error)) => {
                if matches!(error, TrainError::Stopped(_)) {
                    self.hear::<Word<T>>(Some(Word::Stop))?;
                }
                return Err(error);
            }
        };
        match self.hear(word)? {
            Word::Answer(done) => Ok(done),
            Word::Nothing | Word::Stop => {
                Err(TrainError::Stopped("with the leading process".to_owned()))
            }
        }
    }

    /// Whether one of the processes says so.
    pub(crate) fn any(&self, here: bool) -> Result<bool, TrainError> {
        let Some(group) = &self.group else {
            return Ok(here);
        };
        let mut said = [Tensor::from_slice(&[i64::from(here)])];
        group.all_reduce(&mut said)?;
        Ok(said[0].int64_value(&[0]) > 0)
    }

    /// What the leading process says, which alone gives `word`. The others wait for it.
    pub(crate) fn hear<T: Serialize + DeserializeOwned>(
        &self,
        word: Option<T>,
    ) -> Result<T, TrainError> {
        let Some(group) = &self.group else {
            return word.ok_or_else(|| unheard(&"nothing"));
        };
        let said = word.as_ref().map(serde_json::to_vec).transpose();
        let mut bytes = said.map_err(|e| unheard(&e))?.unwrap_or_default();
        group.broadcast_bytes(&mut bytes, 0, LEADER)?;
        match word {
            Some(word) => Ok(word),
            None => serde_json::from_slice(&bytes).map_err(|e| unheard(&e)),
        }
    }

    /// Waits until all have come here: the leading process from what it does alone, each from what it does before the first batch.
    pub(crate) fn wait(&self) -> Result<(), TrainError> {
        let group = self.group.as_ref();
        Ok(group.map_or(Ok(()), |group| group.barrier(PATIENCE))?)
    }
}

fn unheard(error: &dyn std::fmt::Display) -> TrainError {
    TrainError::Data(format!("what another process says cannot be read: {error}"))
}

/// Parts that a difference lists.
const SHOWN: usize = 3;

/// What differs between two sets of named parts, in words: `train.epochs is 3 there, 5 here`; `None` where nothing does.
pub(crate) fn difference(
    there: &BTreeMap<String, String>,
    here: &BTreeMap<String, String>,
) -> Option<String> {
    let absent = || "absent".to_owned();
    let mut names: Vec<&String> = there.keys().chain(here.keys()).collect();
    names.sort();
    names.dedup();
    let mut found: Vec<String> = names
        .into_iter()
        .filter(|name| there.get(*name) != here.get(*name))
        .map(|name| {
            let value = |parts: &BTreeMap<_, String>| {
                parts.get(name).map_or_else(absent, |value| short(value))
            };
            format!("{name} is {} there, {} here", value(there), value(here))
        })
        .collect();
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    (!found.is_empty()).then(|| found.join("; "))
}

/// A digest by its beginning, anything else whole.
fn short(value: &str) -> String {
    let digest = value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if digest {
        value[..12].to_owned()
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
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

    #[test]
    fn every_batch_is_answered_by_one_process() {
        assert_eq!(Rank { rank: 1, size: 3 }.dealt(8), [1, 4, 7]);
        assert!(Rank { rank: 2, size: 3 }.dealt(2).is_empty());
        for size in 1..5 {
            for count in 0..12 {
                let dealt = (0..size).flat_map(|rank| Rank { rank, size }.dealt(count));
                let mut dealt: Vec<usize> = dealt.collect();
                dealt.sort_unstable();
                assert!(dealt.into_iter().eq(0..count));
            }
        }
    }

    /// NaN, signed zeros and what has no short decimal.
    #[test]
    fn an_answer_travels_to_the_bit() {
        let values = vec![0.1f64, -0.0, f64::NAN, f64::INFINITY, 1.0 / 3.0, 5e-324];
        let narrow: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        let mut said = Vec::new();
        ciborium::into_writer(&Word::Answer((&values, &narrow)), &mut said).unwrap();
        let heard: Word<(Vec<f64>, Vec<f32>)> = ciborium::from_reader(&said[..]).unwrap();
        let Word::Answer((wide, single)) = heard else {
            panic!("{heard:?}");
        };
        let bits = |all: &[f64]| -> Vec<u64> { all.iter().map(|x| x.to_bits()).collect() };
        assert_eq!(bits(&wide), bits(&values));
        assert!(
            single
                .iter()
                .zip(&narrow)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
}
