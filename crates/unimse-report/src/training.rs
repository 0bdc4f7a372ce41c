//! How the training went: loss curves, dev scores, and how much each fused layer listens to audio and video.

use unimse_eval::Metric;
use unimse_run::{Epoch, FusedLayer, Results, Step};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::events::Curves;
use crate::load::{Run, SeedRun};
use crate::metric;
use crate::svg::{self, Series};

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
    match run.seeds.as_slice() {
        [one] => single(doc, one),
        many => several(doc, many),
    }
    fusion(doc, run);
}

fn single(doc: &mut Document, seed: &SeedRun) {
    let curves = &seed.curves;
    let line = |name: &str, colour, points| series(name, colour, points, false);
    let losses = [
        line("total", 0, curves.curve(|s| s.loss)),
        line("task", 1, curves.curve(|s| s.task)),
    ];
    let averaged = match curves.steps_a_point() {
        1 => String::new(),
        n => format!(" Every point is the mean of {n} logged steps."),
    };
    figure(
        doc,
        format!("Training loss by step: total, and the task's part.{averaged}"),
        ("step", "loss"),
        &losses,
        None,
    );
    figure(
        doc,
        format!(
            "Contrastive losses of each fused layer: text with audio (solid), text with video (dashed).{averaged}"
        ),
        ("step", "InfoNCE loss"),
        &contrastive(curves, &seed.results.fusion.layers),
        None,
    );
    figure(
        doc,
        "Score on the dev splits after every epoch (mean over corpora of Corr or weighted F1), and its parts. The checkpoint with the \
         best score is the one that was evaluated.",
        ("epoch", "dev score"),
        &dev_series(curves),
        Some(epochs(curves)),
    );
}

fn several(doc: &mut Document, seeds: &[SeedRun]) {
    doc.paragraph(
        "One line a seed; the losses of every layer stand in the reports of the single seeds.",
    );
    let lines = |points: &dyn Fn(&Curves) -> Vec<(f64, f64)>, dots| -> Vec<Series> {
        let each = seeds.iter().enumerate();
        each.map(|(i, s)| series(&s.name, i, points(&s.curves), dots))
            .collect()
    };
    let loss = lines(&|c| c.curve(|s| s.loss), false);
    figure(
        doc,
        "Total training loss by step.",
        ("step", "loss"),
        &loss,
        None,
    );
    let dev = lines(&|c| dev_score(c), true);
    let caption =
        "Score on the dev splits after every epoch (mean over corpora of Corr or weighted F1).";
    figure(doc, caption, ("epoch", "dev score"), &dev, None);
}

fn series(name: &str, colour: usize, points: Vec<(f64, f64)>, dots: bool) -> Series {
    Series {
        name: name.to_owned(),
        points,
        colour,
        dashed: false,
        dots,
    }
}

fn figure(
    doc: &mut Document,
    caption: impl Into<Line>,
    (x, y): (&str, &str),
    lines: &[Series],
    table: Option<Table>,
) {
    match svg::line_chart(x, y, lines) {
        Some(chart) => doc.figure(caption, chart, table),
        None => doc.paragraph(format!(
            "No {y} was recorded, so there is no picture of it."
        )),
    }
}

fn contrastive(curves: &Curves, layers: &[FusedLayer]) -> Vec<Series> {
    let most = |count: fn(&Step) -> usize| curves.steps.iter().map(count).max().unwrap_or_default();
    let (audio, video) = (most(|s| s.text_audio.len()), most(|s| s.text_video.len()));
    // Events list the layers from the lowest; results.json knows their numbers.
    let name = |i: usize, all: usize| match layers.get(i) {
        Some(layer) if layers.len() == all => format!("layer {}", layer.layer),
        _ => format!("fused layer {}", i + 1),
    };
    let mut all = Vec::new();
    for i in 0..audio.min(6) {
        let points = curves.curve(|s| s.text_audio.get(i).copied().flatten());
        all.push(series(
            &format!("audio, {}", name(i, audio)),
            i,
            points,
            false,
        ));
    }
    for i in 0..video.min(6) {
        let points = curves.curve(|s| s.text_video.get(i).copied().flatten());
        let mut line = series(&format!("video, {}", name(i, video)), i, points, false);
        line.dashed = true;
        all.push(line);
    }
    all
}

fn dev_score(curves: &Curves) -> Vec<(f64, f64)> {
    let epochs = curves.epochs.iter();
    epochs
        .filter_map(|e| Some((e.epoch as f64, e.dev.score?)))
        .collect()
}

/// The score and, dashed, the part of each corpus that goes into it.
fn dev_series(curves: &Curves) -> Vec<Series> {
    let mut all = vec![series("score", 0, dev_score(curves), true)];
    let corpora = curves
        .epochs
        .iter()
        .flat_map(|e| e.dev.corpora.iter().map(|c| c.0));
    let mut names: Vec<&str> = Vec::new();
    for name in corpora {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for (i, name) in names.into_iter().enumerate() {
        for part in [Metric::Corr, Metric::WeightedF1] {
            let value = |e: &Epoch| e.dev.corpora.get(name)?.get(&part).copied();
            let epochs = curves.epochs.iter();
            let points = epochs
                .filter_map(|e| Some((e.epoch as f64, value(e)?)))
                .collect();
            let mut line = series(&format!("{name}, {}", part.title()), i + 1, points, false);
            line.dashed = true;
            all.push(line);
        }
    }
    all
}

fn epochs(curves: &Curves) -> Table {
    let show =
        |v: Option<f64>| Line::from(v.map_or_else(|| "—".to_owned(), |v| metric::number(v, 4)));
    let rows = curves.epochs.iter().map(|e| {
        let seconds = e.seconds.map_or_else(|| "—".to_owned(), metric::duration);
        vec![
            e.epoch.to_string().into(),
            show(e.train_loss),
            show(e.dev.score),
            seconds.into(),
            if e.best {
                Line::default().strong("best so far")
            } else {
                Line::default()
            },
        ]
    });
    Table {
        number: String::new(),
        caption: Line::default(),
        head: vec![
            numbers("Epoch"),
            numbers("Train loss"),
            numbers("Dev score"),
            numbers("Time"),
            words(""),
        ],
        rows: rows.collect(),
    }
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
