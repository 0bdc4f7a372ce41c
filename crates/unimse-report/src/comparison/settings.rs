//! In what the runs differ beside their numbers: rows, corpora, configuration.

use unimse_run::ComparedRun;

use super::Compared;
use crate::doc::{Column, Document, Line, numbers, words};

/// Ids of rows are named up to this many.
const NAMED: usize = 20;

/// Rows and corpora that are in no number.
pub(super) fn rows(doc: &mut Document, compared: &Compared<'_>) {
    let unshared = compared.given().flat_map(|(name, run)| {
        let corpora = run.corpora.iter().filter(|(_, c)| !c.unshared.is_empty());
        corpora.map(move |(corpus, c)| {
            let named: Vec<&str> = c.unshared.iter().take(NAMED).map(String::as_str).collect();
            let more = match c.unshared.len().saturating_sub(NAMED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            vec![
                corpus.into(),
                name.into(),
                (c.n + c.unshared.len()).to_string().into(),
                c.n.to_string().into(),
                c.unshared.len().to_string().into(),
                Line::default().code(named.join(", ")).text(more),
            ]
        })
    });
    let unshared: Vec<Vec<Line>> = unshared.collect();
    let left_out: Vec<Vec<Line>> = compared.given().flat_map(left_out).collect();
    if unshared.is_empty() && left_out.is_empty() {
        return;
    }
    doc.heading(2, "Left out");
    let head = vec![
        words("Corpus"),
        words("Run"),
        numbers("Test rows"),
        numbers("Shared"),
        numbers("Left out"),
        words("Which"),
    ];
    let caption = "Test rows that another run lacks: they are in no number of this page.";
    doc.table(caption, head, unshared);
    let head = vec![words("Corpus"), words("Run"), words("Why")];
    doc.table("Corpora that are not compared.", head, left_out);
}

fn left_out<'a>((name, run): (&'a str, &'a ComparedRun)) -> impl Iterator<Item = Vec<Line>> {
    let corpora = run.left_out.iter();
    corpora.map(move |(corpus, why)| vec![corpus.into(), name.into(), why.as_str().into()])
}

/// The keys whose values differ.
pub(super) fn section(doc: &mut Document, compared: &Compared<'_>) {
    doc.heading(2, "Configuration");
    let settings = &compared.comparison.settings;
    if settings.is_empty() {
        doc.paragraph("No key of config.toml has different values in these runs.");
        return;
    }
    let head: Vec<Column> = std::iter::once(words("Key"))
        .chain(compared.given().map(|(name, _)| words(name)))
        .collect();
    let rows = settings.iter().map(|setting| {
        let values = setting.values.iter().map(|value| match value {
            Some(value) => Line::default().code(value),
            None => "not known".into(),
        });
        std::iter::once(Line::default().code(&setting.key))
            .chain(values)
            .collect()
    });
    let caption =
        "The keys of config.toml whose values differ. A run of another version may not know a key.";
    doc.table(caption, head, rows.collect());
}
