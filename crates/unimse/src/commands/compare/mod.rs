//! `unimse compare`: runs beside a reference.

mod print;

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_run::artefact;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run folders, or folders of several seeds; the first is the reference.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Compare the reference also with itself, its answers read in every way that dev can choose.
    #[arg(long)]
    readouts: bool,
    /// Write the comparison as one HTML page too, with curves and intervals drawn.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the same as Markdown too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// JSON instead of tables; docs/schema/comparison.schema.json has its schema.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let comparison = unimse_train::compare::compare(&args.runs, args.readouts)?;
    if args.html.is_some() || args.markdown.is_some() {
        let page = unimse_report::comparison(&comparison, &args.runs)?;
        for (file, text) in [(&args.html, page.html), (&args.markdown, page.markdown)] {
            if let Some(path) = file {
                artefact::write(path, text.as_bytes())?;
            }
        }
    }
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&comparison)?)
    } else {
        print::tables(&comparison)
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
