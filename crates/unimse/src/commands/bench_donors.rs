//! `unimse bench-donors`: how fast the donor search is on this machine, in memory and streamed, as JSON.

use std::borrow::Cow;
use std::process::ExitCode;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};
use unimse_labels::{Block, Key, Matches, SearchError, search};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Random unit rows that stream through and are never in memory together.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    queries: u32,
    /// Random unit rows kept in memory.
    #[arg(long, default_value_t = 25_000, value_name = "N")]
    donors: u32,
    /// Values a row.
    #[arg(long, default_value_t = 384, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dim: u32,
}

/// Rows a streamed block holds.
const BLOCK: u32 = 16 * 1024;
/// Queries of the run in memory.
const IN_MEMORY: u32 = 4 * BLOCK;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dim = args.dim as usize;
    let donors = rows(args.queries..args.queries.saturating_add(args.donors), dim);
    let (expected, in_memory) = in_memory(args, &donors)?;

    let firsts = (0..args.queries).step_by(BLOCK as usize);
    let stream = firsts.map(|first| {
        let values = rows(first..args.queries.min(first.saturating_add(BLOCK)), dim);
        Ok(block(Cow::Owned(values), first, dim))
    });
    let start = Instant::now();
    let (found, of_donors) = search::<_, SearchError, _>(dim, 2, stream, || {
        [Ok(block(
            Cow::Borrowed(donors.as_slice()),
            args.queries,
            dim,
        ))]
    })?;
    let streamed = rate(args, found.len(), start);
    let agree = (0..expected.len()).all(|row| expected.of(row) == found.of(row));
    anyhow::ensure!(
        agree,
        "the streamed search found other donors than the one in memory"
    );

    let report = json!({
        "queries": found.len(),
        "donors": of_donors.len(),
        "dim": dim,
        "threads": rayon::current_num_threads(),
        "seconds": start.elapsed().as_secs_f64(),
        "in_memory": in_memory,
        "streamed": streamed,
        "peak_memory_mb": peak(),
    });
    super::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    Ok(ExitCode::SUCCESS)
}

/// The first queries, all in memory: what they found, and the rate.
fn in_memory(args: &Args, donors: &[f32]) -> anyhow::Result<(Matches, Value)> {
    let dim = args.dim as usize;
    let queries = rows(0..args.queries.min(IN_MEMORY), dim);
    let start = Instant::now();
    let left = [Ok::<_, SearchError>(block(
        Cow::Borrowed(queries.as_slice()),
        0,
        dim,
    ))];
    let right = || [Ok(block(Cow::Borrowed(donors), args.queries, dim))];
    let (found, _) = search(dim, 2, left, right)?;
    let rate = rate(args, found.len(), start);
    Ok((found, rate))
}

/// Pairs of rows compared a second, each for both directions.
fn rate(args: &Args, queries: usize, start: Instant) -> Value {
    let pairs = queries as f64 * f64::from(args.donors);
    let seconds = start.elapsed().as_secs_f64();
    json!({"pairs_per_second": pairs / seconds, "gflops": pairs * 2.0 * f64::from(args.dim) / seconds / 1e9})
}

fn block(values: Cow<'_, [f32]>, first: u32, dim: usize) -> Block<Cow<'_, [f32]>> {
    let key = |at: usize| {
        let rank = first + at as u32;
        Key {
            rank,
            group: rank,
            asks: true,
            gives: true,
        }
    };
    let keys = (0..values.len() / dim).map(key).collect();
    Block { values, keys }
}

/// Unit rows, each decided by its number alone: a linear congruential generator whose state it seeds.
fn rows(numbers: std::ops::Range<u32>, dim: usize) -> Vec<f32> {
    let mut values = vec![0.0_f32; numbers.len() * dim];
    let first = u64::from(numbers.start);
    values
        .par_chunks_exact_mut(dim)
        .enumerate()
        .for_each(|(at, row)| {
            let mut state = (first + at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            for value in row.iter_mut() {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *value = (state >> 40) as f32 / (1 << 23) as f32 - 1.0 + f32::EPSILON / 2.0; // never all zero
            }
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|value| *value /= length);
        });
    values
}

/// Peak resident memory of the process, where the system tells it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
