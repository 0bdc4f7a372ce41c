//! `unimse plan`: what whoever runs the stages must know of them, as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse::presets::PRESETS;
use unimse_run::{Plan, PresetFacts};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A data folder: the answer names the entries of it that `ingest` reads.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The stages whose results are kept, with the version of their code.
const CODE: [(&str, &str); 5] = [
    ("ingest", env!("UNIMSE_CODE_INGEST")),
    ("unify", env!("UNIMSE_CODE_UNIFY")),
    ("train", env!("UNIMSE_CODE_TRAIN")),
    ("evaluate", env!("UNIMSE_CODE_EVALUATE")),
    ("report", env!("UNIMSE_CODE_REPORT")),
];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let data = args.data.as_deref().map(unimse_corpus::data_entries);
    let facts = |name: &str| PresetFacts {
        needs_data: !matches!(name, "demo" | "demo-media"),
    };
    let plan = Plan {
        presets: PRESETS
            .iter()
            .map(|(name, _)| ((*name).to_owned(), facts(name)))
            .collect(),
        code: CODE
            .map(|(stage, digest)| (stage.to_owned(), digest.to_owned()))
            .into(),
        data: data.transpose()?.unwrap_or_default(),
    };
    super::print(&format!("{}\n", serde_json::to_string_pretty(&plan)?))?;
    Ok(ExitCode::SUCCESS)
}
