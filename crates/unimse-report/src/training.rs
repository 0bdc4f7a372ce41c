//! How the training went: loss curves by part, dev scores by corpus, and how much each fused layer listens to audio and video.

use std::collections::BTreeMap;

use maud::{Markup, html};
use unimse_eval::Metric;
use unimse_run::{Epoch, Results, Step};

use crate::curves::{Point, by_epoch, by_step, over_seeds, summary};
use crate::doc::{Document, Line, Table, numbers, words};
use crate::events::Curves;
use crate::load::{Run, SeedRun};
use crate::metric;
use crate::svg::{self, Lines, Look, Series};

/// Curves and fusion ratios.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    doc.heading(2, "Training");
    let skipped: usize = run.seeds.iter().map(|s| s.curves.skipped).sum();
    let repeated: usize = run.seeds.iter().map(|s| s.curves.repeated).sum();
    if skipped > 0 {
        doc.paragraph(format!(
            "Lines of events.jsonl that could not be read and were skipped: {skipped}."
        ));
    }
    if repeated > 0 {
        doc.paragraph(format!(
            "Steps that a resumed run repeated: {repeated}; the later ones are shown."
        ));
    }
    losses(doc, &run.seeds);
    contrastive(doc, &run.seeds);
    dev(doc, &run.seeds);
    fusion(doc, run);
}

/// A quantity of every step.
type OfStep = fn(&Step) -> Option<f64>;

/// The parts of the loss that a step may have.
const PARTS: [(&str, OfStep); 4] = [
    ("Total", |s| s.loss),
    ("Task", |s| s.task),
    ("Audio and video alone", |s| s.auxiliary),
    ("Contrast between samples", |s| s.samples),
];

/// A panel for each part of the loss, in it a line a seed.
fn losses(doc: &mut Document, seeds: &[SeedRun]) {
    let parts = PARTS.map(|(title, part)| (title, points(seeds, |curves| by_step(curves, part))));
    let parts = parts
        .iter()
        .map(|(title, points)| (*title, points.as_slice()));
    let parts: Vec<(&str, &[Point])> = parts.filter(|(_, points)| !points.is_empty()).collect();
    let panel = |(title, points): &(&str, &[Point])| {
        let line = together(seeds, points, false);
        chart(title, ("step", "loss"), &line, None)
    };
    let averaged = seeds.iter().map(|s| s.curves.steps_a_point()).max();
    let averaged = averaged
        .filter(|n| *n > 1)
        .map(|n| format!(" Every point is the mean of {n} logged steps."));
    let caption = format!(
        "Training loss by step: the whole and its parts.{}{}",
        how(seeds),
        averaged.unwrap_or_default()
    );
    let panels = svg::panels(parts.iter().filter_map(panel).collect());
    let table = summary("Step", &parts);
    figure(doc, caption, "loss", None, panels, table);
}

/// A panel for text with audio and one for text with video, in each a line a fused layer.
fn contrastive(doc: &mut Document, seeds: &[SeedRun]) {
    let panels = [
        ("Text with audio", by_layer(seeds, |s| &s.text_audio)),
        ("Text with video", by_layer(seeds, |s| &s.text_video)),
    ];
    let names = panels.iter().map(|(_, layers)| layers);
    let names = names
        .max_by_key(|layers| layers.len())
        .into_iter()
        .flatten();
    let key = svg::key((names.enumerate()).map(|(at, (name, _))| (name.as_str(), at, Look::Line)));
    let curves = panels.iter().flat_map(|(title, layers)| {
        let named = move |(name, points): &(String, Vec<Point>)| {
            (format!("{title}, {name}"), points.clone())
        };
        layers.iter().map(named)
    });
    let curves: Vec<(String, Vec<Point>)> = curves.collect();
    let curves = curves
        .iter()
        .map(|(name, points)| (name.as_str(), points.as_slice()));
    let table = summary("Step", &curves.collect::<Vec<_>>());
    let panels = panels.iter().filter_map(|(title, layers)| {
        let lines = layers.iter().enumerate();
        let lines = lines.map(|(at, (name, points))| Series::over_seeds(name, at, points, false));
        chart(
            title,
            ("step", "InfoNCE loss"),
            &lines.collect::<Vec<_>>(),
            None,
        )
    });
    let caption = format!(
        "Contrastive losses of each fused layer, in nats.{}",
        how(seeds)
    );
    figure(
        doc,
        caption,
        "InfoNCE loss",
        Some(key),
        svg::panels(panels.collect()),
        table,
    );
}

