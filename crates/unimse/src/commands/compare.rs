//! `unimse compare`: runs beside a reference.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_eval::{Difference, Metric};
use unimse_run::{ComparedCorpus, ComparedMetric, ComparedRun, Comparison};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run folders, or folders of several seeds; the first is the reference.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Compare the reference also with itself, its answers read in every way that dev can choose.
    #[arg(long)]
    readouts: bool,
    /// JSON instead of tables; docs/schema/comparison.schema.json has its schema.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let comparison = unimse_train::compare::compare(&args.runs, args.readouts)?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&comparison)?)
    } else {
        tables(&comparison)
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// One table a corpus of the reference: a line a run and metric.
fn tables(comparison: &Comparison) -> String {
    let Some(reference) = comparison.runs.first() else {
        return String::new();
    };
    let mut out = format!("reference: {}\n", title(reference));
    for (name, corpus) in reference.corpora.iter() {
        out.push_str(&head(name, corpus));
        let titles = comparison.runs.iter().map(title);
        let width = titles.map(|title| title.chars().count()).max().unwrap_or(0);
        for metric in corpus.metrics.keys() {
            for run in &comparison.runs {
                let found = run.corpora.get(name);
                if let Some(value) = found.and_then(|corpus| corpus.metrics.get(metric)) {
                    out.push_str(&line(*metric, &title(run), width, value));
                }
            }
        }
    }
    for run in &comparison.runs {
        for (corpus, why) in run.left_out.iter() {
            out.push_str(&format!("left out: {corpus} of {}: {why}\n", title(run)));
        }
    }
    let openings: usize = comparison.runs.iter().map(openings).sum();
    out.push_str(&format!(
        "differences: run minus reference, means over seeds; {} resamples, seed {}; test opened {openings} times for these runs\n",
        comparison.resamples, comparison.seed
    ));
    out
}

/// A way to read the reference opens nothing of its own.
fn openings(run: &ComparedRun) -> usize {
    if run.readout.is_some() {
        0
    } else {
        run.test_openings
    }
}

fn title(run: &ComparedRun) -> String {
    let mut title = run.run.clone();
    if let Some(readout) = &run.readout {
        title.push_str(&format!(" ({readout})"));
    }
    if run.leaky {
        title.push_str(" (leaky)");
    }
    title
}

fn head(name: &str, corpus: &ComparedCorpus) -> String {
    format!(
        "\n{name} test (n {}, {} {})\n",
        corpus.n,
        corpus.clusters,
        corpus.resampled.name()
    )
}

fn line(metric: Metric, run: &str, width: usize, value: &ComparedMetric) -> String {
    let mean = match (value.mean, value.sd) {
        (Some(mean), Some(sd)) => format!("{mean:.4} ± {sd:.4}"),
        (Some(mean), None) => format!("{mean:.4}"),
        (None, _) => "undefined".to_owned(),
    };
    let difference = value.difference.as_ref().map(difference);
    let line = format!(
        "  {:<11} {run:<width$}  {mean:<16}  {}",
        metric.title(),
        difference.unwrap_or_default()
    );
    format!("{}\n", line.trim_end())
}

/// `+0.0120 [-0.0030, 0.0270] p 0.12`.
fn difference(difference: &Difference) -> String {
    let Difference { interval, p } = difference;
    let estimate = interval.estimate.map(|d| format!("{d:+.4}"));
    let rest = match (interval.low, interval.high, p) {
        (Some(low), Some(high), Some(p)) => format!(" [{low:+.4}, {high:+.4}] p {p:.3}"),
        _ => format!(
            " no interval: {}",
            interval.undefined.as_deref().unwrap_or("no value")
        ),
    };
    estimate.unwrap_or_default() + &rest
}
