//! `cargo xtask`: set-up, the stage graph of a run, and the checks of the project.
//!
//! It spawns `pip`, `cargo` and the built `unimse`; it never links tch, polars or arrow, so that it builds in seconds on a machine that has
//! none of them yet. Standard error carries progress and errors, one line each. Exit codes: 0; 1 set-up, data or run error; 2 usage; 130
//! interrupted; a child's own code where a child failed.
//!
//! ```console
//! $ cargo xtask setup
//! $ cargo xtask reproduce --preset demo --seeds 1
//! ```

mod ablate;
mod bench;
mod built;
mod checkout;
mod child;
mod ci;
mod compat;
#[cfg(test)]
mod fake;
mod licences;
mod lock;
mod peers;
mod provenance;
mod reproduce;
mod scale;
mod setup;
mod stage;
mod sweep;
mod tests_run;
mod tree;
mod venv;
mod wheel;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Set-up, reproduction and checks of unimse.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch LibTorch and the sentence encoder into the user cache, verify them and link them into the checkout.
    Setup {
        /// Take LibTorch with CUDA: the full dependency set of the PyTorch package, several gigabytes.
        #[arg(long)]
        cuda: bool,
        /// Take a model too, checked against its SHA-256 and linked below .models.
        #[arg(long, value_name = "NAME")]
        model: Vec<setup::Model>,
    },
    /// From nothing to a report: set-up, build, ingest, unify, train, evaluate, report.
    Reproduce(reproduce::Options),
    /// What each part of the method is worth: one table of ablations over seeds.
    Ablate(ablate::Options),
    /// Search for the configuration that dev likes best; the test split stays closed.
    Sweep(sweep::Options),
    /// All tests of the workspace, with a count of those skipped for want of real data.
    Test,
    /// The benches, or whether a part has become slower than the committed baseline.
    Bench(bench::Options),
    /// The Python package: built, and tested in a fresh environment.
    Wheel,
    /// Labels of many synthetic utterances on a local cluster of Ray, beside one process.
    Scale(scale::Options),
    /// Whether the library crates compile with the oldest Rust that they name.
    Msrv,
    /// What changed in the interfaces of the library crates since the last tag, against their version.
    Semver,
    /// Everything the continuous integration checks, cheapest first.
    Ci {
        /// Fail where a test was skipped for want of data, models or a Python.
        #[arg(long)]
        complete: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A child that failed has already said why; its exit code is ours.
            if let Some(failed) = error.downcast_ref::<child::Failed>() {
                if let Some(message) = failed.message() {
                    eprintln!("error: {message}");
                }
                return ExitCode::from(failed.exit_code());
            }
            eprintln!("error: {error:#}");
            if error.is::<reproduce::Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    child::watch_signals()?;
    let checkout = checkout::Checkout::find()?;
    match cli.command {
        Command::Setup { cuda, model } => setup::run(&checkout, cuda, &model),
        Command::Reproduce(options) => reproduce::run(&checkout, &options),
        Command::Ablate(options) => ablate::run(&checkout, &options),
        Command::Sweep(options) => sweep::run(&checkout, &options),
        Command::Test => tests_run::run(&checkout, false),
        Command::Bench(options) => bench::run(&checkout, &options),
        Command::Wheel => wheel::run(&checkout, false),
        Command::Scale(options) => scale::run(&checkout, &options),
        Command::Msrv => compat::msrv(&checkout, false),
        Command::Semver => compat::semver(&checkout),
        Command::Ci { complete } => ci::run(&checkout, complete),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use std::path::Path;

    /// What the workflow and `.ci/run` call is there: subcommands with their flags, and files of the repository.
    #[test]
    fn the_workflow_calls_what_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let workflow = std::fs::read_to_string(root.join(".github/workflows/ci.yml")).unwrap();
        let commands = workflow
            .lines()
            .filter_map(|l| l.trim().strip_prefix("run: "));
        let mut called = 0;
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            match words[..] {
                ["cargo", ..] => {
                    let line = words[1..].iter().copied();
                    assert!(Cli::try_parse_from(line).is_ok(), "{command}");
                }
                // what the step before it writes
                ["cat", "target/bench/check.md" | "benches/RESULTS.md", ..] => {}
                ["cat", file, ..] | [file] => assert!(root.join(file).is_file(), "{command}"),
                _ => panic!("{command}: not known to this test"),
            }
            called += 1;
        }
        assert_eq!(called, 5);
        let hashed = workflow
            .lines()
            .flat_map(|line| line.split('\'').skip(1).step_by(2));
        for file in hashed.filter(|text| text.contains(['/', '.'])) {
            assert!(root.join(file).is_file(), "{file}");
        }
    }
}
