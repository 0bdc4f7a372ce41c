//! `unimse demo`: the embedded demo corpora.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the four corpora go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    unimse_corpus::demo::write(&args.out)?;
    eprintln!("demo: synthetic corpora in {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
