//! Whole models on the demo data of MOSI: a training step of all-mpnet-base-v2 on batches of eight utterances, and answers of a trained MiniLM, its
//! opening apart from its rows. Throughput counts utterances.
//!
//! `UNIMSE_MODELS`, or else `.models` of the checkout, holds the models; one that is absent is left out.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it left out")]

#[path = "shared/backbones.rs"]
mod backbones;
#[path = "shared/tables.rs"]
mod tables;
#[path = "shared/training.rs"]
mod training;

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use backbones::backbone;
use criterion::{BatchSize, Criterion, Throughput};
use tables::{SEED, tables};
use training::Bare;
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::data::reader::Spoken;
use unimse_train::predict::{Input, Predictor};
use unimse_train::train::trainer;

type Failure = Box<dyn std::error::Error>;

/// Rows that are answered at once: as many as `predict` takes of a file.
const ROWS: usize = 512;

/// A configuration around the model called `name` and the tables for it below `place`; nothing where the model is not at hand.
fn prepared(name: &str, place: &Path) -> Result<Option<(RunConfig, RunFolder)>, Failure> {
    let Some(folder) = backbone(name) else {
        println!("left out: models needs {name}");
        return Ok(None);
    };
    let folder = folder.display().to_string();
    let overrides = [
        format!("model.checkpoint={folder}"),
        "train.unfreeze=all".to_owned(),
        "train.batch=8".to_owned(),
        "train.epochs=1".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &overrides)?;
    let run = tables(place, &config, &folder)?;
    Ok(Some((config, run)))
}

/// Forward, backward and update of one batch.
fn mpnet_step(criterion: &mut Criterion, place: &Path) -> Result<(), Failure> {
    let Some((config, run)) = prepared("all-mpnet-base-v2", place)? else {
        return Ok(());
    };
    let mut bare = Bare::new(&config, &run)?;
    let mut group = criterion.benchmark_group("mpnet");
    group.throughput(Throughput::Elements(bare.batches[0].0.size as u64));
    let mut failed = Ok(());
    group.bench_function("step", |bencher| {
        bencher.iter(|| {
            if let Err(error) = bare.step(0) {
                failed = Err(error);
            }
        });
    });
    group.finish();
    failed
}

/// A row of a text of its own length: 4 to 35 words.
fn row(number: usize) -> Input {
    let words = "it was not what we had hoped for , was it ? ".repeat(3);
    let words = words.split_inclusive(' ').take(4 + number % 32);
    Input {
        place: format!("row {number}"),
        spoken: Spoken {
            text: words.collect(),
            ..Spoken::default()
        },
        ..Input::default()
    }
}

/// The opening of a trained model with its checks, and the answers to rows of text once it is open.
fn predict(criterion: &mut Criterion, place: &Path) -> Result<(), Failure> {
    let Some((config, run)) = prepared("all-MiniLM-L6-v2", place)? else {
        return Ok(());
    };
    trainer::train(&config, &run, SEED, false, &AtomicBool::new(false))?;
    let predictor = Predictor::load(&run.run)?;
    predictor.predict(vec![row(0)])?;
    let mut group = criterion.benchmark_group("predict");
    group.bench_function("open", |bencher| {
        bencher.iter(|| black_box(Predictor::load(&run.run).is_ok()));
    });
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("rows", |bencher| {
        bencher.iter_batched(
            || (0..ROWS).map(row).collect::<Vec<_>>(),
            |rows| black_box(predictor.predict(rows).is_ok()),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let [mpnet, minilm] = [tempfile::tempdir()?, tempfile::tempdir()?];
    predict(&mut criterion, minilm.path())?;
    mpnet_step(&mut criterion, mpnet.path())?;
    criterion.final_summary();
    Ok(())
}
