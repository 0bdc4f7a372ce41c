//! `unimse doctor`: findings about a data folder; exit 1 if one is an error.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use unimse_corpus::{Finding, Severity};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data folder.
    dir: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = unimse_corpus::doctor(&args.dir)?;
    if args.json {
        super::print(&format!(
            "{}\n",
            serde_json::to_string_pretty(&json!({ "findings": findings }))?
        ))?;
    } else {
        super::print(
            &findings
                .iter()
                .map(|f| format!("{f}\n"))
                .collect::<String>(),
        )?;
    }
    let broken = findings
        .iter()
        .any(|f: &Finding| f.severity == Severity::Error);
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
