//! What `cargo xtask bench --check` measures.
//!
//! - `guard list`: the names, one a line, as `count NAME` and `ratio NAME`.
//! - `guard count NAME ...`: each part's work, [`COUNTED`] times, within [`counted`]; a line of JSON each with what it allocated. Callgrind counts the
//!   instructions inside that function and writes a file for each part, in the same order.
//! - `guard ratio ROUNDS NAME ...`: each kernel and its fixed reference in turn, in seconds of processor time on one thread; a line of JSON each
//!   with the ratio of every round.
//!
//! Without these words (`cargo bench`) Criterion measures seconds and throughput of all parts, on all threads.
//!
//! `UNIMSE_GUARD_SLOWER=NAME=PERCENT` makes a part do so much more work than it says: the check must see it (a test of the test).
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "../shared/backbones.rs"]
mod backbones;
#[path = "../shared/donor_rows.rs"]
mod donor_rows;
#[path = "../shared/labels.rs"]
mod labels;
#[path = "../shared/tables.rs"]
mod tables;
#[path = "../shared/training.rs"]
mod training;
#[path = "../shared/values.rs"]
mod values;

mod allocations;
mod counts;
mod kernels;
mod reference;

use std::path::Path;

use criterion::{Criterion, Throughput};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// One repeat of a part's work.
type Work = Box<dyn FnMut() -> Result<(), Failure>>;

/// A part of the project whose speed is watched.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    /// How many things one repeat works on.
    things: u64,
    /// Makes the work, in a folder of its own; that is not measured.
    make: fn(&Path) -> Result<Work, Failure>,
}

impl Part {
    const fn new(
        name: &'static str,
        things: u64,
        make: fn(&Path) -> Result<Work, Failure>,
    ) -> Self {
        Self { name, things, make }
    }
}

/// Repeats of a part whose instructions are counted: it can be made 10 % slower.
const COUNTED: usize = 10;

/// Repeats of a kernel that is timed: it can be made 25 % slower.
const TIMED: usize = 4;

/// How often the work is done: `usual` times, or more often where the part is to be slower than it says.
fn repeats(name: &str, usual: usize) -> Result<usize, Failure> {
    let slower = std::env::var("UNIMSE_GUARD_SLOWER").unwrap_or_default();
    match slower.split_once('=') {
        Some((part, percent)) if part == name => {
            Ok(usual + usual * percent.parse::<usize>()? / 100)
        }
        _ => Ok(usual),
    }
}

/// The function that callgrind is told to look into.
#[inline(never)]
fn counted(work: &mut Work, repeats: usize) -> Result<(), Failure> {
    for _ in 0..repeats {
        work()?;
    }
    Ok(())
}

fn part(parts: &[Part], name: &str) -> Result<Part, Failure> {
    let found = parts.iter().find(|part| part.name == name);
    Ok(*found.ok_or_else(|| format!("{name}: no such part"))?)
}

fn count(names: &[String], place: &Path) -> Result<(), Failure> {
    for name in names {
        let Part { name, make, .. } = part(counts::PARTS, name)?;
        let mut work = make(place)?;
        work()?; // caches, tables made once
        let repeats = repeats(name, COUNTED)?;
        let before = allocations::so_far();
        counted(&mut work, repeats)?;
        let (blocks, bytes) = allocations::since(before);
        println!(
            "{}",
            json!({"name": name, "blocks": blocks, "bytes": bytes})
        );
    }
    Ok(())
}

fn ratio(rounds: usize, names: &[String], place: &Path) -> Result<(), Failure> {
    for name in names {
        let Part { name, make, .. } = part(kernels::PARTS, name)?;
        let mut kernel = make(place)?;
        let mut fixed = reference::of(name)?;
        let repeats = repeats(name, TIMED)?;
        kernel()?;
        fixed()?;
        let mut ratios = Vec::new();
        let mut seconds = [0.0; 2];
        for _ in 0..rounds {
            let own = processor_seconds(&mut kernel, repeats)?;
            let other = processor_seconds(&mut fixed, TIMED)?;
            ratios.push(own / other);
            seconds = [seconds[0] + own, seconds[1] + other];
        }
        let [own, other] = seconds.map(|all| all / rounds as f64);
        println!(
            "{}",
            json!({"name": name, "ratios": ratios, "seconds": own, "reference_seconds": other})
        );
    }
    Ok(())
}

/// Processor time of this process, all its threads: what a busy neighbour takes is not in it.
fn processor_seconds(work: &mut Work, repeats: usize) -> Result<f64, Failure> {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let start = now();
    for _ in 0..repeats {
        work()?;
    }
    Ok(now() - start)
}

/// Seconds and throughput of every part, as Criterion measures them.
fn seconds(place: &Path) -> Result<(), Failure> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut failed = Ok(());
    for part in counts::PARTS.iter().chain(kernels::PARTS) {
        let mut work = (part.make)(place)?;
        let mut group = criterion.benchmark_group("parts");
        group.throughput(Throughput::Elements(part.things));
        group.bench_function(part.name, |bencher| {
            bencher.iter(|| {
                if let Err(error) = work() {
                    failed = Err(error);
                }
            });
        });
        group.finish();
    }
    criterion.final_summary();
    failed
}

/// One thread everywhere, the calling one: callgrind counts the thread that is inside [`counted`].
fn one_thread() -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.use_current_thread().build_global()?;
    tch::set_num_threads(1);
    tch::manual_seed(1);
    Ok(())
}

fn names(parts: &[Part]) -> Vec<String> {
    parts.iter().map(|part| part.name.to_owned()).collect()
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let place = tempfile::tempdir()?;
    let word = arguments.first().map(String::as_str);
    if matches!(word, Some("count" | "ratio")) {
        one_thread()?;
    }
    match word {
        Some("list") => {
            names(counts::PARTS)
                .iter()
                .for_each(|name| println!("count {name}"));
            names(kernels::PARTS)
                .iter()
                .for_each(|name| println!("ratio {name}"));
            Ok(())
        }
        Some("count") => count(&arguments[1..], place.path()),
        Some("ratio") => {
            let rounds = arguments
                .get(1)
                .ok_or("ratio: expected a number of rounds")?;
            ratio(rounds.parse()?, &arguments[2..], place.path())
        }
        _ => seconds(place.path()),
    }
}
