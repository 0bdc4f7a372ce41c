//! Classes one by one: F1 with intervals, and what is taken for what.

use maud::html;
use unimse_eval::{ClassScores, Interval, class_f1, resample};
use unimse_run::{Confusion, CorpusResults, Task};

use crate::browse::BrowsedRow;
use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::seeds;
use crate::svg::{self, Forest, Mark, Row};
use crate::tested::{self, Answered};

/// F1 of every class, with a bootstrap interval where the answers are at hand; of several seeds mean and deviation.
pub(crate) fn f1(
    doc: &mut Document,
    run: &Run,
    name: &str,
    corpus: &CorpusResults,
    rows: &[&BrowsedRow],
) {
    let classes = &corpus.test.per_class;
    if classes.is_empty() {
        return;
    }
    if !corpus.test.per_class_sd.is_empty() {
        return seeds::f1(doc, run, name, &corpus.test);
    }
    let answered = tested::emotions(rows);
    let intervals = answered.and_then(|answered| intervals(run, &answered, classes));
    let intervals = intervals.unwrap_or_else(|| vec![None; classes.len()]);
    let marked = classes.iter().zip(&intervals).map(|(class, interval)| Row {
        name: class.label.clone(),
        marks: vec![mark(class, interval.as_ref())],
    });
    let marked: Vec<Row> = marked.collect();
    let how = match intervals.iter().flatten().next() {
        Some(_) => format!(
            " with 95 % bootstrap intervals that resample {}",
            corpus.task.clusters().name()
        ),
        None => String::new(),
    };
    let caption = format!("F1 of every class of {name} on the test split{how}.");
    let table = class_table(classes, &intervals);
    let forest = Forest {
        title: "F1 ↑ by class",
        x: "F1, %",
        reference: None,
        rows: &marked,
    };
    match svg::panels(svg::forest(&forest).into_iter().collect()) {
        Some(panels) => doc.figure(caption, html! { (panels) }, Some(table)),
        None => doc.table(caption, table.head, table.rows),
    }
}

/// Of each class, none where the answers are not those that were scored.
fn intervals(
    run: &Run,
    answered: &Answered,
    classes: &[ClassScores],
) -> Option<Vec<Option<Interval>>> {
    let Answered {
        labels,
        answers,
        truth,
        clusters,
    } = answered;
    let measure = class_f1(answers, truth, labels).ok()?;
    let (resamples, seed) = run.resampling;
    let drawn = resample(&measure, clusters, resamples, seed);
    let of_class = |class: &ClassScores| {
        let at = labels.iter().position(|label| *label == class.label)?;
        let support = truth.iter().filter(|&&truth| truth == at).count() as u64;
        let interval = drawn.get(at)?.interval();
        let same = (interval.estimate? - class.f1).abs() < 1e-9 && support == class.support;
        same.then_some(interval)
    };
    Some(classes.iter().map(of_class).collect())
}

fn mark(class: &ClassScores, interval: Option<&Interval>) -> Mark {
    let bounds = interval.and_then(|i| i.low.zip(i.high));
    let range =
        bounds.map(|(low, high)| format!(" [{}, {}]", metric::percent(low), metric::percent(high)));
    Mark {
        value: 100.0 * class.f1,
        interval: bounds.map(|(low, high)| (100.0 * low, 100.0 * high)),
        colour: 0,
        says: format!(
            "{}: F1 {} %{}, {} rows",
            class.label,
            metric::percent(class.f1),
            range.unwrap_or_default(),
            class.support
        ),
        shown: metric::number(100.0 * class.f1, 1),
        hollow: false,
    }
}

fn class_table(classes: &[ClassScores], intervals: &[Option<Interval>]) -> Table {
    let with = intervals.iter().any(Option::is_some);
    let rows = classes.iter().zip(intervals).map(|(c, interval)| {
        let bounds = interval.as_ref().and_then(|i| i.low.zip(i.high));
        let bounds = bounds.map_or_else(
            || "—".to_owned(),
            |(low, high)| format!("[{}, {}]", metric::percent(low), metric::percent(high)),
        );
        let mut row: Vec<Line> = vec![
            c.label.as_str().into(),
            metric::percent(c.precision).into(),
            metric::percent(c.recall).into(),
            metric::percent(c.f1).into(),
        ];
        row.extend(with.then(|| bounds.into()));
        row.push(c.support.to_string().into());
        row
    });
    let mut head = vec![words("Class")];
    head.extend(["Precision ↑", "Recall ↑", "F1 ↑"].map(numbers));
    head.extend(with.then(|| numbers("95 % interval of F1")));
    head.push(numbers("Support"));
    Table::of_figure(head, rows.collect())
}

/// The confusion of an emotion corpus as it was scored, of several seeds their sum; of polarities from the answers, where they are at hand.
pub(crate) fn confusion(
    doc: &mut Document,
    run: &Run,
    name: &str,
    corpus: &CorpusResults,
    rows: &[&BrowsedRow],
) {
    let classes = match corpus.task {
        Task::Emotion => corpus.test.confusion.clone(),
        Task::Sentiment => None,
    };
    let summed = run.aggregate && classes.is_some();
    let polarities = match corpus.test.views.get("polarity") {
        Some(_) => tested::polarities(rows).map(|answered| counted(&answered)),
        None => None,
    };
    let all: Vec<(&str, Confusion)> = [("Emotions", classes), ("Polarities", polarities)]
        .into_iter()
        .filter_map(|(title, found)| Some((title, found?)))
        .collect();
    let Some(panels) = svg::panels(
        all.iter()
            .map(|(title, found)| svg::heat_map(title, found))
            .collect(),
    ) else {
        return;
    };
    let mut caption = format!(
        "Confusion matrix of {name}, test split: true classes in rows, predicted in columns; the shade is the share of the row, the number below it the count."
    );
    if summed {
        caption.push_str(&format!(
            " Counts are summed over {} seeds.",
            run.seeds.len()
        ));
    }
    doc.figure(caption, panels, Some(counts(&all)));
}

fn counted(answered: &Answered) -> Confusion {
    let n = answered.labels.len();
    let mut rows_truth = vec![vec![0; n]; n];
    for (&truth, &answer) in answered.truth.iter().zip(&answered.answers) {
        rows_truth[truth][answer] += 1;
    }
    Confusion {
        labels: answered.labels.clone(),
        rows_truth,
    }
}

/// One row a true class; matrices below each other have columns of their own.
fn counts(all: &[(&str, Confusion)]) -> Table {
    let mut head = vec![words("true \\ predicted")];
    head.extend(all.iter().flat_map(|(_, c)| &c.labels).map(numbers));
    let width = head.len();
    let mut rows = Vec::new();
    let mut before = 1;
    for (_, confusion) in all {
        for (label, counts) in confusion.labels.iter().zip(&confusion.rows_truth) {
            let mut row = vec![Line::default(); width];
            row[0] = label.as_str().into();
            for (at, count) in counts.iter().enumerate() {
                row[before + at] = count.to_string().into();
            }
            rows.push(row);
        }
        before += confusion.labels.len();
    }
    Table::of_figure(head, rows)
}
