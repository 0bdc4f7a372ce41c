//! The `unimse` binary: one subcommand a stage. Exit codes: 0; 1 data or run error; 2 usage; 130 interrupted.

mod commands;
mod interrupt;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use unimse_train::TrainError;

/// A row group's buffers are taken and given back many times a second; the system's allocator returns such pages to the
/// kernel each time, which cost ingest a sixth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Multimodal sentiment analysis and emotion recognition in conversation with one model and one label.
#[derive(Parser)]
#[command(name = "unimse", version = commands::version::text(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads of LibTorch and rayon; default all cores, one for `predict --text`. Part of what makes two runs equal to the byte.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    /// Make features of the clips of a folder, for `ingest`.
    Extract(commands::extract::Args),
    /// Read data sets into Parquet utterance tables.
    Ingest(commands::ingest::Args),
    /// Say what a data folder holds, what is wrong and what is missing.
    Doctor(commands::doctor::Args),
    /// Give every utterance a universal label.
    Unify(commands::unify::Args),
    /// Train one model on all corpora of a run; dev selects.
    Train(commands::train::Args),
    /// Open the test split once and score the selected checkpoint.
    Evaluate(commands::evaluate::Args),
    /// Compare runs with a reference on the same test rows: differences over seeds, intervals, p-values.
    Compare(commands::compare::Args),
    /// Write report.md and report.html of a run, or of the seeds below it, the model card and ro-crate-metadata.json.
    Report(commands::report::Args),
    /// Compute the metrics of a file of truths and predictions.
    Score(Box<commands::score::Args>),
    /// Label text, or rows of a JSONL or CSV file, with a trained run.
    Predict(commands::predict::Args),
    /// Show a trained run on a page of this machine, and answer JSON over HTTP or standard input.
    Serve(commands::serve::Args),
    /// Merge and check a configuration.
    Config(commands::config::Args),
    /// Write the demo corpora (synthetic) in the layouts of the four data sets.
    Demo(commands::demo::Args),
    /// Say as JSON what whoever runs the stages must know: presets, versions of the code, entries of a data folder.
    Plan(commands::plan::Args),
}

impl Command {
    /// Whether LibTorch computes for minutes, or whenever it is asked.
    fn lasts(&self) -> bool {
        match self {
            Self::Unify(_) | Self::Train(_) | Self::Evaluate(_) | Self::Serve(_) => true,
            Self::Predict(args) => !args.is_one_text(),
            _ => false,
        }
    }

    /// Threads that are enough, where more would spend longer waiting for each other than they compute.
    fn enough_threads(&self) -> Option<u16> {
        matches!(self, Self::Predict(args) if args.is_one_text()).then_some(1)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.command.lasts() {
        commands::threads::wait_briefly();
    }
    interrupt::install();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            let interrupted = matches!(
                error.downcast_ref(),
                Some(TrainError::Interrupted { .. } | TrainError::Stopped(_))
            );
            if interrupted {
                ExitCode::from(130)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    commands::threads::set(cli.threads.or(cli.command.enough_threads()))?;
    match cli.command {
        Command::Extract(a) => commands::extract::run(&a),
        Command::Ingest(a) => commands::ingest::run(&a),
        Command::Doctor(a) => commands::doctor::run(&a),
        Command::Unify(a) => commands::unify::run(&a),
        Command::Train(a) => commands::train::run(&a),
        Command::Evaluate(a) => commands::evaluate::run(&a),
        Command::Compare(a) => commands::compare::run(&a),
        Command::Report(a) => commands::report::run(&a),
        Command::Score(a) => commands::score::run(&a),
        Command::Predict(a) => commands::predict::run(&a),
        Command::Serve(a) => commands::serve::run(&a),
        Command::Config(a) => commands::config::run(&a),
        Command::Demo(a) => commands::demo::run(&a),
        Command::Plan(a) => commands::plan::run(&a),
    }
}

/// The chain of causes in one line; a cause whose text its parent already shows is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        let text = cause
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if !out.contains(&text) {
            if !out.is_empty() {
                out.push_str(": ");
            }
            out.push_str(&text);
        }
    }
    out
}
