//! A comparison as tables for a terminal.

use unimse_eval::{Difference, Metric};
use unimse_run::{ComparedCorpus, ComparedMetric, ComparedRun, Comparison};

/// Rows and whatever else has a name are named up to this many.
const NAMED: usize = 5;

/// What the runs are, one table a corpus of the reference with a line a run and metric, and what differs beside the numbers.
pub(super) fn tables(comparison: &Comparison) -> String {
    let Some(reference) = comparison.runs.first() else {
        return String::new();
    };
    let runs = &comparison.runs;
    let width = widest(runs.iter().map(title));
    let mut out = format!("reference: {}\n", title(reference));
    for run in runs.iter().filter(|run| run.readout.is_none()) {
        out.push_str(&format!("  {:<width$}  {}\n", title(run), described(run)));
    }
    for (name, corpus) in reference.corpora.iter() {
        out.push_str(&head(name, corpus));
        for metric in corpus.metrics.keys() {
            for run in runs {
                let found = run.corpora.get(name);
                if let Some(value) = found.and_then(|corpus| corpus.metrics.get(metric)) {
                    out.push_str(&line(*metric, &title(run), width, value));
                }
            }
        }
    }
    out.push_str(&settings(comparison));
    out.push_str(&left_out(runs));
    let openings: usize = runs.iter().map(openings).sum();
    out.push_str(&format!(
        "differences: run minus reference, means over seeds; {} resamples, seed {}; test opened {openings} times for these runs\n",
        comparison.resamples, comparison.seed
    ));
    out
}

/// "minilm, seeds 1 2 3, trained on mosi, meld".
fn described(run: &ComparedRun) -> String {
    let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
    let several = if seeds.len() == 1 { "seed" } else { "seeds" };
    let mut parts = vec![run.preset.clone().unwrap_or_else(|| "no preset".to_owned())];
    parts.push(format!("{several} {}", seeds.join(" ")));
    if !run.trained_on.is_empty() {
        parts.push(format!("trained on {}", run.trained_on.join(" ")));
    }
    if run.synthetic {
        parts.push("synthetic data".to_owned());
    }
    printable(&parts.join(", "))
}

/// The keys of the configuration whose values differ.
fn settings(comparison: &Comparison) -> String {
    let keys = || comparison.settings.iter().map(|s| printable(&s.key));
    let names: Vec<String> = comparison.runs.iter().map(title).collect();
    let (key_width, width) = (widest(keys()), widest(names.iter().cloned()));
    let mut out = String::new();
    for (setting, key) in comparison.settings.iter().zip(keys()) {
        for (at, (run, value)) in names.iter().zip(&setting.values).enumerate() {
            let key = if at == 0 { key.as_str() } else { "" };
            let value = value.as_deref().map_or("not known".to_owned(), printable);
            out.push_str(&format!("  {key:<key_width$}  {run:<width$}  {value}\n"));
        }
    }
    if out.is_empty() {
        return "\n".to_owned();
    }
    format!("\nconfiguration, where it differs\n{out}\n")
}

/// What is in no number: corpora, and rows that not all runs hold.
fn left_out(runs: &[ComparedRun]) -> String {
    let mut out = String::new();
    for run in runs {
        for (corpus, why) in run.left_out.iter() {
            let (corpus, why) = (printable(corpus), printable(why));
            out.push_str(&format!("left out: {corpus} of {}: {why}\n", title(run)));
        }
    }
    for run in runs {
        for (corpus, compared) in run.corpora.iter() {
            let rows = &compared.unshared;
            if rows.is_empty() {
                continue;
            }
            let named: Vec<String> = rows.iter().take(NAMED).map(|id| printable(id)).collect();
            let more = match rows.len().saturating_sub(NAMED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            out.push_str(&format!(
                "left out: {} {} of {} in {}, which another run lacks: {}{more}\n",
                rows.len(),
                if rows.len() == 1 { "row" } else { "rows" },
                printable(corpus),
                title(run),
                named.join(", ")
            ));
        }
    }
    out
}

fn widest(names: impl Iterator<Item = String>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

/// The text without what a terminal would obey.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
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
    let mut title = printable(&run.run);
    if let Some(readout) = &run.readout {
        title.push_str(&format!(" ({readout})"));
    }
    if run.leaky {
        title.push_str(" (leaky)");
    }
    title
}

fn head(name: &str, corpus: &ComparedCorpus) -> String {
    let name = printable(name);
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
