//! The numbers: every run beside the others, and its difference to the reference.

use unimse_eval::{Difference, Metric};
use unimse_run::{ComparedCorpus, ComparedMetric};

use super::Compared;
use crate::compare::Outcome;
use crate::doc::{Column, Document, Line, Table, numbers, words};
use crate::metric;
use crate::svg::{self, Forest, Look, Mark, Row};

/// What intervals of differences can say, with a colour.
const OUTCOMES: [(Outcome, &str, usize); 3] = [
    (Outcome::Beats, "better than the reference", 0),
    (Outcome::Worse, "worse than the reference", 1),
    (
        Outcome::NoDifference,
        "no difference beyond the interval",
        5,
    ),
];

/// One difference to the reference.
struct Cell<'a> {
    run: &'a str,
    metric: Metric,
    difference: &'a Difference,
    outcome: Option<Outcome>,
}

/// A verdict, and for each corpus of the reference its values and differences.
pub(super) fn section(doc: &mut Document, compared: &Compared<'_>) {
    doc.heading(2, "Results");
    let Some(reference) = compared.comparison.runs.first() else {
        return;
    };
    doc.paragraph(method(compared));
    summary(doc, compared);
    for (name, corpus) in reference.corpora.iter() {
        doc.heading(3, format!("{name} ({})", corpus.task.name()));
        values(doc, compared, name, corpus);
        differences(doc, compared, name, corpus);
    }
}

fn method(compared: &Compared<'_>) -> String {
    let comparison = compared.comparison;
    format!(
        "A difference is a run minus the reference, means over the seeds of each, on the test rows that all runs hold. Its 95 % interval and its p-value \
         come from {} resamples (seed {}) of whole videos (sentiment) or dialogues (emotion), one draw for all seeds of both runs. They hold for the seeds \
         that were trained; how much another seed would change is what the standard deviation says. Many cells are tested at once and no p-value is \
         corrected for that. MAE and Corr are in the unit of the score; accuracies and F1 are percentages.",
        comparison.resamples, comparison.seed
    )
}

/// A sentence a run: how its metrics lie beside those of the reference.
fn summary(doc: &mut Document, compared: &Compared<'_>) {
    let Some(reference) = compared.comparison.runs.first() else {
        return;
    };
    let corpora = reference.corpora.iter();
    let cells: Vec<Cell<'_>> = corpora
        .flat_map(|(name, _)| cells(compared, name))
        .collect();
    for (run, _) in compared.runs().skip(1) {
        let own = || cells.iter().filter(|cell| cell.run == run);
        let all = own().count();
        if all == 0 {
            continue;
        }
        let count = |outcome| own().filter(|cell| cell.outcome == Some(outcome)).count();
        let (better, worse) = (count(Outcome::Beats), count(Outcome::Worse));
        let line = Line::default().strong(run).text(": ");
        let line = line.strong(format!(
            "better on {better}, worse on {worse} of {all} metrics"
        ));
        doc.paragraph(line.text(" beyond the interval, all corpora together."));
    }
}

/// A row a metric, a column a run.
fn values(doc: &mut Document, compared: &Compared<'_>, name: &str, corpus: &ComparedCorpus) {
    let runs = || {
        compared
            .runs()
            .filter(|(_, run)| run.corpora.get(name).is_some())
    };
    let head: Vec<Column> = std::iter::once(words("Metric"))
        .chain(runs().map(|(run, _)| numbers(run)))
        .collect();
    let rows = corpus.metrics.keys().map(|&m| {
        let values = runs().map(|(_, run)| {
            let found = run.corpora.get(name).and_then(|c| c.metrics.get(&m));
            Line::from(found.map_or_else(|| "—".to_owned(), |value| mean(m, value)))
        });
        std::iter::once(metric::with_arrow(m).into())
            .chain(values)
            .collect()
    });
    let caption = format!(
        "{name}, test: {} rows of {} {}. Mean ± standard deviation where a run has several seeds.",
        corpus.n,
        corpus.clusters,
        corpus.resampled.name()
    );
    doc.table(caption, head, rows.collect());
}

/// "0.750 ± 0.010".
fn mean(m: Metric, value: &ComparedMetric) -> String {
    match (value.mean, value.sd) {
        (Some(mean), Some(sd)) => format!("{} ± {}", metric::show(m, mean), metric::show(m, sd)),
        (Some(mean), None) => metric::show(m, mean),
        (None, _) => "undefined".to_owned(),
    }
}

