//! Reading an MMSA pickle of 1 GB with every array touched: ours, and CPython's `pickle.load` with numpy on the same file.
//! `UNIMSE_PYTHON` names a Python that has numpy (default `python3`). Read the ratio; both sides find the file cached.

mod peer;

use std::{path::Path, time::Instant};
use unimse_formats::{Array, Item, Pickle};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;

/// Sums in lanes, as numpy does.
fn sum(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0_f32; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).map(|&x| f64::from(x)).sum()
}

fn sum_of(array: Array<'_>) -> Result<f64, Failure> {
    let rows = array.shape().first().copied().unwrap_or(1).max(1);
    let row = array.len() / rows;
    let mut total = 0.0;
    for i in 0..rows {
        total += sum(&array.read_f32(i * row, row)?);
    }
    Ok(total)
}

/// Touches all that `load` of the peer touches.
fn touch(item: Item<'_>) -> Result<f64, Failure> {
    if let Some(entries) = item.entries() {
        return entries.map(|(_, value)| touch(value)).sum();
    }
    match item.as_array() {
        Some(array) => sum_of(array),
        None => Ok(item.numbers().unwrap_or_default().iter().sum()),
    }
}

fn ours(path: &Path) -> Result<(f64, f64), Failure> {
    let start = Instant::now();
    let total = touch(Pickle::open(path)?.root())?;
    Ok((start.elapsed().as_secs_f64(), total))
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--test");
    let (bytes, rounds) = if check { ("1e7", 1) } else { ("1e9", ROUNDS) };
    let folder = tempfile::tempdir()?;
    let text = folder
        .path()
        .to_str()
        .ok_or("a temporary folder of UTF-8 name")?;
    if let Err(error) = peer::run(&["generate", text, "--bytes", bytes]) {
        println!("pickle: skipped, for the peer does not run: {error}");
        return Ok(());
    }
    let path = folder.path().join("mosei_unaligned.pkl");
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        let (seconds, total) = ours(&path)?;
        let (peer_seconds, peer_total) =
            peer::seconds_and_sum(&["load", path.to_str().unwrap_or_default()])?;
        if ((total - peer_total) / peer_total).abs() > 1e-4 {
            return Err(format!("expected the sum {peer_total}, found {total}").into());
        }
        best = [best[0].min(seconds), best[1].min(peer_seconds)];
    }
    println!(
        "pickle of {} MB, every array touched: ours {:.3} s, CPython {:.3} s, {:.2} times its speed",
        std::fs::metadata(&path)?.len() / 1_000_000,
        best[0],
        best[1],
        best[1] / best[0]
    );
    Ok(())
}
