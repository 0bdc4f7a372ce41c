//! `unimse config`: defaults < preset < file < `a.b=c`, checked and written whole.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use unimse_run::artefact;
use unimse_train::config::RunConfig;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Shipped preset: demo, demo-media, minilm or paper.
    #[arg(long)]
    preset: Option<String>,
    /// A TOML file laid over the preset.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the merged file goes; default standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Find or fetch the checkpoints it names, or fail saying what to fetch.
    #[arg(long)]
    fetch: bool,
    /// Single values laid over everything: `train.epochs=3`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = merge(
        args.preset.as_deref(),
        args.config.as_ref(),
        &args.overrides,
    )?;
    if args.fetch {
        super::fetch::checkpoints(&config)?;
    }
    let merged = config.to_toml()?;
    match &args.out {
        Some(path) => {
            artefact::write(path, merged.as_bytes()).with_context(|| path.display().to_string())?;
        }
        None => super::print(&merged)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The layers as every command takes them.
pub(crate) fn merge(
    preset: Option<&str>,
    file: Option<&PathBuf>,
    overrides: &[String],
) -> anyhow::Result<RunConfig> {
    let preset = preset
        .map(|name| {
            let names = unimse::presets::PRESETS.map(|p| p.0).join(", ");
            unimse::presets::find(name)
                .ok_or_else(|| anyhow!("--preset: expected one of {names}, found {name:?}"))
        })
        .transpose()?;
    Ok(RunConfig::merge(
        preset,
        file.map(PathBuf::as_path),
        overrides,
    )?)
}