/// Every difference of a corpus, by run.
fn cells<'a>(compared: &'a Compared<'_>, name: &str) -> Vec<Cell<'a>> {
    let found = compared
        .runs()
        .filter_map(|(run, c)| Some((run, c.corpora.get(name)?)));
    let cells = found.flat_map(|(run, corpus)| {
        corpus.metrics.iter().filter_map(move |(&metric, value)| {
            let difference = value.difference.as_ref()?;
            Some(Cell {
                run,
                metric,
                difference,
                outcome: Outcome::judge(metric, &difference.interval),
            })
        })
    });
    cells.collect()
}

/// A forest for each metric, in it a row a run; every number in the table.
fn differences(doc: &mut Document, compared: &Compared<'_>, name: &str, corpus: &ComparedCorpus) {
    let cells = cells(compared, name);
    if cells.is_empty() {
        return;
    }
    let panels = corpus.metrics.keys().filter_map(|&m| {
        let rows = cells.iter().filter(|cell| cell.metric == m).filter_map(row);
        let rows: Vec<Row> = rows.collect();
        let x = if m.in_percent() {
            "difference, points"
        } else {
            "difference"
        };
        let title = metric::with_arrow(m);
        svg::forest(&Forest {
            title: &title,
            x,
            reference: Some(0.0),
            rows: &rows,
        })
    });
    let caption = format!("Differences to the reference on {name}, with 95 % intervals.");
    let table = table(&cells);
    match svg::panels(panels.collect()) {
        Some(panels) => {
            let key = svg::key(OUTCOMES.map(|(_, words, colour)| (words, colour, Look::Dot)));
            doc.figure(caption, maud::html! { (key) (panels) }, Some(table));
        }
        None => doc.table(caption, table.head, table.rows),
    }
}

fn row(cell: &Cell<'_>) -> Option<Row> {
    let scale = if cell.metric.in_percent() { 100.0 } else { 1.0 };
    let interval = &cell.difference.interval;
    let value = interval.estimate?;
    let outcome = cell.outcome.unwrap_or(Outcome::NoDifference);
    let known = OUTCOMES.iter().find(|(known, ..)| *known == outcome);
    let shown = metric::show_difference(cell.metric, value);
    let mark = Mark {
        value: value * scale,
        interval: interval
            .low
            .zip(interval.high)
            .map(|(low, high)| (low * scale, high * scale)),
        colour: known.map_or(5, |(_, _, colour)| *colour),
        says: format!("{}: {shown} {}", cell.run, bounds(cell)),
        shown,
        hollow: outcome == Outcome::NoDifference,
    };
    Some(Row {
        name: cell.run.to_owned(),
        marks: vec![mark],
    })
}

/// "[−0.300, −0.200]".
fn bounds(cell: &Cell<'_>) -> String {
    let signed = |v| metric::show_difference(cell.metric, v);
    match (cell.difference.interval.low, cell.difference.interval.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", signed(low), signed(high)),
        _ => "—".to_owned(),
    }
}

fn table(cells: &[Cell<'_>]) -> Table {
    let rows = cells.iter().map(|cell| {
        let Difference { interval, p } = cell.difference;
        let signed = |v| metric::show_difference(cell.metric, v);
        let outcome = OUTCOMES
            .iter()
            .find(|(known, ..)| Some(*known) == cell.outcome);
        vec![
            cell.run.into(),
            metric::with_arrow(cell.metric).into(),
            interval
                .estimate
                .map_or_else(|| "undefined".to_owned(), signed)
                .into(),
            bounds(cell).into(),
            p.map_or_else(|| "—".to_owned(), |p| metric::number(p, 3))
                .into(),
            match (outcome, &interval.undefined) {
                (Some((Outcome::NoDifference, words, _)), _) => Line::from(*words),
                (Some((_, words, _)), _) => Line::default().strong(*words),
                (None, Some(reason)) => format!("undefined: {reason}").into(),
                (None, None) => "undefined".into(),
            },
        ]
    });
    let head = vec![
        words("Run"),
        words("Metric"),
        numbers("Difference"),
        numbers("95 % interval"),
        numbers("p"),
        words("The run is"),
    ];
    Table::of_figure(head, rows.collect())
}
