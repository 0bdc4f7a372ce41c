//! What the page of several seeds has beyond that of one: what is of all of them together, what of single ones and what stands elsewhere; classes with
//! their deviations.

use std::collections::BTreeMap;

use unimse_eval::{ClassScores, Interval, Metric};
use unimse_run::{ClassDeviations, CorpusResults, SplitScores};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Forest, Mark, Row};

/// A paragraph; `None` for a run of one seed.
pub(crate) fn said(run: &Run) -> Option<Line> {
    if !run.aggregate {
        return None;
    }
    let n = run.seeds.len();
    let names: Vec<String> = run
        .seeds
        .iter()
        .map(|seed| seed.name.replace(' ', "-"))
        .collect();
    let line = Line::default().strong(format!("Of {n} seeds together"));
    let line = line.text(
        " are, on this page, the metrics, conventions, questions and classes (means, ± sample standard deviation where it is printed), the confusion matrices \
         (the answers of all seeds, counted) and the curves (means; their bands go from the least seed to the greatest); an interval of a metric is the mean of those of the seeds. ",
    );
    let line = line.strong("Of single seeds").text(
        " are differences to baselines with their intervals, fusion ratios and receipts: they have a row, column or mark for each. The answers to single \
         utterances stand in the reports of the seeds alone: ",
    );
    Some(
        line.code(format!("{{{}}}/report.html", names.join(",")))
            .text("."),
    )
}

/// The 95 % intervals of the test metrics of a corpus; of several seeds the means of their ends, where every seed has them.
pub(crate) fn intervals(
    run: &Run,
    name: &str,
    corpus: &CorpusResults,
) -> BTreeMap<Metric, Interval> {
    if !run.aggregate {
        return corpus.test.intervals.clone();
    }
    let of_seed = |metric: &Metric| {
        let seeds = run.seeds.iter().map(|seed| {
            let interval = seed.results.corpora.get(name)?.test.intervals.get(metric)?;
            interval.low.zip(interval.high)
        });
        let ends: Vec<(f64, f64)> = seeds.collect::<Option<_>>()?;
        let mean = |end: fn(&(f64, f64)) -> f64| {
            let sum: f64 = ends.iter().map(end).sum();
            Some(sum / ends.len() as f64)
        };
        let interval = Interval {
            estimate: corpus.test.metrics.get(metric).copied(),
            low: mean(|end| end.0),
            high: mean(|end| end.1),
            undefined: None,
        };
        Some((*metric, interval))
    };
    corpus.test.metrics.keys().filter_map(of_seed).collect()
}

/// F1 of every class: mean over the seeds, and one standard deviation to both sides.
pub(crate) fn f1(doc: &mut Document, run: &Run, name: &str, test: &SplitScores) {
    let classes = || test.per_class.iter().zip(&test.per_class_sd);
    let rows: Vec<Row> = classes().map(row).collect();
    let caption = format!(
        "F1 of every class of {name} on the test split: mean over {} seeds, the bars one sample standard deviation to both sides.",
        run.seeds.len()
    );
    let cells = classes().map(|(class, sd)| {
        let cell = |mean: f64, sd: f64| Line::from(spread(mean, sd));
        vec![
            class.label.as_str().into(),
            cell(class.precision, sd.precision),
            cell(class.recall, sd.recall),
            cell(class.f1, sd.f1),
            class.support.to_string().into(),
        ]
    });
    let mut head = vec![words("Class")];
    head.extend(["Precision ↑", "Recall ↑", "F1 ↑", "Support"].map(numbers));
    let table = Table::of_figure(head, cells.collect());
    let forest = Forest {
        title: "F1 ↑ by class",
        x: "F1, %",
        reference: None,
        rows: &rows,
    };
    match svg::panels(svg::forest(&forest).into_iter().collect()) {
        Some(panels) => doc.figure(caption, panels, Some(table)),
        None => doc.table(caption, table.head, table.rows),
    }
}

fn row((class, sd): (&ClassScores, &ClassDeviations)) -> Row {
    let mark = Mark {
        value: 100.0 * class.f1,
        interval: Some((100.0 * (class.f1 - sd.f1), 100.0 * (class.f1 + sd.f1))),
        colour: 0,
        says: format!(
            "{}: F1 {} %, {} rows",
            class.label,
            spread(class.f1, sd.f1),
            class.support
        ),
        shown: metric::number(100.0 * class.f1, 1),
        hollow: false,
    };
    Row {
        name: class.label.clone(),
        marks: vec![mark],
    }
}

/// "55.46 ± 1.20".
fn spread(mean: f64, sd: f64) -> String {
    format!("{} ± {}", metric::percent(mean), metric::percent(sd))
}
