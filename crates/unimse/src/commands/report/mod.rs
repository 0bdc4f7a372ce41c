//! `unimse report`: a run's results for people; several seeds are aggregated first.

mod browsed;

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_report::Beside;
use unimse_run::{Results, RunFolder};
use unimse_train::config::RunConfig;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run folder, or the folder of `seed-<n>` folders.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Put the transcripts of dev and test into report.html, which then must not be published: licences of data sets forbid it.
    #[arg(long)]
    with_text: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::new(&args.run);
    let several = !RunFolder::seeds(&args.run)?.is_empty();
    if several {
        Results::aggregate(&args.run)?.write(&folder.results())?;
    }
    let utterances = match several {
        true => Vec::new(), // every seed has answers of its own
        false => browsed::rows(&folder, args.with_text)?,
    };
    let published = unimse_report::paper_tables()?;
    let preset = preset(&folder)?;
    let beside = Beside {
        utterances: &utterances,
        preset: preset.as_deref(),
    };
    let written = unimse_report::write_with(&args.run, &published, &beside)?;
    super::print(&format!(
        "{}\n{}\n",
        written.markdown.display(),
        written.html.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration that the preset of a run gives by itself; `None` where the run names none that is shipped.
fn preset(run: &RunFolder) -> anyhow::Result<Option<String>> {
    let name = Results::read(&run.results())?.preset;
    let Some(preset) = name.as_deref().and_then(unimse::presets::find) else {
        return Ok(None);
    };
    Ok(Some(RunConfig::merge(Some(preset), None, &[])?.to_toml()?))
}
