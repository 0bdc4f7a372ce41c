//! `unimse report`: a run's results for people; several seeds are aggregated first.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse::aggregate;
use unimse_run::artefact;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run folder, or the folder of `seed-<n>` folders.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !aggregate::seed_folders(&args.run)?.is_empty() {
        artefact::write_json(
            &args.run.join("results.json"),
            &aggregate::aggregate(&args.run)?,
        )?;
    }
    let written = unimse_report::write(&args.run, &unimse_report::paper_tables()?)?;
    super::print(&format!(
        "{}\n{}\n",
        written.markdown.display(),
        written.html.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
