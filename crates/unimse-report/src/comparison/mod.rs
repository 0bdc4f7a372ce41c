//! Runs beside a reference, as Markdown and as one page like that of a report.

mod names;
mod results;
mod settings;
mod training;

use std::path::PathBuf;

use unimse_run::{ComparedRun, Comparison};

use crate::doc::{Document, Line, numbers, words};
use crate::{ReportError, clean, html, markdown};

/// A comparison for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonPage {
    /// As Markdown.
    pub markdown: String,
    /// One HTML file that needs no other.
    pub html: String,
}

/// The page of a comparison of `runs`, the folders in the order in which they were compared: their learning curves are read from
/// `events.jsonl`, of a run that has none nothing is drawn. The same comparison and folders give the same bytes.
///
/// # Errors
/// A folder that cannot be listed, an `events.jsonl` that cannot be read.
pub fn comparison(
    comparison: &Comparison,
    runs: &[PathBuf],
) -> Result<ComparisonPage, ReportError> {
    let compared = Compared::new(comparison);
    let trainings = training::read(runs, &compared.names)?;
    let others = comparison.runs.len().saturating_sub(1);
    let reference = compared.names.first().map_or("", String::as_str);
    let subtitle = match others {
        0 => format!("{reference} alone"),
        1 => format!("{reference} and one beside it"),
        n => format!("{reference} and {n} beside it"),
    };
    let mut doc = Document::new("UniMSE: runs compared", subtitle);
    doc.footer = "One file that asks for nothing outside itself.";
    notices(&mut doc, &compared);
    doc.heading(2, "Runs");
    described(&mut doc, &compared);
    results::section(&mut doc, &compared);
    settings::rows(&mut doc, &compared);
    settings::section(&mut doc, &compared);
    training::section(&mut doc, &trainings);
    Ok(ComparisonPage {
        markdown: clean(&markdown::render(&doc)),
        html: clean(&html::render(&doc)),
    })
}

/// A comparison with a short name for each of its runs.
struct Compared<'a> {
    comparison: &'a Comparison,
    names: Vec<String>,
}

impl<'a> Compared<'a> {
    fn new(comparison: &'a Comparison) -> Self {
        Self {
            names: names::of(&comparison.runs),
            comparison,
        }
    }

    /// Runs and ways to read the reference, with their names.
    fn runs(&self) -> impl Iterator<Item = (&str, &'a ComparedRun)> {
        self.names
            .iter()
            .map(String::as_str)
            .zip(&self.comparison.runs)
    }

    /// The runs alone.
    fn given(&self) -> impl Iterator<Item = (&str, &'a ComparedRun)> {
        self.runs().filter(|(_, run)| run.readout.is_none())
    }
}

/// What must not be overlooked, with the runs that it is said of.
fn notices(doc: &mut Document, compared: &Compared<'_>) {
    let named = |is: fn(&ComparedRun) -> bool| {
        let all = compared.given().filter(|(_, run)| is(run));
        let names: Vec<&str> = all.map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let openings = |run: &ComparedRun| run.test_openings > run.seeds.len();
    let all = [
        (
            named(|run| run.synthetic),
            "Synthetic data.",
            "A generator made corpora of these runs; the numbers say nothing about how people speak:",
        ),
        (
            named(|run| run.leaky),
            "Leaky.",
            "Rows of the test splits donated labels to training, so test scores are optimistic:",
        ),
        (
            named(openings),
            "Test opened more than once by one model.",
            "Later scores may have been chosen with knowledge of earlier ones:",
        ),
    ];
    for (names, title, what) in all {
        if let Some(names) = names {
            doc.notice(
                Line::default()
                    .strong(title)
                    .text(format!(" {what} {names}.")),
            );
        }
    }
}

/// What each run is.
fn described(doc: &mut Document, compared: &Compared<'_>) {
    let listed = |values: &[String]| match values {
        [] => "not recorded".to_owned(),
        values => values.join(", "),
    };
    let rows = compared.given().enumerate().map(|(at, (name, run))| {
        let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
        let role = if at == 0 { ", the reference" } else { "" };
        vec![
            Line::default().strong(name).text(role),
            Line::default().code(&run.run),
            run.preset
                .clone()
                .unwrap_or_else(|| "not recorded".to_owned())
                .into(),
            listed(&seeds).into(),
            listed(&run.trained_on).into(),
            run.test_openings.to_string().into(),
        ]
    });
    let head = vec![
        words("Run"),
        words("Folder"),
        words("Preset"),
        words("Seeds"),
        words("Trained on"),
        numbers("Test opened"),
    ];
    let caption = "What is compared. How often test was opened is a sum over seeds.";
    doc.table(caption, head, rows.collect());
}
