//! Before a long training: how long, how much memory, how much disk.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;
use unimse_model::unimodel::UniModel;
use unimse_run::RunFolder;

use crate::TrainError;
use crate::config::{RunConfig, TrainConfig};
use crate::data::dataset::Dataset;
use crate::model::session::checkpoint_folder;
use crate::processes::Processes;
use crate::train::trainer::Trainer;

/// What a training will take, measured on a few batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds of all epochs, dev evaluation not counted.
    pub seconds: f64,
    /// Bytes of memory at the peak.
    pub memory: u64,
    /// Bytes of the selected weights and of three states: the last, the one before it, and one being written.
    pub disk: u64,
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gib = |b: u64| b as f64 / f64::from(1 << 30);
        write!(
            f,
            "about {:.1} min for all epochs, {:.1} GiB of memory, {:.2} GiB of disk",
            self.seconds / 60.0,
            gib(self.memory),
            gib(self.disk)
        )
    }
}

/// What a training of `config` on the tables of `paths` would take. It writes nothing; what would refuse the training refuses this.
///
/// # Errors
/// As [`train`](super::trainer::train).
pub fn of_run(config: &RunConfig, paths: &RunFolder, seed: u64) -> Result<Estimate, TrainError> {
    let never = AtomicBool::new(false);
    let folder = checkpoint_folder(&config.model.checkpoint)?;
    let alone = Processes::alone();
    let trainer = Trainer::new(config, paths, &folder, seed, (&never, &alone))?;
    let model = &trainer.session.model;
    estimate(
        model,
        &trainer.train,
        &trainer.first_epoch(),
        trainer.config,
    )
}

/// Of the batches of an `epoch` as this process reads them: runs forward and backward of three (shortest, middle, longest), then clears their gradients: nothing is learned.
///
/// # Errors
/// As the model.
pub fn estimate(
    model: &UniModel,
    dataset: &Dataset,
    epoch: &[Vec<usize>],
    train: &TrainConfig,
) -> Result<Estimate, TrainError> {
    let tokens = |b: &Vec<usize>| {
        b.iter()
            .map(|&i| dataset.examples[i].ids.len())
            .max()
            .unwrap_or(0)
            * b.len()
    };
    let mut order: Vec<&Vec<usize>> = epoch.iter().collect();
    order.sort_by_key(|b| tokens(b));
    let (mut work, memory) = ((0.0, 0.0), model.memory());
    for (k, at) in [order.len() - 1, order.len() / 2, 0]
        .into_iter()
        .enumerate()
    {
        let started = Instant::now();
        let batch = dataset.batch(order[at], model.device())?;
        model
            .loss(&batch, &dataset.targets(order[at])?, true)?
            .backward(1.0);
        // the first batch also warms LibTorch up and shows the largest memory
        if k > 0 || order.len() < 3 {
            work.0 += started.elapsed().as_secs_f64();
            work.1 += tokens(order[at]) as f64;
        }
    }
    model.restore_memory(&memory)?;
    for (_, mut t) in model.parameters() {
        t.zero_grad();
    }
    let all: f64 = epoch.iter().map(|b| tokens(b) as f64).sum();
    let (count, trained) = model.parameter_count();
    // weight, two moments, and the average where there is one
    let kept = if train.average == 0.0 { 3 } else { 4 };
    let (count, state) = (count as u64 * 4, trained as u64 * 4 * kept);
    Ok(Estimate {
        seconds: work.0 / work.1.max(1.0) * all * train.epochs.get() as f64,
        // the state is allocated already; a checkpoint being written holds it once more
        memory: peak_memory() + state,
        disk: 3 * state + count,
    })
}

/// Peak resident memory of this process in bytes; 0 where the system does not tell.
#[must_use]
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