/// A panel for the score that selects the checkpoint and one for each corpus and metric of dev.
fn dev(doc: &mut Document, seeds: &[SeedRun]) {
    let chosen = match seeds {
        [one] => one
            .curves
            .epochs
            .iter()
            .rev()
            .find(|e| e.best)
            .map(|e| e.epoch as f64),
        _ => None,
    };
    let mark = chosen.map(|epoch| (epoch, "chosen"));
    let over = ("epoch", "score");
    let line = |values: &dyn Fn(&Epoch) -> Option<f64>| {
        let points = points(seeds, |curves| by_epoch(curves, values));
        together(seeds, &points, true)
    };
    let score = line(&|e| e.dev.score);
    let mut panels = vec![chart("Mean over corpora", over, &score, mark)];
    for (corpus, metric) in measured(seeds) {
        let value = |e: &Epoch| e.dev.corpora.get(&corpus)?.get(&metric).copied();
        let lines = line(&value);
        let title = format!("{corpus}: {}", metric::with_arrow(metric));
        panels.push(chart(&title, over, &lines, mark));
    }
    let caption = format!(
        "Scores on the dev splits after every epoch: the mean over corpora of Corr or weighted F1, which selects the checkpoint, and what is measured on each \
         corpus.{}",
        how(seeds)
    );
    let panels = svg::panels(panels.into_iter().flatten().collect());
    figure(doc, caption, "dev score", None, panels, epochs(seeds));
}

/// The corpora and metrics that some epoch of some seed measured on dev.
fn measured(seeds: &[SeedRun]) -> Vec<(String, Metric)> {
    let mut all: Vec<(String, Metric)> = Vec::new();
    for epoch in seeds.iter().flat_map(|s| &s.curves.epochs) {
        for (corpus, scores) in epoch.dev.corpora.iter() {
            for metric in [
                Metric::Mae,
                Metric::Corr,
                Metric::WeightedF1,
                Metric::MacroF1,
            ] {
                let found = (corpus.to_owned(), metric);
                if scores.contains_key(&metric) && !all.contains(&found) {
                    all.push(found);
                }
            }
        }
    }
    all
}

/// A quantity of all seeds.
fn points(seeds: &[SeedRun], values: impl Fn(&Curves) -> BTreeMap<u64, f64>) -> Vec<Point> {
    let all: Vec<_> = seeds.iter().map(|seed| values(&seed.curves)).collect();
    over_seeds(&all)
}

/// One line: the seed's, or the mean of several with a band.
fn together(seeds: &[SeedRun], points: &[Point], dots: bool) -> Vec<Series> {
    let name = match seeds {
        [one] => one.name.clone(),
        many => format!("mean of {} seeds", many.len()),
    };
    vec![Series::over_seeds(&name, 0, points, dots)]
}

/// What lines of several seeds are.
fn how(seeds: &[SeedRun]) -> String {
    match seeds.len() {
        0 | 1 => String::new(),
        n => format!(" Mean of {n} seeds; the band goes from the least seed to the greatest."),
    }
}

/// The losses of every fused layer, which events list from the lowest; `results.json` knows their numbers.
fn by_layer(
    seeds: &[SeedRun],
    losses: fn(&Step) -> &Vec<Option<f64>>,
) -> Vec<(String, Vec<Point>)> {
    let steps = seeds.iter().flat_map(|seed| &seed.curves.steps);
    let all = steps.map(|s| losses(s).len()).max().unwrap_or_default();
    let layers = seeds.first().map(|seed| &seed.results.fusion.layers);
    let layers = layers.filter(|layers| layers.len() == all);
    let name = |at: usize| match layers {
        Some(layers) => format!("layer {}", layers[at].layer),
        None => format!("fused layer {}", at + 1),
    };
    let layer = |at: usize| {
        let loss = |s: &Step| losses(s).get(at).copied().flatten();
        (name(at), points(seeds, |curves| by_step(curves, loss)))
    };
    (0..all).map(layer).collect()
}

