//! `cargo xtask bench --peers`: our code against what people use in its place, in one run, and the verdict on every target.
//!
//! A contest has sides, each a process of its own. One after the other they get ready and do a round that does not count; then they take turns, so
//! that all of them see the same machine, and only one works at any time. `benches/RESULTS.json` and `.md` are written by a whole run; a part of it, or one of
//! quick sizes, writes to `target/peers`, and a whole one too until it is done.

mod contest;
mod contests;
mod ratio;
mod render;
mod results;
mod resume;
mod side;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use unimse_run::artefact;

use crate::checkout::Checkout;
use crate::reproduce::Usage;
use crate::venv::Venv;
use crate::{built, child, provenance, setup, tree};
use contest::{Contest, Program};
use contests::CONTESTS;
use results::{NotMeasured, Outcome, Results, SCHEMA, SideOutcome};
use side::{Job, Running};

/// A Python with the peers.
const PYTHON: Venv = Venv {
    name: "peers",
    lists: &["benches/peers/requirements.txt", ".ci/requirements.txt"],
    notice: "bench: Python packages of the peers (more than 2 GB, 4.5 GB on disk, once)",
};

/// How the contests are run.
#[derive(clap::Args, Debug)]
#[group(id = "contests")]
pub(crate) struct Options {
    /// Measure against the peers: transformers, sentence-transformers, faiss, scikit-learn and others, in a Python of their own.
    #[arg(long, conflicts_with = "measuring")]
    pub(crate) peers: bool,
    /// Rounds of every side that count. Six are the fewest whose least and largest are a 95 % interval of the median.
    #[arg(long, value_name = "N", default_value = "6", requires = "peers")]
    rounds: std::num::NonZeroUsize,
    /// Threads of every side. Default: all cores.
    #[arg(long, value_name = "N", requires = "peers")]
    threads: Option<std::num::NonZeroUsize>,
    /// Small work: to see that the contests run.
    #[arg(long, requires = "peers")]
    quick: bool,
    /// Go on where a run was interrupted: keep what the same commit measured on this class of machine with the same rounds and threads.
    #[arg(long, requires = "peers")]
    resume: bool,
}

/// Between two sides: threads of the one before that still spin for work have given up.
const PAUSE: Duration = Duration::from_millis(300);

/// What all contests share.
struct Bench<'a> {
    root: &'a Path,
    /// Where the contests keep what their sides share.
    scratch: PathBuf,
    python: PathBuf,
    ours: PathBuf,
    unimse: PathBuf,
    rounds: usize,
    threads: usize,
    quick: bool,
}

