//! The ablation that the run is a row of: what each part of the method is worth, as differences to the whole.

use maud::Markup;
use unimse_eval::Metric;
use unimse_run::{Ablation, AblationRow, ComparedMetric, Task};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Forest, Mark, Row};

/// The section, where an `ablation.json` lies beside the run folder.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let Some(ablation) = &run.ablation else {
        return;
    };
    let corpora = corpora(ablation);
    let panels = corpora
        .iter()
        .filter_map(|(corpus, task)| panel(ablation, corpus, task.main_metric()));
    let Some(panels) = svg::panels(panels.collect()) else {
        return;
    };
    doc.heading(2, "Ablation");
    let synthetic = match ablation.synthetic {
        true => {
            " The data are synthetic: the numbers show that the pipeline works and nothing else."
        }
        false => "",
    };
    let caption = format!(
        "What each part is worth: test scores of every row of the ablation minus those of the whole method, over {} seeds, with 95 % intervals of a paired \
         bootstrap of {} resamples. Many rows are tested, none is corrected for that. Test was opened {} times in all.{synthetic}",
        ablation.seeds.len(),
        ablation.resamples,
        ablation.test_openings
    );
    doc.figure(caption, panels, Some(table(ablation, &corpora)));
}

/// The corpora that some row is compared on, each once.
fn corpora(ablation: &Ablation) -> Vec<(String, Task)> {
    let mut all: Vec<(String, Task)> = Vec::new();
    for (name, compared) in ablation
        .rows
        .iter()
        .flat_map(|row| &row.runs)
        .flat_map(|run| run.corpora.iter())
    {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.to_owned(), compared.task));
        }
    }
    all
}

/// What a row says of a metric on a corpus.
fn value<'a>(row: &'a AblationRow, corpus: &str, metric: Metric) -> Option<&'a ComparedMetric> {
    let runs = row.runs.iter();
    runs.filter_map(|run| run.corpora.get(corpus))
        .find_map(|compared| compared.metrics.get(&metric))
}

fn panel(ablation: &Ablation, corpus: &str, metric: Metric) -> Option<Markup> {
    let scale = if metric.in_percent() { 100.0 } else { 1.0 };
    let mark = |row: &AblationRow| {
        let difference = &value(row, corpus, metric)?.difference.as_ref()?.interval;
        let estimate = difference.estimate?;
        let bounds = difference.low.zip(difference.high);
        let beyond = bounds.is_some_and(|(low, high)| low > 0.0 || high < 0.0);
        let better = (estimate > 0.0) == metric.higher_is_better();
        Some(Mark {
            value: estimate * scale,
            interval: bounds.map(|(low, high)| (low * scale, high * scale)),
            colour: match (beyond, better) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => 5,
            },
            says: format!(
                "{}: {} ({})",
                row.name,
                metric::show_difference(metric, estimate),
                row.shows
            ),
            shown: metric::show_difference(metric, estimate),
            hollow: !beyond,
        })
    };
    let rows = ablation.rows.iter().filter_map(|row| {
        Some(Row {
            name: row.name.clone(),
            marks: vec![mark(row)?],
        })
    });
    let rows: Vec<Row> = rows.collect();
    let title = format!("{corpus}: {}", metric::with_arrow(metric));
    let x = if metric.in_percent() {
        "minus the whole method, points"
    } else {
        "minus the whole method"
    };
    svg::forest(&Forest {
        title: &title,
        x,
        reference: Some(0.0),
        rows: &rows,
    })
}

/// A line a row, corpus and metric.
fn table(ablation: &Ablation, corpora: &[(String, Task)]) -> Table {
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for row in &ablation.rows {
        let before = rows.len();
        for (corpus, task) in corpora {
            let known = task
                .compared()
                .iter()
                .filter_map(|&m| Some((m, value(row, corpus, m)?)));
            rows.extend(known.map(|(m, value)| cells(row, corpus, m, value)));
        }
        if rows.len() == before {
            let why = row
                .absent
                .clone()
                .unwrap_or_else(|| "no numbers".to_owned());
            let mut line = vec![Line::default(); 7];
            (line[0], line[6]) = (
                row.name.as_str().into(),
                format!("{}; {why}", row.shows).into(),
            );
            rows.push(line);
        }
    }
    let mut head = ["Row", "Corpus", "Metric"].map(words).to_vec();
    head.extend(["Mean ± sd", "Minus the whole [95 %]", "p"].map(numbers));
    head.push(words("Shows"));
    Table::of_figure(head, rows)
}

fn cells(row: &AblationRow, corpus: &str, m: Metric, value: &ComparedMetric) -> Vec<Line> {
    let mean = match (value.mean, value.sd) {
        (Some(mean), Some(sd)) => format!("{} ± {}", metric::show(m, mean), metric::show(m, sd)),
        (Some(mean), None) => metric::show(m, mean),
        (None, _) => "undefined".to_owned(),
    };
    let signed = |v| metric::show_difference(m, v);
    let interval = value.difference.as_ref().map(|d| &d.interval);
    let difference = match interval.map(|i| (i.estimate, i.low.zip(i.high))) {
        Some((Some(v), Some((low, high)))) => {
            format!("{} [{}, {}]", signed(v), signed(low), signed(high))
        }
        Some((Some(v), None)) => signed(v),
        _ => "—".to_owned(),
    };
    let p = value.difference.as_ref().and_then(|d| d.p);
    vec![
        row.name.as_str().into(),
        corpus.into(),
        metric::with_arrow(m).into(),
        mean.into(),
        difference.into(),
        p.map_or_else(|| "—".to_owned(), |p| metric::number(p, 3))
            .into(),
        row.shows.as_str().into(),
    ]
}
