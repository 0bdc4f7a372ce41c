//! How the scores hold when inputs are missing or spoiled: lines over what is missing and over noise, rows for modalities, and the table of it.

use maud::{Markup, html};
use unimse_eval::Metric;
use unimse_run::{ConditionScores, Robustness, Task};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Forest, Lines, Look, Mark, Row, Series};

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
    pictures(doc, &columns);
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
    let shuffled = shuffled.map(|s| (exchanged(&s.modality), &s.metrics));
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

/// Every condition with its scores.
fn table(columns: &[Column<'_>]) -> Table {
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
    Table::of_figure(head, rows.collect())
}

/// A panel each for what is missing by rate, noise by deviation, and inputs taken away or exchanged; in each the corpora by colour.
fn pictures(doc: &mut Document, columns: &[Column<'_>]) {
    let missing = |c: &Column<'_>| -> Vec<(f64, f64)> {
        let conditions = c.found.missing.iter();
        conditions
            .filter_map(|m| Some((m.rate * 100.0, c.score(&m.metrics)?)))
            .collect()
    };
    let noise = |c: &Column<'_>| -> Vec<(f64, f64)> {
        let conditions = c.found.noise.iter();
        conditions
            .filter_map(|n| Some((n.sd, c.score(&n.metrics)?)))
            .collect()
    };
    let panels = [
        curve("Words and frames missing", "missing, %", columns, missing),
        curve(
            "Noise on the features",
            "standard deviation",
            columns,
            noise,
        ),
        subsets(columns),
    ];
    let Some(panels) = svg::panels(panels.into_iter().flatten().collect()) else {
        return;
    };
    let key = columns
        .iter()
        .enumerate()
        .map(|(colour, c)| (c.name, colour, Look::Dot));
    let caption = "Score (Corr or weighted F1) with inputs missing, spoiled or exchanged; a row or point that is not there has no value. 0 % missing and \
                   all modalities are the plain answers.";
    doc.figure(
        caption,
        html! { (svg::key(key)) (panels) },
        Some(table(columns)),
    );
}

fn curve(
    title: &str,
    x: &str,
    columns: &[Column<'_>],
    points: impl Fn(&Column<'_>) -> Vec<(f64, f64)>,
) -> Option<Markup> {
    let line = |(colour, column): (usize, &Column<'_>)| Series {
        name: column.name.to_owned(),
        points: points(column),
        colour,
        dashed: false,
        dots: true,
        band: Vec::new(),
    };
    let series: Vec<Series> = columns.iter().enumerate().map(line).collect();
    svg::line_chart(&Lines {
        title,
        x,
        y: "score",
        series: &series,
        from_zero: true,
        mark: None,
    })
}

/// A row for each choice of modalities, and for each one that came from another row.
fn subsets(columns: &[Column<'_>]) -> Option<Markup> {
    let named = |found: &Robustness| {
        let kept = found.subsets.iter().map(|s| kept(&s.modalities));
        let other = found.shuffled.iter().map(|s| exchanged(&s.modality));
        kept.chain(other).collect()
    };
    let mark = |name: &str, colour: usize, column: &Column<'_>| {
        let known = conditions(column.found);
        let (_, scores) = known.iter().find(|(known, _)| known == name)?;
        let value = column.score(scores)?;
        Some(Mark {
            value,
            interval: None,
            colour,
            says: format!("{}, {name}: {}", column.name, metric::number(value, 3)),
            shown: metric::number(value, 3),
            hollow: false,
        })
    };
    let row = |name: String| {
        let columns = columns.iter().enumerate();
        let marks = columns
            .filter_map(|(colour, column)| mark(&name, colour, column))
            .collect();
        Row { name, marks }
    };
    let rows: Vec<Row> = union(columns, named).into_iter().map(row).collect();
    svg::forest(&Forest {
        title: "Modalities kept or exchanged",
        x: "score",
        reference: None,
        rows: &rows,
    })
}

/// A modality that is taken from another row, in words.
fn exchanged(modality: &str) -> String {
    format!("{modality} exchanged")
}
