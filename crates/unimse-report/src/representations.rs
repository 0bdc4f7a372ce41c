//! Utterances before and after fusion as points, and whether text finds its own audio and video.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::html;
use unimse_run::{Plane, Representations, RepresentedRow};

use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::svg::{self, Cloud, Look, Points};
use crate::{alignment, metric};

/// The section, where the run recorded any of it.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let points = run
        .seeds
        .iter()
        .filter_map(|seed| seed.representations.as_ref());
    let points: Vec<&Representations> = points.filter(|r| r.rows.iter().any(is_test)).collect();
    let aligned = alignment::recorded(run);
    if points.is_empty() && !aligned {
        return;
    }
    doc.heading(2, "Before and after fusion");
    match points.as_slice() {
        [] => {}
        [one] if !run.aggregate => planes(doc, one),
        _ => doc.paragraph(
            "The points of the utterances are of one model: they stand in the report of each seed.",
        ),
    }
    if aligned {
        alignment::section(doc, run);
    }
}

fn is_test(row: &RepresentedRow) -> bool {
    row.split == "test"
}

fn planes(doc: &mut Document, found: &Representations) {
    let [first, last] = [found.before.layer, found.after.layer];
    doc.paragraph(format!(
        "Each point is a test utterance: the mean state of its own tokens, {} numbers, as the first fused layer ({first}) reads it and as the last one ({last}) gives \
         it. A picture shows the two directions in which the drawn dev and test utterances differ most (principal components), each to its own axes. \
         It shows how the points spread there, and nothing of the other directions: the axes say how much of the variance they hold, and classes that overlap here may be apart. \
         Between left and right lie the whole encoder layers {first} to {last}, not their fusion alone.",
        found.dim
    ));
    if found.rows.iter().any(|row| row.near_before.is_some()) {
        doc.paragraph(
            "Below them the same points by t-SNE (perplexity 30, started from the components): what lies near in all dimensions lies near there; how large a group is, and \
             how far from another, says nothing.",
        );
    }
    let rows: Vec<&RepresentedRow> = found.rows.iter().filter(|row| is_test(row)).collect();
    let corpora = names(rows.iter().map(|row| row.corpus.as_str()));
    if corpora.len() > 1 {
        let caption = "Test utterances of all corpora, by corpus";
        figure(doc, found, caption, &rows, |row| Some(&row.corpus));
    }
    for corpus in &corpora {
        let own = rows.iter().filter(|row| row.corpus == *corpus);
        let own: Vec<&RepresentedRow> = own.copied().collect();
        let caption = format!("Test utterances of {corpus}, by gold emotion or polarity");
        figure(doc, found, &caption, &own, |row| row.class.as_ref());
    }
    separation(doc, found);
}

/// Each name once, the most frequent first; of one frequency in the order of the alphabet.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut counts = BTreeMap::<&str, usize>::new();
    all.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| Reverse(*count));
    names.into_iter().map(|(name, _)| name).collect()
}

/// Names with a colour of their own; all others share the last one.
const OWN_COLOUR: usize = 5;

/// The rows before and after fusion, in the colours of their names.
fn figure<'a>(
    doc: &mut Document,
    found: &Representations,
    caption: &str,
    rows: &[&'a RepresentedRow],
    name: impl Fn(&'a RepresentedRow) -> Option<&'a String>,
) {
    let names = names(rows.iter().filter_map(|row| name(row)).map(String::as_str));
    let colour = |row| {
        let place = names
            .iter()
            .position(|known| name(row).is_some_and(|n| n == known))?;
        Some(place.min(OWN_COLOUR))
    };
    let used = names.len().min(OWN_COLOUR + 1);
    let title = |colour: usize| match names.get(colour) {
        Some(name) if colour < OWN_COLOUR || names.len() == used => *name,
        _ => "others",
    };
    let clouds = |place: &dyn Fn(&RepresentedRow) -> [f32; 2]| -> Vec<Cloud> {
        let cloud = |wanted| Cloud {
            name: title(wanted).to_owned(),
            colour: wanted,
            points: {
                let own = rows.iter().filter(|row| colour(row) == Some(wanted));
                own.map(|row| place(row)).collect()
            },
        };
        (0..used).map(cloud).collect()
    };
    let pictures = [
        (
            "Before fusion, components",
            axes(&found.before),
            clouds(&|row| row.before),
        ),
        (
            "After fusion, components",
            axes(&found.after),
            clouds(&|row| row.after),
        ),
        (NEAR[0], near_axes(), clouds(&|row| near(row.near_before))),
        (NEAR[1], near_axes(), clouds(&|row| near(row.near_after))),
    ];
    let key = pictures[0].2.iter().map(|cloud| {
        let name = format!("{} ({})", cloud.name, cloud.points.len());
        (name, cloud.colour)
    });
    let key: Vec<(String, usize)> = key.collect();
    let key = svg::key((key.iter()).map(|(name, colour)| (name.as_str(), *colour, Look::Dot)));
    let drawn = pictures.iter().filter_map(|(title, [x, y], clouds)| {
        let points = Points {
            title,
            x,
            y,
            clouds,
        };
        svg::points(&points)
    });
    if let Some(panels) = svg::panels(drawn.collect()) {
        let [before, after] = [&found.before, &found.after].map(|p| shares(p).join(" and "));
        let caption = format!(
            "{caption}. The axes hold {before} of the variance before fusion, {after} after it."
        );
        doc.figure(caption, html! { (key) (panels) }, None);
    }
}

/// Titles of the pictures of neighbours.
const NEAR: [&str; 2] = ["Before fusion, t-SNE", "After fusion, t-SNE"];

/// A place among neighbours; a run of an older version has none, and nothing is drawn.
fn near(place: Option<[f32; 2]>) -> [f32; 2] {
    place.unwrap_or([f32::NAN; 2])
}

fn near_axes() -> [String; 2] {
    ["without unit".to_owned(), String::new()]
}

fn axes(plane: &Plane) -> [String; 2] {
    let [x, y] = shares(plane);
    [
        format!("first component, {x} of the variance"),
        format!("second component, {y} of the variance"),
    ]
}

fn shares(plane: &Plane) -> [String; 2] {
    plane
        .variance
        .map(|share| format!("{} %", metric::number(100.0 * share, 1)))
}

fn separation(doc: &mut Document, found: &Representations) {
    let rows = found.separation.iter().map(|s| {
        vec![
            Line::from(s.corpus.as_str()),
            s.split.as_str().into(),
            s.n.to_string().into(),
            metric::number(s.before, 3).into(),
            metric::number(s.after, 3).into(),
        ]
    });
    doc.table(
        "How far gold classes lie apart in all dimensions: mean silhouette by Euclidean distance, from -1 to 1; 0 where they overlap. Emotions, or polarities in a \
         sentiment corpus.",
        vec![words("Corpus"), words("Split"), numbers("Rows"), numbers("Before fusion"), numbers("After fusion")],
        rows.collect(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_names_come_first() {
        let all = ["joy", "neutral", "anger", "neutral"];
        assert_eq!(names(all.into_iter()), ["neutral", "anger", "joy"]);
    }
}
