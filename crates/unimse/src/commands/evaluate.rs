//! `unimse evaluate`: one opening of the test split.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use unimse_train::config::RunConfig;
use unimse_train::run_folder::Paths;

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
    let mut paths = Paths::of_run(&args.run);
    paths.corpus = args.corpus.clone().unwrap_or(paths.corpus);
    paths.labels = args.labels.clone().unwrap_or(paths.labels);
    let config = RunConfig::load(&args.run.join("config.toml"))?;
    let results = unimse_train::evaluate::evaluate(&config, &paths)?;
    if results["protocol"]["test_openings"].as_u64() > Some(1) {
        eprintln!("warning: the test split of this run was opened before; the report says so");
    }
    super::print(&lines(&results))?;
    Ok(ExitCode::SUCCESS)
}

/// One line a corpus, and one a baseline that could not be fitted.
fn lines(results: &Value) -> String {
    let corpora = results["corpora"].as_object();
    let line = |(name, c): (&String, &Value)| {
        let metrics: Vec<String> = c["test"]["metrics"]
            .as_object()
            .map(|m| {
                m.iter()
                    .filter_map(|(k, v)| Some(format!("{k} {:.4}", v.as_f64()?)))
                    .collect()
            })
            .unwrap_or_default();
        let reasons = c["test"]["not_fitted"].as_object();
        let not_fitted = |(baseline, reason): (&String, &Value)| {
            let reason = reason.as_str().unwrap_or_default();
            format!("{name}: baseline {baseline} could not be fitted: {reason}\n")
        };
        let not_fitted: String = reasons.into_iter().flatten().map(not_fitted).collect();
        format!(
            "{name} test (n {}): {}\n{not_fitted}",
            c["test"]["n"],
            metrics.join(", ")
        )
    };
    corpora
        .map(|c| c.iter().map(line).collect())
        .unwrap_or_default()
}
