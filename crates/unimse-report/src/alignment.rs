//! Whether text finds its own audio and video, by fused layer: a picture for each corpus and modality, and the numbers.

use maud::{Markup, html};
use unimse_run::{Alignment, LayerRetrieval};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Lines, Look, Series};

/// Whether any corpus was asked.
pub(crate) fn recorded(run: &Run) -> bool {
    all(run).next().is_some()
}

/// Corpus and what was found in its test rows.
fn all(run: &Run) -> impl Iterator<Item = (&str, &Alignment)> {
    let corpora = run.results.corpora.iter();
    corpora.flat_map(|(name, corpus)| corpus.test.alignment.iter().map(move |a| (name, a)))
}

/// Figure and table below a heading of their own.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    doc.heading(3, "Text and its own audio and video");
    let found: Vec<(&str, &Alignment)> = all(run).collect();
    let seeds = if run.aggregate {
        " Means over the seeds."
    } else {
        ""
    };
    let caption = format!(
        "How well a test utterance finds its own audio or video among those of other test utterances by its text alone, as the contrastive losses compare \
         them: mean over the utterances of one over the rank, by fused layer, beside what ranks drawn at random give.{seeds}"
    );
    let pictures = found.iter().filter_map(|(corpus, a)| picture(corpus, a));
    let Some(panels) = svg::panels(pictures.collect()) else {
        return;
    };
    let key = svg::key([("text", 0, Look::Line), ("chance", 5, Look::Dashed)]);
    doc.figure(caption, html! { (key) (panels) }, Some(table(&found)));
}

fn picture(corpus: &str, a: &Alignment) -> Option<Markup> {
    let line = |name: &str, colour, value: &dyn Fn(&LayerRetrieval) -> f64| Series {
        name: name.to_owned(),
        points: a
            .layers
            .iter()
            .map(|l| (l.layer as f64, value(l)))
            .collect(),
        colour,
        dashed: colour != 0,
        dots: colour == 0,
        band: Vec::new(),
    };
    svg::line_chart(&Lines {
        title: &format!("{corpus}: finds its {} among {}", a.modality, a.n),
        x: "fused layer",
        y: "mean reciprocal rank",
        series: &[
            line("text", 0, &|l| l.found.mrr),
            line("chance", 5, &|_| a.chance.mrr),
        ],
        from_zero: true,
        mark: None,
    })
}

fn table(found: &[(&str, &Alignment)]) -> Table {
    let number = |value: f64| Line::from(metric::number(value, 3));
    let rows = found.iter().flat_map(|(corpus, a)| {
        a.layers.iter().map(move |layer| {
            vec![
                Line::from(*corpus),
                a.modality.as_str().into(),
                a.n.to_string().into(),
                layer.layer.to_string().into(),
                number(layer.found.mrr),
                number(a.chance.mrr),
                number(layer.found.recall_at_1),
                number(a.chance.recall_at_1),
            ]
        })
    });
    let mut head = vec![words("Corpus"), words("Finds its")];
    head.extend(
        [
            "Among",
            "Layer",
            "Mean reciprocal rank",
            "Chance",
            "Recall at 1",
            "Chance of it",
        ]
        .map(numbers),
    );
    Table::of_figure(head, rows.collect())
}
