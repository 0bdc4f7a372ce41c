//! From an MMSA pickle of 1 GB to Parquet tables: ours, and CPython's `pickle.load` with pyarrow's Parquet writer on the same file.
//! `UNIMSE_PYTHON` names a Python that has numpy and pyarrow (default `python3`). Read the ratio; both sides find the file cached, neither
//! counts its start. Ours also hashes the sources and syncs the tables.

mod peer;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// As in the binary `unimse`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;

/// Runs `work` and gives its seconds and the largest anonymous memory in between, in bytes (mapped files do not count).
fn measure(work: impl FnOnce() -> Result<(), Failure>) -> Result<(f64, u64), Failure> {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        result.map(|()| (seconds, peak.load(Ordering::Relaxed)))
    })
}

/// Anonymous memory of this process; 0 where the system does not tell.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kilobytes.unwrap_or(0) * 1024
}

/// Bytes of features that the train split holds in the pickle.
fn payload(tables: &Path) -> Result<usize, Failure> {
    let corpora = unimse_corpus::read(tables, &unimse_corpus::Split::ALL)?;
    let train = corpora[0].of_split(unimse_corpus::Split::Train).count();
    // 500 steps of 74 and 35 features, as the peer writes them
    Ok(train * 500 * (74 + 35) * size_of::<f32>())
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--test");
    let (bytes, rounds) = if check { ("1e7", 1) } else { ("1e9", ROUNDS) };
    let folder = tempfile::tempdir()?;
    let (data, out, theirs) = (
        folder.path().join("data"),
        folder.path().join("out"),
        folder.path().join("theirs"),
    );
    let corpus = data.join("mosei");
    let pickle = corpus.join("mosei_unaligned.pkl");
    let text = |path: &Path| path.display().to_string();
    if let Err(error) = peer::run(&["generate", &text(&corpus), "--bytes", bytes]) {
        println!("ingest: skipped, for the peer does not run: {error}");
        return Ok(());
    }
    let (mut best, mut memory) = ([f64::INFINITY; 2], 0);
    for _ in 0..rounds {
        let (seconds, peak) = measure(|| {
            unimse_corpus::ingest(&data, &out, &[], &mut |_| {})?;
            Ok(())
        })?;
        memory = memory.max(peak);
        let (peer_seconds, _) =
            peer::seconds_and_sum(&["convert", &text(&pickle), &text(&theirs)])?;
        best = [best[0].min(seconds), best[1].min(peer_seconds)];
    }
    println!(
        "ingest of {} MB: ours {:.3} s, CPython and pyarrow {:.3} s, {:.2} times their speed; anonymous memory {:.2} of the train split's audio and video",
        std::fs::metadata(&pickle)?.len() / 1_000_000,
        best[0],
        best[1],
        best[1] / best[0],
        memory as f64 / payload(&out)? as f64
    );
    Ok(())
}
