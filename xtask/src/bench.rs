//! `cargo xtask bench`: the benches; with `--check`, whether a part has become slower than the committed baseline says.
//!
//! The check measures in two ways, neither of them in seconds, so that a machine which does other work gives the same answer (docs/benchmarks.md):
//! instructions that callgrind counts, and ratios of processor time to fixed work in the same process.

use crate::checkout::Checkout;
use crate::reproduce::Usage;
use crate::{child, peers, setup};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use unimse_run::artefact;

mod baseline;
mod guard;
mod table;
mod verdict;

use baseline::{Baseline, Count, Machine};
use guard::{Guard, Slower};
use verdict::{Line, Verdict};

/// What to run.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Compare with `benches/baseline` and fail where a part has become slower, instead of running the benches.
    #[arg(long, group = "measuring")]
    check: bool,
    /// Write what is measured into `benches/baseline` instead of comparing it.
    #[arg(long, group = "measuring")]
    bless: bool,
    /// Where the baseline lies, instead of `benches/baseline`: one of your own, made on the same machine.
    #[arg(long, value_name = "DIR", requires = "measuring")]
    baseline: Option<PathBuf>,
    /// These parts alone, or these benches or contests.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    only: Vec<String>,
    #[command(flatten)]
    peers: peers::Options,
}

/// Parts by name, each with what was measured.
type Measured<T> = BTreeMap<String, T>;

/// How often a kernel that seems slower is measured anew before it is called so.
const AGAIN: usize = 2;

/// Processes that a new baseline of a ratio is made from.
const BLESSINGS: usize = 5;

/// Runs the benches, the contests, the check, or makes a baseline.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    if options.peers.peers {
        return peers::run(checkout, &options.peers, &options.only);
    }
    setup::ensure(checkout)?;
    if !options.check && !options.bless {
        return benches(checkout, &options.only);
    }
    let baseline = options.baseline.as_deref();
    measure(checkout, options.bless, baseline, &options.only)
}

/// The whole check, as the continuous integration runs it.
pub(crate) fn check_all(checkout: &Checkout) -> Result<()> {
    measure(checkout, false, None, &[])
}

/// Measures parts and compares them, or makes a baseline of them.
fn measure(
    checkout: &Checkout,
    bless: bool,
    baseline: Option<&Path>,
    only: &[String],
) -> Result<()> {
    let machine = Machine::here()?;
    let guard = Guard::build(checkout)?;
    let parts = guard.parts()?.only(only).map_err(Usage)?;
    let own = || checkout.root.join("benches/baseline");
    let folder = baseline.map_or_else(own, Path::to_path_buf);
    let counts = guard.count(&parts.counts, None)?;
    if bless {
        if !counts.is_empty() {
            baseline::bless_counts(&folder, &machine, counts)?;
        }
        return bless_ratios(&guard, &parts.ratios, &folder, &machine);
    }
    let known = Baseline::read(&folder, &machine)?;
    let mut lines = verdict::of_counts(&known, &counts);
    lines.extend(ratios(&guard, &parts.ratios, &known)?);
    let proof = only.is_empty().then(|| prove(&guard, &counts));
    let text = table::markdown(&machine, &known, &lines);
    let out = checkout.target.join("bench");
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    artefact::write(&out.join("check.md"), text.as_bytes())?;
    artefact::write_json(&out.join("check.json"), &lines)?;
    eprint!("{}", table::plain(&lines));
    known
        .notes
        .iter()
        .for_each(|note| eprintln!("bench: {note}"));
    eprintln!("bench: {}", out.join("check.md").display());
    let slower: Vec<&str> = lines
        .iter()
        .filter(|line| line.verdict == Verdict::Slower)
        .map(|line| line.part.as_str())
        .collect();
    if !slower.is_empty() {
        bail!("slower than the baseline: {}", slower.join(", "));
    }
    proof.unwrap_or(Ok(()))
}

/// Times kernels in some processes and writes their baseline.
fn bless_ratios(guard: &Guard, names: &[String], folder: &Path, machine: &Machine) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut timed = Vec::new();
    for at in 1..=BLESSINGS {
        eprintln!("bench: process {at} of {BLESSINGS}");
        timed.push(guard.ratios(names, None)?);
    }
    baseline::bless_ratios(folder, machine, &timed)
}

/// `cargo bench` of all benches, or of those named.
fn benches(checkout: &Checkout, only: &[String]) -> Result<()> {
    let mut cargo = checkout.cargo();
    // the whole workspace is selected, so that the features are those of every other build
    cargo.args(["bench", "--workspace", "--locked"]);
    let all = benches_of(checkout)?;
    if let Some(other) = only.iter().find(|name| !all.contains(name)) {
        let known = all.join(", ");
        return Err(Usage(format!("--only {other}: expected a bench of {known}")).into());
    }
    // `peers` has work only for `--peers`
    let all: Vec<String> = all.into_iter().filter(|name| name != "peers").collect();
    for name in if only.is_empty() { &all } else { only } {
        cargo.args(["--bench", name]);
    }
    child::run("cargo bench", &mut cargo)
}

/// The benches that `benches/Cargo.toml` lists.
fn benches_of(checkout: &Checkout) -> Result<Vec<String>> {
    let path = checkout.root.join("benches/Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let benches = manifest.get("bench").and_then(toml::Value::as_array);
    let name = |bench: &toml::Value| Some(bench.get("name")?.as_str()?.to_owned());
    Ok(benches.into_iter().flatten().filter_map(name).collect())
}

/// The kernels against the baseline. One that seems slower is measured anew, in a process of its own: only what is slow every time is slower.
fn ratios(guard: &Guard, names: &[String], known: &Baseline) -> Result<Vec<Line>> {
    let mut found = guard.ratios(names, None)?;
    for _ in 0..AGAIN {
        let lines = verdict::of_ratios(known, &found);
        let seems = lines.iter().filter(|l| l.verdict == Verdict::Slower);
        let seems: Vec<String> = seems.map(|line| line.part.clone()).collect();
        if seems.is_empty() {
            break;
        }
        eprintln!("bench: once more: {}", seems.join(", "));
        for (name, ratio) in guard.ratios(&seems, None)? {
            let least = found.entry(name).or_insert(ratio);
            *least = least.min(ratio);
        }
    }
    Ok(verdict::of_ratios(known, &found))
}

/// A test of the test: a part that is made to do 10 % more work, and a kernel that is made to do 25 % more, must be found slower than they
/// were a moment ago, by the rules that the check goes by.
fn prove(guard: &Guard, counts: &Measured<Count>) -> Result<()> {
    const PART: (&str, usize) = ("labels/parse", 10);
    const KERNEL: (&str, usize) = ("donors", 25);
    eprintln!(
        "bench: proof, {} made {} % slower and {} {} %",
        PART.0, PART.1, KERNEL.0, KERNEL.1
    );
    let one = |name: &str| vec![name.to_owned()];
    let before = Baseline::of_counts(counts);
    let slow = guard.count(&one(PART.0), Some(Slower(PART)))?;
    let mut lines = verdict::of_counts(&before, &slow);
    let before = Baseline::of_ratios(&guard.ratios(&one(KERNEL.0), None)?);
    let slow = guard.ratios(&one(KERNEL.0), Some(Slower(KERNEL)))?;
    lines.extend(verdict::of_ratios(&before, &slow));
    match lines.iter().find(|line| line.verdict != Verdict::Slower) {
        Some(blind) => bail!(
            "{} was made slower, and the check did not see it: {:.3} times what it was",
            blind.part,
            blind.ratio.unwrap_or(f64::NAN)
        ),
        None => Ok(()),
    }
}
