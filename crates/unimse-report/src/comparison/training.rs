//! The learning curves of all runs over each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use unimse_eval::Metric;
use unimse_run::RunFolder;

use crate::ReportError;
use crate::curves::{Point, by_epoch, by_place, by_step, over_seeds, summary};
use crate::doc::{Document, Table};
use crate::events::{self, Curves};
use crate::metric;
use crate::svg::{self, Lines, Look, Series};

/// How a run was trained.
pub(super) struct Training {
    name: String,
    /// One a seed that has an event log.
    seeds: Vec<Curves>,
}

/// Reads the event logs of `runs`, which have the first of `names`.
pub(super) fn read(runs: &[PathBuf], names: &[String]) -> Result<Vec<Training>, ReportError> {
    let mut trainings = Vec::new();
    for (path, name) in runs.iter().zip(names) {
        let below = RunFolder::seeds(path)?;
        let mut folders: Vec<RunFolder> = below.into_iter().map(|(_, folder)| folder).collect();
        if folders.is_empty() {
            folders.push(RunFolder::new(path));
        }
        let logs = folders.iter().map(RunFolder::events);
        let seeds = logs
            .filter(|log| log.exists())
            .map(|log| events::read(&log));
        trainings.push(Training {
            name: name.clone(),
            seeds: seeds.collect::<Result<_, _>>()?,
        });
    }
    Ok(trainings)
}

/// Loss by step, and what dev said by epoch.
pub(super) fn section(doc: &mut Document, trainings: &[Training]) {
    doc.heading(2, "Training");
    let without = trainings
        .iter()
        .filter(|training| training.seeds.is_empty());
    let without: Vec<&str> = without.map(|training| training.name.as_str()).collect();
    if !without.is_empty() {
        doc.paragraph(format!(
            "No events.jsonl, so no curves: {}.",
            without.join(", ")
        ));
    }
    let loss = each(trainings, |seed| by_step(seed, |step| step.loss));
    let chart = chart("Training loss", ("step", "loss"), &loss, false);
    let averaged = " Long curves are means of consecutive steps.";
    let caption = format!("Training loss by step, {BAND}.{averaged}");
    figure(
        doc,
        caption,
        trainings,
        chart.into_iter().collect(),
        summary("Step", &named(&loss)),
    );
    dev(doc, trainings);
}

/// What the bands are.
const BAND: &str =
    "mean over the seeds of each run; the band goes from the least to the greatest seed";

/// The score that selects the checkpoint, and the score of every corpus.
fn dev(doc: &mut Document, trainings: &[Training]) {
    let score = each(trainings, |seed| by_epoch(seed, |epoch| epoch.dev.score));
    let mut panels = vec![chart("Mean over corpora", ("epoch", "score"), &score, true)];
    for (corpus, part) in measured(trainings) {
        let lines = each(trainings, |seed| {
            by_epoch(seed, |epoch| {
                epoch.dev.corpora.get(&corpus)?.get(&part).copied()
            })
        });
        let title = format!("{corpus}: {}", metric::with_arrow(part));
        panels.push(chart(&title, ("epoch", "score"), &lines, true));
    }
    let caption = format!(
        "Scores on the dev splits after every epoch: the mean over corpora of Corr or weighted F1, which selects the checkpoint, and its parts; {BAND}. \
         A mean over other corpora is another score."
    );
    let panels = panels.into_iter().flatten().collect();
    figure(
        doc,
        caption,
        trainings,
        panels,
        by_place("Epoch", &named(&score)),
    );
}

/// The corpora and metrics of which a dev score was made.
fn measured(trainings: &[Training]) -> Vec<(String, Metric)> {
    let mut all: Vec<(String, Metric)> = Vec::new();
    let seeds = trainings.iter().flat_map(|training| &training.seeds);
    for (corpus, scores) in seeds
        .flat_map(|s| &s.epochs)
        .flat_map(|e| e.dev.corpora.iter())
    {
        for part in [Metric::Corr, Metric::WeightedF1] {
            let found = (corpus.to_owned(), part);
            if scores.contains_key(&part) && !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

/// A run with a quantity over its seeds.
type Curve<'a> = (&'a Training, Vec<Point>);

fn named<'a>(curves: &'a [Curve<'_>]) -> Vec<(&'a str, &'a [Point])> {
    let curves = curves.iter();
    let curves = curves.map(|(training, points)| (training.name.as_str(), points.as_slice()));
    curves.collect()
}

fn each(trainings: &[Training], values: impl Fn(&Curves) -> BTreeMap<u64, f64>) -> Vec<Curve<'_>> {
    let over =
        |training: &Training| over_seeds(&training.seeds.iter().map(&values).collect::<Vec<_>>());
    trainings
        .iter()
        .map(|training| (training, over(training)))
        .collect()
}

fn chart(
    title: &str,
    (x, y): (&str, &str),
    curves: &[Curve<'_>],
    dots: bool,
) -> Option<maud::Markup> {
    let series = curves
        .iter()
        .enumerate()
        .map(|(colour, (training, points))| {
            Series::over_seeds(&training.name, colour, points, dots)
        });
    let series: Vec<Series> = series.collect();
    svg::line_chart(&Lines {
        title,
        x,
        y,
        series: &series,
        from_zero: false,
        mark: None,
    })
}

fn figure(
    doc: &mut Document,
    caption: String,
    trainings: &[Training],
    panels: Vec<maud::Markup>,
    table: Table,
) {
    let Some(panels) = svg::panels(panels) else {
        return;
    };
    let entries = trainings.iter().enumerate();
    let key = svg::key(entries.map(|(i, training)| (training.name.as_str(), i, Look::Line)));
    doc.figure(caption, maud::html! { (key) (panels) }, Some(table));
}
