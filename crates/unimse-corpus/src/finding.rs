//! What an adapter or the doctor has to say about a data folder.

use crate::Code;
use serde::Serialize;
use std::fmt;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Ingest refuses the folder.
    Error,
    /// Ingest goes on and keeps a note in the table.
    Warning,
    /// Worth knowing.
    Info,
}

/// One observation about a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind of finding; docs/datasets.md lists them.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// File or folder, relative to the data folder.
    pub file: String,
    /// Lines (`line 17`), keys or utterance ids concerned; empty when the whole file is.
    pub rows: Vec<String>,
    /// What was expected and what was found.
    pub message: String,
}

impl Finding {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.code.advice()
    }
}

/// Rows named in a one-line rendering.
const SHOWN: usize = 5;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if !self.rows.is_empty() {
            write!(
                f,
                ", {}",
                self.rows[..self.rows.len().min(SHOWN)].join(", ")
            )?;
            if self.rows.len() > SHOWN {
                write!(f, " and {} more", self.rows.len() - SHOWN)?;
            }
        }
        write!(f, ": {} [{}]", self.message, self.code)
    }
}

fn on_one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Distinct messages kept for one code and file; the rest is counted.
const KEPT: usize = 50;

/// Collects findings while an adapter reads, so that one pass serves ingest (first error) and doctor (all of them).
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Adds a finding; one with the same code, file and message only gains the row. What a file wrote into row or message
    /// stays one line of text: its control characters are escaped.
    pub(crate) fn add_as(
        &mut self,
        severity: Severity,
        code: Code,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        let message = on_one_line(message.into());
        let row = row.map(on_one_line);
        let mut alike: Vec<_> = self
            .list
            .iter_mut()
            .filter(|known| known.code == code && known.file == file)
            .collect();
        if let Some(known) = alike.iter_mut().find(|known| known.message == message) {
            known.rows.extend(row);
        } else if alike.len() >= KEPT
            && let Some(last) = alike.pop()
        {
            "more findings of this kind".clone_into(&mut last.message);
            last.rows.extend(row);
        } else {
            self.list.push(Finding {
                code,
                severity,
                file: file.to_owned(),
                rows: row.into_iter().collect(),
                message,
            });
        }
    }

    /// Adds a finding that matters as much as others of its kind.
    pub(crate) fn add(
        &mut self,
        code: Code,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add_as(code.severity(), code, file, row, message);
    }

    pub(crate) fn error(
        &mut self,
        code: Code,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add_as(Severity::Error, code, file, row, message);
    }

    pub(crate) fn warn(
        &mut self,
        code: Code,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add_as(Severity::Warning, code, file, row, message);
    }

    pub(crate) fn info(
        &mut self,
        code: Code,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add_as(Severity::Info, code, file, row, message);
    }

    /// The first error, which is the one ingest reports.
    pub(crate) fn first_error(&self) -> Option<&Finding> {
        self.list
            .iter()
            .find(|finding| finding.severity == Severity::Error)
    }

    /// One line a warning or remark, as the tables keep them.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.list.iter().map(ToString::to_string).collect()
    }

    /// What ingest tells while it goes on.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.list
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// All of them, as they were found.
    pub(crate) fn list(&self) -> &[Finding] {
        &self.list
    }

    pub(crate) fn into_list(self) -> Vec<Finding> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_file_does_not_break_a_finding() {
        let mut findings = Findings::default();
        let row = Some("dia\r0".to_owned());
        findings.add(
            Code::MissingColumn,
            "a.csv",
            row,
            "found Emo\ntion\u{1b}[2J",
        );
        assert_eq!(
            findings.notes(),
            [r"a.csv, dia\r0: found Emo\ntion\u{1b}[2J [MISSING_COLUMN]"]
        );
    }
}
