//! How the scores hold when inputs are missing or spoiled: one table, lines over the missing rate, bars for subsets of modalities.

use unimse_eval::Metric;
use unimse_run::{ConditionScores, Robustness, Task};

use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Bars, Series};

/// A corpus whose test rows were answered under conditions.
struct Column<'a> {
    name: &'a str,
    task: Task,
    found: &'a Robustness,
}

impl Column<'_> {
    /// What the table shows.
    fn metrics(&self) -> &'static [Metric] {
        match self.task {
            Task::Sentiment => &[Metric::Mae, Metric::Corr],
            Task::Emotion => &[Metric::WeightedF1],
        }
    }

    /// What the pictures show: the metric that selects checkpoints.
    fn score(&self, scores: &ConditionScores) -> Option<f64> {
        let metric = match self.task {
            Task::Sentiment => Metric::Corr,
            Task::Emotion => Metric::WeightedF1,
        };
        scores.get(&metric).copied()
    }
}

/// The section, where some corpus was answered under conditions.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let corpora = run.results.corpora.iter().filter_map(|(name, corpus)| {
        let (task, found) = (corpus.task, corpus.test.robustness.as_ref()?);
        Some(Column { name, task, found })
    });
    let columns: Vec<Column<'_>> = corpora.collect();
    if columns.is_empty() {
        return;
    }
    doc.heading(2, "Missing and spoiled inputs");
    let rows: Vec<String> = columns
        .iter()
        .map(|c| format!("{} {}", c.name, c.found.n))
        .collect();
    doc.paragraph(format!(
        "The selected weights answer the same test rows again with inputs taken away or spoiled, as part of the one opening of the test split. Rows: \
         {}. Without text the utterance is empty and stands alone; words, of the context too, and frames are left \
         out one by one; features are exchanged between rows of one corpus; noise is Gaussian, in deviations of the training features.",
        rows.join(", ")
    ));
    for column in &columns {
        if let Some(reason) = &column.found.left_out {
            doc.paragraph(format!("{}: {reason}.", column.name));
        }
    }
    table(doc, &columns);
    rates(doc, &columns);
    subsets(doc, &columns);
}

/// Every condition by name with its scores, in order.
fn conditions(found: &Robustness) -> Vec<(String, &ConditionScores)> {
    let subsets = found
        .subsets
        .iter()
        .map(|s| (kept(&s.modalities), &s.metrics));
    let missing = found.missing.iter().map(|m| {
        let rate = metric::number(m.rate * 100.0, 0);
        (format!("{rate} % missing"), &m.metrics)
    });
    let shuffled = found.shuffled.iter();
    let shuffled = shuffled.map(|s| (format!("{} of another row", s.modality), &s.metrics));
    let noise = found.noise.iter();
    let noise = noise.map(|n| (format!("noise, sd {}", metric::number(n.sd, 1)), &n.metrics));
    subsets
        .chain(missing)
        .chain(shuffled)
        .chain(noise)
        .collect()
}

/// The modalities that are left, in words.
fn kept(modalities: &[String]) -> String {
    match modalities {
        [] => "nothing".to_owned(),
        some => some.join(" + "),
    }
}

/// The names that `of` finds, each once, in the order of the corpus that has most of them.
fn union(columns: &[Column<'_>], of: impl Fn(&Robustness) -> Vec<String>) -> Vec<String> {
    let mut lists: Vec<Vec<String>> = columns.iter().map(|c| of(c.found)).collect();
    lists.sort_by_key(|list| std::cmp::Reverse(list.len()));
    let mut names: Vec<String> = Vec::new();
    for name in lists.into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn table(doc: &mut Document, columns: &[Column<'_>]) {
    let names = union(columns, |found| {
        conditions(found)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    });
    let mut head = vec![words("Inputs")];
    for column in columns {
        let metrics = column.metrics().iter();
        head.extend(
            metrics.map(|&m| numbers(format!("{} {}", column.name, metric::with_arrow(m)))),
        );
    }
    let rows = names.iter().map(|name| {
        let mut row: Vec<Line> = vec![name.as_str().into()];
        for column in columns {
            let known = conditions(column.found);
            let scores = known.iter().find(|(known, _)| known == name);
            row.extend(column.metrics().iter().map(|m| {
                let value = scores.map(|(_, scores)| scores.get(m));
                Line::from(match value {
                    None => "—".to_owned(),
                    Some(None) => "undefined".to_owned(),
                    Some(Some(value)) => metric::show(*m, *value),
                })
            }));
        }
        row
    });
    let rows = rows.collect();
    let caption = "Test scores with inputs missing or spoiled. 0 % missing and all modalities are the plain answers; — where the condition changes nothing.";
    doc.table(caption, head, rows);
}

fn rates(doc: &mut Document, columns: &[Column<'_>]) {
    let mut said = Vec::new();
    let mut lines = Vec::new();
    for (colour, column) in columns.iter().enumerate() {
        let missing = column.found.missing.iter();
        let points: Vec<(f64, f64)> = missing
            .filter_map(|m| Some((m.rate * 100.0, column.score(&m.metrics)?)))
            .collect();
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            said.push(format!(
                "{} goes from {} at {} % to {} at {} %",
                column.name,
                metric::number(first.1, 3),
                metric::number(first.0, 0),
                metric::number(last.1, 3),
                metric::number(last.0, 0)
            ));
        }
        lines.push(Series {
            name: column.name.to_owned(),
            points,
            colour,
            dashed: false,
            dots: true,
        });
    }
    let chart = svg::line_chart("words and frames missing, %", "score", &lines);
    if let Some(chart) = chart {
        let caption = format!(
            "Score (Corr or weighted F1) against the share of words and frames that are missing: {}.",
            said.join("; ")
        );
        doc.figure(caption, chart, None);
    }
}

fn subsets(doc: &mut Document, columns: &[Column<'_>]) {
    let names = union(columns, |found| {
        found.subsets.iter().map(|s| kept(&s.modalities)).collect()
    });
    let with: Vec<(usize, &Column<'_>)> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| !c.found.subsets.is_empty())
        .collect();
    let bars: Vec<Bars> = with
        .iter()
        .map(|(colour, column)| Bars {
            name: column.name.to_owned(),
            colour: *colour,
            values: names
                .iter()
                .map(|name| {
                    let subsets = &column.found.subsets;
                    let subset = subsets.iter().find(|s| kept(&s.modalities) == *name)?;
                    column.score(&subset.metrics)
                })
                .collect(),
        })
        .collect();
    let said = with.iter().zip(&bars).map(|((_, column), bars)| {
        let values = names.iter().zip(&bars.values);
        let values =
            values.filter_map(|(name, v)| Some(format!("{name} {}", metric::number((*v)?, 3))));
        format!("{}: {}", column.name, values.collect::<Vec<_>>().join(", "))
    });
    let said: Vec<String> = said.collect();
    if let Some(chart) = svg::bar_chart("score", &names, &bars) {
        let caption = format!(
            "Score (Corr or weighted F1) with some modalities alone; a bar that is not there has no value. {}.",
            said.join("; ")
        );
        doc.figure(caption, chart, None);
    }
}
