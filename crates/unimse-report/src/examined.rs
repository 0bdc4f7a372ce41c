//! Findings about a data folder as one HTML page in the design of reports.

use crate::doc::{Document, Line, numbers, words};
use crate::{clean, html};

/// One finding. Whatever a file wrote into it is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its stable name, such as `MISSING_SPLIT`.
    pub code: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// File or folder, relative to the data folder.
    pub file: String,
    /// Lines, keys or utterances concerned; empty where the whole file is.
    pub rows: Vec<String>,
    /// What was expected and what was found.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

/// One thing to do about findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToDo {
    /// File or folder that it is for.
    pub file: String,
    /// What to put where.
    pub what: String,
    /// Commands, of which one is enough.
    pub commands: Vec<String>,
}

/// Rows that a finding names on the page; the rest is counted.
const SHOWN: usize = 5;

/// The page of the findings about `data`. Findings are listed in the order given, by severity. The same findings give the same bytes.
#[must_use]
pub fn examined_page(data: &str, findings: &[Examined], to_do: &[ToDo]) -> String {
    let of = |severity: &str| -> Vec<&Examined> {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .collect()
    };
    let (errors, warnings, remarks) = (of("error"), of("warning"), of("info"));
    let mut doc = Document::new("UniMSE: a data folder examined", data);
    doc.footer = "One file that asks for nothing outside itself.";
    let verdict = match errors.len() {
        0 => "Ingest takes this folder.".to_owned(),
        n => format!("Ingest refuses this folder: errors: {n}."),
    };
    doc.paragraph(Line::default().strong(verdict).text(format!(
        " {} errors, {} warnings, {} remarks.",
        errors.len(),
        warnings.len(),
        remarks.len()
    )));
    table(&mut doc, "Errors", "What ingest stops at.", &errors);
    table(
        &mut doc,
        "Warnings",
        "What ingest keeps as a note in the tables.",
        &warnings,
    );
    if !to_do.is_empty() {
        doc.heading(2, "What to do");
    }
    for hint in to_do {
        doc.paragraph(
            Line::default()
                .code(&hint.file)
                .text(format!(": {}", hint.what)),
        );
        if !hint.commands.is_empty() {
            doc.verbatim("Commands", hint.commands.join("\n"));
        }
    }
    table(&mut doc, "Remarks", "What is worth knowing.", &remarks);
    clean(&html::render(&doc))
}

/// A section of findings of one severity; none without findings.
fn table(doc: &mut Document, title: &str, caption: &str, findings: &[&Examined]) {
    if findings.is_empty() {
        return;
    }
    let row = |finding: &&Examined| -> Vec<Line> {
        let shown = &finding.rows[..finding.rows.len().min(SHOWN)];
        let mut what = finding.message.clone();
        if !shown.is_empty() {
            what.push_str(&format!(": {}", shown.join(", ")));
        }
        if finding.rows.len() > SHOWN {
            what.push_str(&format!(" and {} more", finding.rows.len() - SHOWN));
        }
        vec![
            Line::default().code(&finding.code),
            Line::default().code(&finding.file),
            match finding.rows.len() {
                0 => "—".into(),
                n => n.to_string().into(),
            },
            what.into(),
            finding.advice.as_str().into(),
        ]
    };
    doc.heading(2, title);
    let head = vec![
        words("Code"),
        words("File"),
        numbers("Rows"),
        words("What"),
        words("What to do"),
    ];
    doc.table(caption, head, findings.iter().map(row).collect());
}