/// Set-up, Python, build; then all contests, or those in `only`. An error where one of them failed, not where a target is missed.
pub(crate) fn run(checkout: &Checkout, options: &Options, only: &[String]) -> Result<()> {
    let names: Vec<&str> = CONTESTS.iter().map(|contest| contest.name).collect();
    if let Some(other) = only.iter().find(|name| !names.contains(&name.as_str())) {
        let expected = names.join(", ");
        return Err(Usage(format!("--only {other}: expected a contest of {expected}")).into());
    }
    setup::ensure(checkout)?;
    let python = PYTHON.ensure(checkout)?;
    let ours = built::bench(checkout, "peers", &["--bin", "unimse"])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench {
        root: &checkout.root,
        scratch: folder(checkout, false).join("scratch"),
        python,
        ours,
        unimse: checkout.unimse(),
        rounds: options.rounds.get(),
        threads: options.threads.map_or(cores, usize::from),
        quick: options.quick,
    };
    let mut results = bench.results(checkout);
    if options.resume {
        resume::take(&mut results, &folder(checkout, false), bench.rounds)?;
    } else {
        resume::put_aside(&folder(checkout, false))?;
    }
    for contest in CONTESTS {
        let asked = only.is_empty() || only.iter().any(|name| name == contest.name);
        if asked && !results.has(contest.name) {
            let outcome = bench.outcome(contest, &mut results.versions);
            child::check_interrupted("the bench")?;
            results.contests.push(outcome);
            write(&results, &folder(checkout, false))?;
        }
    }
    let place = |name: &str| CONTESTS.iter().position(|contest| contest.name == name);
    results.contests.sort_by_key(|outcome| place(&outcome.name));
    let whole = only.is_empty() && !options.quick;
    let folder = folder(checkout, whole);
    write(&results, &folder)?;
    eprintln!("bench: {}", folder.join("RESULTS.md").display());
    let failed: Vec<&str> = results
        .contests
        .iter()
        .filter(|outcome| outcome.failed())
        .map(|outcome| outcome.name.as_str())
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Where the results go.
fn folder(checkout: &Checkout, whole: bool) -> PathBuf {
    if whole {
        checkout.root.join("benches")
    } else {
        checkout.target().join("peers")
    }
}

fn write(results: &Results, folder: &Path) -> Result<()> {
    let path = folder.join("RESULTS.json");
    artefact::write_json(&path, results)?;
    artefact::write(
        &folder.join("RESULTS.md"),
        render::markdown(results).as_bytes(),
    )?;
    Ok(())
}

/// Processes at work on the machine, over the last minute.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

impl Bench<'_> {
    /// Nothing measured yet.
    fn results(&self, checkout: &Checkout) -> Results {
        let rustc = provenance::said(Command::new("rustc").arg("--version"));
        let rustc = rustc.map(|version| {
            let version = version.trim_start_matches("rustc ").to_owned();
            ("rustc".to_owned(), version)
        });
        Results {
            schema: SCHEMA,
            host: provenance::host(),
            cpu_features: provenance::cpu_features(),
            threads: self.threads,
            quick: self.quick,
            git: provenance::git(&checkout.root),
            versions: rustc.into_iter().collect(),
            contests: Vec::new(),
        }
    }

    /// What comes of a contest, whatever comes.
    fn outcome(&self, contest: &Contest, versions: &mut BTreeMap<String, String>) -> Outcome {
        eprintln!("bench: {}", contest.name);
        let mut outcome = Outcome::of(contest);
        outcome.load = load();
        let why = match self.models(contest) {
            Err(reason) => NotMeasured {
                reason,
                failed: false,
            },
            Ok(models) => match self.measure(contest, models, versions) {
                Ok(sides) => {
                    outcome.sides = sides;
                    return outcome;
                }
                Err(error) => NotMeasured {
                    reason: format!("{error:#}"),
                    failed: true,
                },
            },
        };
        eprintln!("bench: {} not measured: {}", contest.name, why.reason);
        outcome.not_measured = Some(why);
        outcome
    }

    /// The models it needs by name, or what is missing.
    fn models(&self, contest: &Contest) -> Result<BTreeMap<String, PathBuf>, String> {
        let named = std::env::var_os("UNIMSE_MODELS").map(PathBuf::from);
        let places: Vec<PathBuf> = named
            .into_iter()
            .chain([self.root.join(".models")])
            .collect();
        let find = |name: &&str| {
            let mut folders = places.iter().map(|place| place.join(name));
            let folder = folders.find(|folder| folder.is_dir());
            let folder = folder
                .ok_or_else(|| format!("{name} is neither in UNIMSE_MODELS nor in .models"))?;
            Ok(((*name).to_owned(), folder))
        };
        contest.models.iter().map(find).collect()
    }

    fn measure(
        &self,
        contest: &Contest,
        models: BTreeMap<String, PathBuf>,
        versions: &mut BTreeMap<String, String>,
    ) -> Result<Vec<SideOutcome>> {
        // Not below the system's temporary folder: what an interrupted run leaves, the next one removes. After a failure it holds what sides said.
        let folder = self.scratch.join(contest.name);
        tree::remove(&folder)?;
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let job = |side: &str| Job {
            side: side.to_owned(),
            threads: self.threads,
            quick: self.quick,
            folder: folder.clone(),
            models: models.clone(),
            unimse: self.unimse.clone(),
        };
        let start = |side, program| Running::start(self.command(contest, program), &job(side));
        drop(start("prepare", contest.prepare)?);
        let (mut running, mut reference, mut spawns) = (Vec::new(), Vec::new(), Vec::new());
        for side in contest.sides {
            let (process, ready) = start(side.name, side.program)?;
            if running.is_empty() {
                reference.clone_from(&ready.check);
            }
            if let Some(tolerance) = side.tolerance {
                compare(&reference, &ready.check, tolerance).with_context(|| side.name)?;
            }
            versions.extend(ready.versions);
            spawns.push(ready.spawns);
            running.push(process);
        }
        let seconds = take_turns(&mut running, self.rounds)?;
        let outcomes = contest.sides.iter().enumerate().map(|(at, side)| {
            let peak = Some(&running[at]).filter(|_| !spawns[at]);
            SideOutcome {
                peak_mib: peak.and_then(Running::peak_mib),
                ..SideOutcome::new(side, at == 0, seconds[at].clone(), &seconds[0])
            }
        });
        let outcomes = outcomes.collect();
        drop(running);
        tree::remove(&folder)?;
        Ok(outcomes)
    }

    fn command(&self, contest: &Contest, program: Program) -> Command {
        match program {
            Program::Ours => {
                let mut command = Command::new(&self.ours);
                command.arg(contest.name);
                command
            }
            Program::Python(script) => {
                let mut command = Command::new(&self.python);
                command.arg(self.root.join("benches/peers").join(script));
                command
            }
        }
    }
}

/// The seconds of each side in every round; the first round warms and does not count.
fn take_turns(running: &mut [Running], rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut seconds = vec![Vec::with_capacity(rounds); running.len()];
    for round in 0..=rounds {
        for (side, seconds) in running.iter_mut().zip(&mut seconds) {
            std::thread::sleep(PAUSE);
            let took = side.round()?;
            if round > 0 {
                seconds.push(took);
            }
        }
    }
    Ok(seconds)
}

/// Fails unless a side comes to our numbers, the largest difference within `tolerance` of our largest number.
fn compare(ours: &[f64], theirs: &[f64], tolerance: f64) -> Result<()> {
    if ours.len() != theirs.len() || ours.is_empty() {
        bail!(
            "other work: expected {} numbers, found {}",
            ours.len(),
            theirs.len()
        );
    }
    let largest = ours.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let difference = (a - b).abs();
        if difference.is_nan() || difference > tolerance * largest {
            bail!(
                "other numbers: at place {at} expected {a}, found {b}; {tolerance} of the largest, {largest}, is allowed"
            );
        }
    }
    Ok(())
}
