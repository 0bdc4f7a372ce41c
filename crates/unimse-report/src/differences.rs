//! UniMSE minus each baseline of the same run: a forest for every metric, with the line where nothing differs.

use maud::html;
use unimse_eval::Metric;
use unimse_run::CorpusResults;

use crate::compare::{self, Comparison, Outcome};
use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Forest, Look, Mark, Row};

/// The figure of a corpus, with every difference in its table.
pub(crate) fn figure(doc: &mut Document, run: &Run, name: &str, corpus: &CorpusResults) {
    let all = compare::comparisons(run, name);
    if all.is_empty() {
        return;
    }
    let main = corpus.task.main_metric();
    let mut metrics: Vec<Metric> = Vec::new();
    for found in std::iter::once(main).chain(all.iter().map(|c| c.metric)) {
        if !metrics.contains(&found) && all.iter().any(|c| c.metric == found) {
            metrics.push(found);
        }
    }
    let panels = metrics.into_iter().filter_map(|metric| {
        let rows = rows(&all, metric);
        let unit = if metric.in_percent() {
            "difference, points"
        } else {
            "difference"
        };
        svg::forest(&Forest {
            title: &metric::with_arrow(metric),
            x: unit,
            reference: Some(0.0),
            rows: &rows,
        })
    });
    let seeds = match all.iter().any(|c| !c.seed.is_empty()) {
        true => " Each seed has an interval of its own.",
        false => "",
    };
    let caption = format!(
        "UniMSE minus each baseline on {name}, test split, with paired-bootstrap 95 % intervals.{seeds}"
    );
    match svg::panels(panels.collect()) {
        Some(panels) => {
            let key =
                svg::key(OUTCOMES.map(|(outcome, colour)| (outcome.words(), colour, Look::Dot)));
            doc.figure(caption, html! { (key) (panels) }, Some(table(&all)));
        }
        None => {
            let table = table(&all);
            doc.table(caption, table.head, table.rows);
        }
    }
}

/// What a mark can say, with its colour.
const OUTCOMES: [(Outcome, usize); 3] = [
    (Outcome::Beats, 0),
    (Outcome::Worse, 1),
    (Outcome::NoDifference, 5),
];

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Beats => "better than the baseline",
            Self::Worse => "worse than the baseline",
            Self::NoDifference => "no difference beyond the interval",
        }
    }
}

/// A row a baseline, in it a mark for each seed that has an interval of its own.
fn rows(all: &[Comparison<'_>], metric: Metric) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for comparison in all.iter().filter(|c| c.metric == metric) {
        let Some(mark) = mark(comparison) else {
            continue;
        };
        match rows.iter_mut().find(|row| row.name == comparison.baseline) {
            Some(row) => row.marks.push(mark),
            None => rows.push(Row {
                name: comparison.baseline.to_owned(),
                marks: vec![mark],
            }),
        }
    }
    rows
}

fn mark(c: &Comparison<'_>) -> Option<Mark> {
    let scale = if c.metric.in_percent() { 100.0 } else { 1.0 };
    let outcome = c.outcome.unwrap_or(Outcome::NoDifference);
    let colour = OUTCOMES
        .iter()
        .find(|(known, _)| *known == outcome)
        .map_or(5, |(_, colour)| *colour);
    let value = c.interval.estimate?;
    let seed = if c.seed.is_empty() {
        String::new()
    } else {
        format!(", {}", c.seed)
    };
    Some(Mark {
        value: value * scale,
        interval: c
            .interval
            .low
            .zip(c.interval.high)
            .map(|(low, high)| (low * scale, high * scale)),
        colour,
        says: format!(
            "{}{seed}: {} {}",
            c.baseline,
            metric::show_difference(c.metric, value),
            bounds(c)
        ),
        shown: metric::show_difference(c.metric, value),
        hollow: outcome == Outcome::NoDifference,
    })
}

/// "[−0.300, −0.200]".
fn bounds(c: &Comparison<'_>) -> String {
    let signed = |v| metric::show_difference(c.metric, v);
    match (c.interval.low, c.interval.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", signed(low), signed(high)),
        _ => "—".to_owned(),
    }
}

fn table(all: &[Comparison<'_>]) -> Table {
    let by_seed = all.iter().any(|c| !c.seed.is_empty());
    let mut head = Vec::new();
    head.extend(by_seed.then(|| words("Seed")));
    head.extend([
        words("Baseline"),
        words("Metric"),
        numbers("Difference"),
        numbers("95 % interval"),
        words("UniMSE"),
    ]);
    let rows = all.iter().map(|c| {
        let mut row: Vec<Line> = Vec::new();
        row.extend(by_seed.then(|| c.seed.into()));
        let estimate = c.interval.estimate;
        row.extend([
            c.baseline.into(),
            metric::with_arrow(c.metric).into(),
            estimate
                .map_or_else(
                    || "undefined".to_owned(),
                    |v| metric::show_difference(c.metric, v),
                )
                .into(),
            bounds(c).into(),
            match (c.outcome, &c.interval.undefined) {
                (Some(outcome), _) => Line::default().strong(outcome.name()),
                (None, Some(reason)) => format!("undefined: {reason}").into(),
                (None, None) => "undefined".into(),
            },
        ]);
        row
    });
    Table::of_figure(head, rows.collect())
}
