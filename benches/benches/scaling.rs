//! How work grows with its size and shrinks with threads, where the code is meant to scale: donor search, cluster bootstrap, Parquet tables, and
//! tokenising, which has one thread. Throughput is the figure to compare along a curve: level over sizes, twice as much with twice the threads.
//!
//! `UNIMSE_MODELS`, or else `.models` of the checkout, holds `all-MiniLM-L6-v2`, whose tokenizer is used.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it left out")]

#[path = "shared/backbones.rs"]
mod backbones;
#[path = "shared/donor_rows.rs"]
mod donor_rows;
#[path = "shared/values.rs"]
mod values;

use std::hint::black_box;

use backbones::backbone;
use criterion::{BenchmarkId, Criterion, Throughput};
use donor_rows::{DIM, best_two, normalise, product};
use rayon::{ThreadPool, ThreadPoolBuilder};
use unimse_eval::{Convention, resample, sentiment_measure};
use unimse_labels::Split;
use unimse_model::Tokenizer;
use values::values;

type Failure = Box<dyn std::error::Error>;

/// Pools of 1, 2, 4 ... threads, as many as there are cores at most, and what a curve calls them.
fn pools() -> Result<Vec<(String, ThreadPool)>, Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let counts = (0..).map(|power| 1 << power);
    let pool = |n: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(n).build()?;
        Ok((format!("{n} threads"), pool))
    };
    counts.take_while(|&n| n <= cores).map(pool).collect()
}

/// The best two of n x n rows, both ways, and the bound of one thread, the product alone; pairs.
fn donors(criterion: &mut Criterion, pools: &[(String, ThreadPool)]) {
    let mut group = criterion.benchmark_group("donors");
    for n in [1024, 2048, 4096] {
        let [left, right] = [1, 2].map(|seed| {
            let mut rows = values(n * DIM, seed);
            normalise(&mut rows, DIM);
            rows
        });
        group.throughput(Throughput::Elements(2 * (n * n) as u64));
        let mut out = vec![0.0; n * n];
        group.bench_function(BenchmarkId::new("bound: product", n), |bencher| {
            bencher.iter(|| product(n, n, &left, &right, black_box(&mut out)));
        });
        for (name, pool) in pools {
            group.bench_function(BenchmarkId::new(name, n), |bencher| {
                bencher.iter(|| pool.install(|| black_box(best_two(&left, &right).is_ok())));
            });
        }
    }
    group.finish();
}

/// MMSA's metrics on 200 resamples of the videos of n rows, seven rows each; rows drawn.
fn resamples(criterion: &mut Criterion, pools: &[(String, ThreadPool)]) -> Result<(), Failure> {
    const RESAMPLES: usize = 200;
    let mut group = criterion.benchmark_group("bootstrap");
    for n in [700, 2800, 11_200] {
        let [truth, prediction] = [3, 4].map(|seed| values(n, seed));
        let videos: Vec<usize> = (0..n).map(|row| row / 7).collect();
        group.throughput(Throughput::Elements((RESAMPLES * n) as u64));
        for (name, pool) in pools {
            let metrics = Convention::Mmsa.metrics();
            let measure = sentiment_measure(&prediction, &truth, Convention::Mmsa, &metrics)?;
            group.bench_function(BenchmarkId::new(name, n), |bencher| {
                bencher
                    .iter(|| pool.install(|| black_box(resample(&measure, &videos, RESAMPLES, 1))));
            });
        }
    }
    group.finish();
    Ok(())
}

/// Demo corpora written as tables and read again, one of them and all four; utterances.
fn parquet(criterion: &mut Criterion, pools: &[(String, ThreadPool)]) -> Result<(), Failure> {
    let place = tempfile::tempdir()?;
    let mut group = criterion.benchmark_group("parquet");
    for corpora in [1, 4] {
        let [data, tables] =
            ["data", "tables"].map(|n| place.path().join(format!("{n}-{corpora}")));
        unimse_corpus::demo::write(&data)?;
        for other in ["mosei", "meld", "iemocap"].iter().skip(corpora - 1) {
            std::fs::remove_dir_all(data.join(other))?;
        }
        unimse_corpus::ingest(&data, &tables, &[], &mut |_| {})?;
        let read = || unimse_corpus::read(&tables, &Split::ALL);
        let utterances: usize = read()?.iter().map(|corpus| corpus.utterances.len()).sum();
        group.throughput(Throughput::Elements(utterances as u64));
        for (name, pool) in pools {
            let write = || unimse_corpus::ingest(&data, &tables, &[], &mut |_| {}).is_ok();
            group.bench_function(
                BenchmarkId::new(format!("ingest, {name}"), utterances),
                |b| {
                    b.iter(|| pool.install(|| black_box(write())));
                },
            );
            group.bench_function(BenchmarkId::new(format!("read, {name}"), utterances), |b| {
                b.iter(|| pool.install(|| black_box(read().is_ok())));
            });
        }
    }
    group.finish();
    Ok(())
}

/// n texts of MiniLM's tokenizer.
fn tokenise(criterion: &mut Criterion) -> Result<(), Failure> {
    let Some(folder) = backbone("all-MiniLM-L6-v2") else {
        println!("left out: tokenising needs all-MiniLM-L6-v2");
        return Ok(());
    };
    let tokenizer = Tokenizer::from_folder(&folder)?;
    let text = |i: u32| format!("Well, number {i} was not what we had hoped for, was it? Oh my!");
    let mut group = criterion.benchmark_group("tokenise");
    for n in [100, 1000, 10_000] {
        let texts: Vec<String> = (0..n).map(text).collect();
        group.throughput(Throughput::Elements(u64::from(n)));
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            let length =
                |text: &String| tokenizer.encode_text(text, 128).map_or(0, |ids| ids.len());
            bencher.iter(|| black_box(texts.iter().map(length).sum::<usize>()));
        });
    }
    group.finish();
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let pools = pools()?;
    donors(&mut criterion, &pools);
    resamples(&mut criterion, &pools)?;
    parquet(&mut criterion, &pools)?;
    tokenise(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
