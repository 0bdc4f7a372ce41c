//! The audit of the universal labels: where values came from, how near their donors are, who lends most, and what a loan is worth.

use maud::html;
use unimse_run::{FieldLabels, SourceCounts};

use crate::agreement;
use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::svg::{self, Histogram, Look, Part, Stack};

/// The section, where labels were recorded.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let recorded = run.results.labels.iter().next().is_some();
    if !recorded && run.results.agreement.is_empty() {
        return;
    }
    doc.heading(2, "Labels");
    coverage(doc, run);
    similarities(doc, run);
    donors(doc, run);
    agreement::section(doc, run);
}

/// The sources of a value with their colours.
const SOURCES: [(&str, usize); 4] = [("gold", 0), ("donor", 1), ("rule", 2), ("missing", 5)];

/// Where the values of each label field came from.
fn coverage(doc: &mut Document, run: &Run) {
    let mut stacks = Vec::new();
    let mut rows = Vec::new();
    for (corpus, fields) in run.results.labels.iter() {
        for (field, counts) in fields.iter().filter(|(_, counts)| counts.total() > 0) {
            let amounts = SOURCES.iter().zip(amounts(counts));
            let part = |(&(name, colour), amount): (&(&str, usize), usize)| Part {
                name: name.to_owned(),
                amount: amount as f64,
                colour,
                shown: amount.to_string(),
            };
            stacks.push(Stack {
                name: format!("{corpus} · {field}"),
                parts: amounts.map(part).collect(),
            });
            let mut row: Vec<Line> = vec![corpus.into(), field.into()];
            let total = counts.total() as f64;
            row.extend(self::amounts(counts).map(|n| {
                let share = metric::number(100.0 * n as f64 / total, 1);
                Line::from(format!("{n} ({share} %)"))
            }));
            rows.push(row);
        }
    }
    let Some(picture) = svg::stacked_bars("Where labels come from", &stacks) else {
        return;
    };
    let mut head = vec![words("Corpus"), words("Field")];
    head.extend(SOURCES.map(|(name, _)| numbers(name)));
    let caption = "Where the values of every universal-label field came from: annotated (gold), borrowed from the most similar utterance of the same polarity \
                   (donor), following from neutral polarity (rule), or masked (missing).";
    let key = svg::key(SOURCES.map(|(name, colour)| (name, colour, Look::Fill)));
    doc.figure(
        caption,
        html! { (key) @if let Some(panels) = svg::panels(vec![picture]) { (panels) } },
        Some(Table::of_figure(head, rows)),
    );
}

fn amounts(counts: &SourceCounts) -> [usize; 4] {
    [counts.gold, counts.donor, counts.rule, counts.missing]
}

/// Every corpus and field that borrowed.
fn borrowed(run: &Run) -> Vec<(String, &FieldLabels)> {
    let corpora = run.labels.iter().flat_map(|labels| &labels.corpora);
    let fields = corpora.flat_map(|c| {
        c.fields
            .iter()
            .map(move |f| (format!("{} · {}", c.corpus, f.field), f))
    });
    fields.filter(|(_, field)| field.donor > 0).collect()
}

/// Cosine similarity of the donors.
fn similarities(doc: &mut Document, run: &Run) {
    let fields = borrowed(run);
    let bins = (fields.iter().map(|(_, field)| field.similarities.len())).max();
    let bins = bins.unwrap_or(0);
    let edge = |bin: usize| 2.0 * bin as f64 / bins as f64 - 1.0;
    let panels = fields.iter().filter_map(|(name, field)| {
        let counts = field.similarities.get(first_filled(&fields)..)?;
        svg::histogram(&Histogram {
            title: name,
            x: "cosine similarity of the donor",
            y: "borrowed values",
            low: edge(bins - counts.len()),
            high: 1.0,
            counts,
            colour: 0,
        })
    });
    let Some(panels) = svg::panels(panels.collect()) else {
        return;
    };
    let shown = |bin: usize| metric::number(edge(bin), 2);
    let counted = |bin: usize| {
        fields
            .iter()
            .map(move |(_, field)| field.similarities.get(bin).copied().unwrap_or(0))
    };
    let rows = (0..bins)
        .filter(|bin| counted(*bin).any(|count| count > 0))
        .map(|bin| {
            let mut row: Vec<Line> = vec![shown(bin).into(), shown(bin + 1).into()];
            row.extend(counted(bin).map(|count| Line::from(count.to_string())));
            row
        });
    let mut head = vec![numbers("From"), numbers("To")];
    head.extend(fields.iter().map(|(name, _)| numbers(name)));
    let caption = "How near the donors are: borrowed values by the cosine similarity of their donor's sentence embedding.";
    doc.figure(
        caption,
        panels,
        Some(Table::of_figure(head, rows.collect())),
    );
}

/// The first bin of similarity that any field has a value in: below it there is nothing to draw.
fn first_filled(fields: &[(String, &FieldLabels)]) -> usize {
    let first = |field: &FieldLabels| field.similarities.iter().position(|count| *count > 0);
    let all = fields.iter().filter_map(|(_, field)| first(field));
    all.min().unwrap_or(0)
}

/// How far few donors lend most.
fn donors(doc: &mut Document, run: &Run) {
    let fields = borrowed(run);
    let mut rows = Vec::new();
    let mut stacks = Vec::new();
    for (name, field) in &fields {
        let times: Vec<usize> = field.most_used.iter().map(|donor| donor.times).collect();
        let most = times.first().copied().unwrap_or(0);
        let next: usize = times.iter().skip(1).sum();
        let rest = field.donor.saturating_sub(most + next);
        let part = |(&(name, colour), amount): (&(&str, usize), usize)| Part {
            name: name.to_owned(),
            amount: amount as f64,
            colour,
            shown: amount.to_string(),
        };
        let parts = LENDERS.iter().zip([most, next, rest]).map(part).collect();
        stacks.push(Stack {
            name: name.clone(),
            parts,
        });
        for donor in &field.most_used {
            rows.push(vec![
                name.as_str().into(),
                Line::default().code(format!("{}/{}", donor.corpus, donor.utterance_id)),
                donor.times.to_string().into(),
                metric::percent(donor.times as f64 / field.donor as f64).into(),
            ]);
        }
    }
    let Some(picture) = svg::stacked_bars("Who lends", &stacks) else {
        return;
    };
    let close: usize = fields.iter().map(|(_, field)| field.close).sum();
    let head = vec![
        words("Field"),
        words("Donor"),
        numbers("Values lent"),
        numbers("Share, %"),
    ];
    let caption = format!(
        "Donors in use: the share of borrowed values that the most used donor lent, the next ones, and all others. Donors that won by rounding alone: {close}."
    );
    let key = svg::key(LENDERS.map(|(name, colour)| (name, colour, Look::Fill)));
    doc.figure(
        caption,
        html! { (key) @if let Some(panels) = svg::panels(vec![picture]) { (panels) } },
        Some(Table::of_figure(head, rows)),
    );
}

/// Donors by how much they lend, with their colours.
const LENDERS: [(&str, usize); 3] = [
    ("most used donor", 1),
    ("next ones of the list", 2),
    ("all others", 5),
];
