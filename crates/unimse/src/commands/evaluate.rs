//! `unimse evaluate`: one opening of the test split.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use unimse_run::{Results, RunFolder};
use unimse_train::config::RunConfig;
use unimse_train::evaluate::evaluate_together;
use unimse_train::model::session;
use unimse_train::processes::Processes;

use crate::interrupt::{INTERRUPTED, POLLED};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run folder.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Utterance tables; default RUN/corpus.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Label tables; default RUN/labels.
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut folder = RunFolder::new(&args.run);
    folder.corpus = args.corpus.clone().unwrap_or(folder.corpus);
    folder.labels = args.labels.clone().unwrap_or(folder.labels);
    let config = RunConfig::load(&folder.config())?;
    POLLED.store(true, Ordering::SeqCst);
    let processes = Processes::join(session::device())?;
    let results = evaluate_together(&config, &folder, &INTERRUPTED, &processes)?;
    if !processes.leads() {
        return Ok(ExitCode::SUCCESS);
    }
    if results.protocol.test_openings > Some(1) {
        eprintln!("warning: the test split of this run was opened before; the report says so");
    }
    super::print(&lines(&results))?;
    Ok(ExitCode::SUCCESS)
}

/// One line a corpus, and one a baseline that could not be fitted.
fn lines(results: &Results) -> String {
    let mut out = String::new();
    for (name, corpus) in results.corpora.iter() {
        let test = &corpus.test;
        let metrics: Vec<String> = test
            .metrics
            .iter()
            .map(|(metric, value)| format!("{metric} {value:.4}"))
            .collect();
        let n = test.n.unwrap_or_default();
        out.push_str(&format!("{name} test (n {n}): {}\n", metrics.join(", ")));
        for (baseline, reason) in test.not_fitted.iter() {
            out.push_str(&format!(
                "{name}: baseline {baseline} could not be fitted: {reason}\n"
            ));
        }
    }
    out
}
