//! The whole training loop against the bare step of the model (forward, backward, update) on the same batches, made before the clock starts:
//! what reading tables into batches, events, logs and checkpoints cost. Demo data of MOSI, all-MiniLM-L6-v2 trained whole, in
//! `train.precision = "auto"`. The loop's rate is the one that it tells itself, `utterances_per_second` of an epoch, dev left out. Loop and step in
//! turn, the best round of each; read the ratio.
//!
//! `UNIMSE_MODELS`, or else `.models` of the checkout, holds `all-MiniLM-L6-v2`. Arguments: `--test` (one round of one epoch), `--threads N`,
//! `--rounds N`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "shared/backbones.rs"]
mod backbones;
#[path = "shared/tables.rs"]
mod tables;
#[path = "shared/training.rs"]
mod training;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use backbones::backbone;
use tables::{SEED, tables};
use training::Bare;
use unimse_run::{Event, RunFolder};
use unimse_train::config::RunConfig;
use unimse_train::train::trainer;

type Failure = Box<dyn std::error::Error>;

/// The value behind an argument, or a default.
fn argument<T: std::str::FromStr>(name: &str, default: T) -> Result<T, Failure>
where
    T::Err: std::error::Error + 'static,
{
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    Ok(match (arguments.next(), arguments.next()) {
        (Some(_), Some(value)) => value.parse()?,
        (Some(_), None) => return Err(format!("{name}: expected a number").into()),
        (None, _) => default,
    })
}

/// Utterances a second of the loop in the best of its epochs.
fn of_loop(config: &RunConfig, run: &RunFolder) -> Result<f64, Failure> {
    trainer::train(config, run, SEED, false, &AtomicBool::new(false))?;
    let mut best = 0.0_f64;
    for line in std::fs::read_to_string(run.events())?.lines() {
        if let Event::Epoch(epoch) = serde_json::from_str(line)? {
            best = best.max(epoch.utterances_per_second.unwrap_or_default());
        }
    }
    Ok(best)
}

/// Utterances a second over all batches.
fn of_steps(bare: &mut Bare) -> Result<f64, Failure> {
    let utterances: i64 = bare.batches.iter().map(|(batch, _)| batch.size).sum();
    let start = Instant::now();
    for at in 0..bare.batches.len() {
        bare.step(at)?;
    }
    Ok(utterances as f64 / start.elapsed().as_secs_f64())
}

fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--test");
    let (rounds, epochs) = if check {
        (1, 1)
    } else {
        (argument("--rounds", 2)?, 2)
    };
    let threads = argument(
        "--threads",
        std::thread::available_parallelism()?.get() as i32,
    )?;
    tch::set_num_threads(threads);
    let Some(encoder) = backbone("all-MiniLM-L6-v2") else {
        println!("left out: loop needs all-MiniLM-L6-v2");
        return Ok(());
    };
    let encoder = encoder.display().to_string();
    let overrides = [
        format!("model.checkpoint={encoder}"),
        format!("train.epochs={epochs}"),
        "train.unfreeze=all".to_owned(),
        "train.patience=1000".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &overrides)?;
    let place = tempfile::tempdir()?;
    let tables = tables(place.path(), &config, &encoder)?;

    let (mut whole, mut step) = (0.0_f64, 0.0_f64);
    for round in 0..rounds {
        let run = RunFolder {
            run: place.path().join(format!("run-{round}")),
            ..tables.clone()
        };
        whole = whole.max(of_loop(&config, &run)?);
        let mut bare = Bare::new(&config, &run)?;
        for _ in 0..epochs {
            step = step.max(of_steps(&mut bare)?);
        }
    }
    println!(
        "loop {whole:.1} utterances/s, bare step {step:.1} utterances/s, ratio {:.3} ({threads} threads)",
        whole / step
    );
    Ok(())
}
