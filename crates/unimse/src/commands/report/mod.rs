//! `unimse report`: a run's results for people; several seeds are aggregated first.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_run::{Results, RunFolder};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run folder, or the folder of `seed-<n>` folders.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !RunFolder::seeds(&args.run)?.is_empty() {
        Results::aggregate(&args.run)?.write(&RunFolder::new(&args.run).results())?;
    }
    let written = unimse_report::write(&args.run, &unimse_report::paper_tables()?)?;
    super::print(&format!(
        "{}\n{}\n",
        written.markdown.display(),
        written.html.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
