//! `unimse train`: the loop over one seed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use unimse_run::RunFolder;
use unimse_train::model::session;
use unimse_train::processes::Processes;
use unimse_train::train::{preflight, trainer};

use crate::interrupt::{INTERRUPTED, POLLED};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The run folder; default the folder of the configuration.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Utterance tables; default RUN/corpus.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Label tables; default RUN/labels.
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
    /// Seed of the weights that are drawn, the order of batches and dropout.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on with an interrupted training: the same configuration, data, machine and build.
    #[arg(long)]
    resume: bool,
    /// Print what the training would take (seconds of all epochs without dev, bytes of memory and disk), as JSON, and write nothing.
    #[arg(long, conflicts_with = "resume")]
    estimate: bool,
    /// Single values laid over the configuration: `train.epochs=3`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = super::config::merge(None, Some(&args.config), &args.overrides)?;
    let run = args
        .run
        .clone()
        .or_else(|| args.config.parent().map(PathBuf::from))
        .unwrap_or_default();
    let run = if run.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        run
    };
    let mut paths = RunFolder::new(&run);
    paths.corpus = args.corpus.clone().unwrap_or(paths.corpus);
    paths.labels = args.labels.clone().unwrap_or(paths.labels);
    super::fetch::warn_without_gpu(&config);
    POLLED.store(true, Ordering::SeqCst);
    let (seed, resume) = (args.seed, args.resume);
    if args.estimate {
        let estimate = preflight::of_run(&config, &paths, seed)?;
        super::print(&format!("{}\n", serde_json::to_string(&estimate)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let processes = Processes::join(session::device())?;
    trainer::train_together(&config, &paths, seed, resume, &INTERRUPTED, &processes)?;
    Ok(ExitCode::SUCCESS)
}
