//! What an ablation writes: `ablation.json`, and the table of it as Markdown.

use super::rows::{FULL, Row, transfer_to};
use anyhow::{Context, Result, bail};
use unimse_run::{
    ABLATION_SCHEMA, Ablation, AblationRow, COMPARISON_SCHEMA, ComparedMetric, ComparedRun,
    Comparison,
};

/// Rows without numbers, by name, and why.
pub(super) type Absent = Vec<(String, String)>;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) preset: &'a str,
    pub(super) seeds: &'a [u64],
    pub(super) values: &'a [String],
}

/// What `unimse compare` says of the rows.
pub(super) fn ablation(
    asked: &Asked<'_>,
    rows: &[Row],
    comparison: Comparison,
    absent: &Absent,
) -> Result<Ablation> {
    if comparison.schema != COMPARISON_SCHEMA {
        bail!(
            "unimse compare: schema: expected {COMPARISON_SCHEMA}, found {}",
            comparison.schema
        );
    }
    let (read, mut runs): (Vec<_>, Vec<_>) =
        (comparison.runs.into_iter()).partition(|run| run.readout.is_some());
    let mut entries = Vec::new();
    for row in rows {
        let (own, rest) = (runs.into_iter())
            .partition(|run: &ComparedRun| row.parts.iter().any(|p| p.folder == run.run));
        runs = rest;
        let why = absent.iter().find(|(name, _)| *name == row.name);
        entries.push(AblationRow {
            name: row.name.clone(),
            shows: row.shows.clone(),
            values: row.values.clone(),
            absent: why.map(|(_, why)| why.clone()),
            runs: own,
        });
    }
    if let Some(other) = runs.first() {
        bail!("unimse compare answers with an unknown run {}", other.run);
    }
    let openings = entries.iter().flat_map(|entry| &entry.runs);
    let test_openings = openings.map(|run| run.test_openings).sum();
    for run in read {
        let name = run.readout.clone().unwrap_or_default();
        entries.push(AblationRow {
            name: format!("readout-{}", name.replace(": ", "-")),
            shows: format!("the answers of {FULL}, read as {name}; nothing is trained"),
            values: Vec::new(),
            absent: None,
            runs: vec![run],
        });
    }
    Ok(Ablation {
        schema: ABLATION_SCHEMA,
        preset: asked.preset.to_owned(),
        seeds: asked.seeds.to_vec(),
        values: asked.values.to_vec(),
        synthetic: entries.iter().flat_map(|e| &e.runs).any(|r| r.synthetic),
        resamples: comparison.resamples,
        resampling_seed: comparison.seed,
        test_openings,
        rows: entries,
    })
}

/// The table: a part for each corpus, a line for each row, a column for each metric.
pub(super) fn markdown(ablation: &Ablation) -> Result<String> {
    let full = ablation.rows.iter().find(|row| row.name == FULL);
    let full = full.and_then(|row| row.runs.first());
    let full = full.context("unimse compare says nothing of full")?;
    let mut out = head(ablation);
    for (corpus, compared) in full.corpora.iter() {
        out.push_str(&format!(
            "\n## {corpus} (test, n {}, {} {})\n\n| row |",
            compared.n,
            compared.clusters,
            compared.resampled.name()
        ));
        let metrics: Vec<_> = compared.metrics.keys().copied().collect();
        for metric in &metrics {
            let better = if metric.higher_is_better() {
                "↑"
            } else {
                "↓"
            };
            out.push_str(&format!(" {} {better} |", metric.title()));
        }
        out.push_str(&format!("\n|---|{}\n", "---|".repeat(metrics.len())));
        for row in &ablation.rows {
            let runs = row.runs.iter();
            let Some((run, found)) = runs
                .filter_map(|run| Some((run, run.corpora.get(corpus)?)))
                .next()
            else {
                continue;
            };
            let mark = if run.leaky {
                " (leaky)"
            } else if run.run == transfer_to(corpus) {
                " (transfer)"
            } else {
                ""
            };
            out.push_str(&format!("| {}{mark} |", row.name));
            for metric in &metrics {
                let value = found.metrics.get(metric);
                out.push_str(&format!(" {} |", value.map(cell).unwrap_or_default()));
            }
            out.push('\n');
        }
    }
    out.push_str(&list(ablation));
    Ok(out)
}

fn head(ablation: &Ablation) -> String {
    let seeds: Vec<String> = ablation.seeds.iter().map(u64::to_string).collect();
    let values = match ablation.values.join(" ") {
        none if none.is_empty() => "no value changed".to_owned(),
        values => format!("`{values}`"),
    };
    let synthetic = if ablation.synthetic {
        " The data are synthetic: the numbers show that the pipeline works and nothing else."
    } else {
        ""
    };
    format!(
        "# Ablation\n\nPreset `{}`, {values}, seeds {}. Test was opened {} times in all, once a training and seed unless a training was \
         evaluated again.{synthetic}\n\nA cell holds the mean ± sample standard deviation over seeds; then the difference to `{FULL}` with \
         its 95 % interval and two-sided p from a paired bootstrap of whole videos or dialogues ({} resamples, seed {}). Many cells are \
         tested, none is corrected for that.\n",
        ablation.preset,
        seeds.join(", "),
        ablation.test_openings,
        ablation.resamples,
        ablation.resampling_seed
    )
}

/// What each row shows, and what is left out.
fn list(ablation: &Ablation) -> String {
    let mut out = "\n## Rows\n\n".to_owned();
    for row in &ablation.rows {
        let values = match row.values.join(" ") {
            none if none.is_empty() => String::new(),
            values => format!(" (`{values}`)"),
        };
        out.push_str(&format!("- `{}`: {}{values}", row.name, row.shows));
        if let Some(why) = &row.absent {
            out.push_str(&format!(". No numbers: {why}"));
        }
        // a part of `separate` has one corpus, a readout those of its task: that is no news
        let several = row.runs.len() == 1 && row.runs[0].readout.is_none();
        for (corpus, why) in row
            .runs
            .iter()
            .filter(|_| several)
            .flat_map(|run| run.left_out.iter())
        {
            out.push_str(&format!(". Left out: {corpus}, {why}"));
        }
        out.push('\n');
    }
    out
}

/// `0.747 ± 0.008, +0.012 [-0.003, 0.027] p 0.120`.
fn cell(value: &ComparedMetric) -> String {
    let mean = match (value.mean, value.sd) {
        (Some(mean), Some(sd)) => format!("{mean:.3} ± {sd:.3}"),
        (Some(mean), None) => format!("{mean:.3}"),
        (None, _) => "undefined".to_owned(),
    };
    let Some(difference) = &value.difference else {
        return mean;
    };
    let interval = &difference.interval;
    match (interval.estimate, interval.low, interval.high, difference.p) {
        (Some(estimate), Some(low), Some(high), Some(p)) => {
            format!("{mean}, {estimate:+.3} [{low:+.3}, {high:+.3}] p {p:.3}")
        }
        (Some(estimate), ..) => format!("{mean}, {estimate:+.3} (no interval)"),
        _ => mean,
    }
}
