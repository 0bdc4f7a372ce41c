//! `cargo xtask scale`: labels of many utterances on a local cluster of Ray, beside one process.

use std::process::Command;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::{child, wheel};

/// How much is labelled, and by how many.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Synthetic utterances that ask for labels.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
    /// Actors of one thread each; the process beside them gets as many threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// Kills one of them, for good, while it writes the file in the middle.
    #[arg(long)]
    kill: bool,
}

/// Builds the wheel, where its sources changed, and runs `examples/scale.py` where it is installed; fails where the bytes differ.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let python = wheel::installed(checkout)?;
    let mut scale = Command::new(python);
    scale.arg("crates/unimse-python/examples/scale.py");
    scale.args(["--rows", &options.rows.to_string()]);
    scale.args(["--workers", &options.workers.to_string()]);
    scale.args(options.kill.then_some("--kill"));
    child::run("scale.py", scale.current_dir(&checkout.root))
}