fn chart(
    title: &str,
    (x, y): (&str, &str),
    series: &[Series],
    mark: Option<(f64, &str)>,
) -> Option<Markup> {
    svg::line_chart(&Lines {
        title,
        x,
        y,
        series,
        from_zero: false,
        mark,
    })
}

fn figure(
    doc: &mut Document,
    caption: impl Into<Line>,
    what: &str,
    key: Option<Markup>,
    panels: Option<Markup>,
    table: Table,
) {
    match panels {
        Some(panels) => doc.figure(
            caption,
            html! { @if let Some(key) = key { (key) } (panels) },
            Some(table),
        ),
        None => doc.paragraph(format!(
            "No {what} was recorded, so there is no picture of it."
        )),
    }
}

/// A row an epoch: loss, what dev said, time.
fn epochs(seeds: &[SeedRun]) -> Table {
    let measured = measured(seeds);
    let show =
        |v: Option<f64>| Line::from(v.map_or_else(|| "—".to_owned(), |v| metric::number(v, 4)));
    let several = seeds.len() > 1;
    let row = |seed: &SeedRun, e: &Epoch| {
        let mut row: Vec<Line> = Vec::new();
        row.extend(several.then(|| seed.name.as_str().into()));
        row.extend([
            e.epoch.to_string().into(),
            show(e.train_loss),
            show(e.dev.score),
        ]);
        let of =
            |(corpus, metric): &(String, Metric)| e.dev.corpora.get(corpus)?.get(metric).copied();
        row.extend(measured.iter().map(|found| show(of(found))));
        row.push(
            e.seconds
                .map_or_else(|| "—".to_owned(), metric::duration)
                .into(),
        );
        row.push(match e.best {
            true => Line::default().strong("best so far"),
            false => Line::default(),
        });
        row
    };
    let rows = seeds
        .iter()
        .flat_map(|seed| seed.curves.epochs.iter().map(move |e| (seed, e)));
    let rows = rows.map(|(seed, e)| row(seed, e)).collect();
    let mut head = Vec::new();
    head.extend(several.then(|| words("Seed")));
    head.extend(["Epoch", "Train loss", "Dev score"].map(numbers));
    head.extend(
        measured
            .iter()
            .map(|(corpus, metric)| numbers(format!("{corpus} {}", metric.title()))),
    );
    head.extend([numbers("Time"), words("Checkpoint")]);
    Table::of_figure(head, rows)
}

fn fusion(doc: &mut Document, run: &Run) {
    let name = |seed: &SeedRun| match run.aggregate {
        true => seed.name.clone(),
        false => "Ratio".to_owned(),
    };
    let sources: Vec<(String, &Results)> =
        run.seeds.iter().map(|s| (name(s), &s.results)).collect();
    let mut layers: Vec<usize> = Vec::new();
    for layer in sources.iter().flat_map(|(_, r)| &r.fusion.layers) {
        if !layers.contains(&layer.layer) {
            layers.push(layer.layer);
        }
    }
    if layers.is_empty() {
        doc.paragraph("No fused layer was recorded: without fusion, the text encoder runs alone.");
        return;
    }
    let mut head = vec![words("Fused layer")];
    head.extend(sources.iter().map(|(name, _)| numbers(name)));
    let rows = layers.iter().map(|n| {
        let ratio = |r: &Results| r.fusion.layers.iter().find(|l| l.layer == *n)?.ratio;
        let cell = |r: &Results| {
            Line::from(ratio(r).map_or_else(|| "—".to_owned(), |v| metric::number(v, 4)))
        };
        let mut row: Vec<Line> = vec![n.to_string().into()];
        row.extend(sources.iter().map(|(_, r)| cell(r)));
        row
    });
    let rows = rows.collect();
    let caption = "Fusion ratio of every fused layer: mean of |fusion term| / |h|. Near zero, audio and video do not reach the encoder.";
    doc.table(caption, head, rows);
}
