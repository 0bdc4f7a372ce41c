//! `unimse report`: a run's results for people, the card of its model, and what the folder holds for machines; several seeds are aggregated first.

mod browsed;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use unimse_report::{Beside, ModelCard, TableFormat};
use unimse_run::{Results, RoCrate, RunFolder, RunLock, artefact};
use unimse_train::config::RunConfig;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run folder, or the folder of `seed-<n>` folders.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Put the transcripts of dev and test into report.html, which then must not be published: licences of data sets forbid it.
    #[arg(long)]
    with_text: bool,
    /// Print the test results as tables for a paper, in place of the report.
    #[arg(long, value_name = "latex|markdown", conflicts_with = "with_text")]
    table: Option<TableFormat>,
    /// Where the tables go; default standard output.
    #[arg(long, value_name = "FILE", requires = "table")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::new(&args.run);
    let seeds = RunFolder::seeds(&args.run)?;
    if let (true, Some((_, seed))) = (args.with_text, seeds.first()) {
        bail!(
            "--with-text: {} holds several seeds, whose answers stand in their own reports: expected --run with the folder of one, as in {}",
            args.run.display(),
            seed.run.display()
        );
    }
    let published = unimse_report::paper_tables()?;
    if seeds.is_empty() {
        Results::read(&folder.results())?; // a folder that holds no run is left as it is
    } else {
        Results::aggregate(&args.run)?.write(&folder.results())?;
    }
    if let Some(format) = args.table {
        let text = unimse_report::table(&args.run, &published, format)?;
        match &args.out {
            Some(path) => artefact::write(path, text.as_bytes())?,
            None => super::print(&text)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    // `evaluate` takes away what a writer has not finished
    let _lock = RunLock::take(&args.run)?;
    let utterances = match seeds.is_empty() {
        true => browsed::rows(&folder, args.with_text)?,
        false => Vec::new(), // every seed has answers of its own
    };
    if args.with_text && utterances.is_empty() {
        bail!(
            "--with-text: expected answers to utterances, found none: {} or {} is absent",
            folder.predictions().display(),
            folder.corpus.display()
        );
    }
    let preset = preset(&folder)?;
    let beside = Beside {
        utterances: &utterances,
        preset: preset.as_deref(),
    };
    let written = unimse_report::write_with(&args.run, &published, &beside)?;
    let card = unimse_report::write_model_card(&args.run)?;
    RoCrate::write(&folder)?; // last: it lists the others
    let card = match card {
        ModelCard::Written(path) => Some(path),
        ModelCard::NoCheckpoint => None,
        ModelCard::OtherWeights { scored, found } => {
            let scored = scored.unwrap_or_else(|| "weights that they do not name".to_owned());
            eprintln!(
                "warning: no model card: {} is of {scored}, the checkpoint is {found}; run `unimse evaluate` again",
                folder.results().display()
            );
            None
        }
    };
    let files = [written.markdown, written.html].into_iter().chain(card);
    let files = files.chain([folder.metadata()]);
    let lines: Vec<String> = files.map(|file| format!("{}\n", file.display())).collect();
    super::print(&lines.concat())?;
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
