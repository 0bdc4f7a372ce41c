//! What an adapter or the doctor has to say about a data folder.

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

/// One observation about a data folder, with a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the kind of finding, e.g. `SPLIT_MISMATCH`; docs/datasets.md lists them.
    pub code: &'static str,
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
    /// What to do about a finding of this code.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        advice(self.code)
    }
}

/// One sentence for each code.
fn advice(code: &str) -> &'static str {
    match code {
        "NO_CORPUS" => "point at the folder above mosi, mosei, meld, iemocap",
        "NO_LABELS" => "put the label file of the release into the folder",
        "MISSING_SPLIT" => "add the missing split",
        "MISSING_COLUMN" | "EMPTY_CSV" => "compare the header with the columns in docs/datasets.md",
        "CSV" | "CSV_FIELDS" | "JSON" => "repair the line, a quote is often missing before it",
        "NO_ACCESS" => {
            "give yourself the permission, restore the link, or move it out of the data folder"
        }
        "NOT_A_FILE" => "put a regular file there, or remove it",
        "LINK_LOOP" => "nothing, or remove the link",
        "TOO_DEEP" => "move the folder up, if it holds data",
        "FOLDER_NAME" => "rename the folder",
        "UNKNOWN_COLUMN" => "rename the column as docs/datasets.md has it, or remove it",
        "DUPLICATE_COLUMN" => "keep one of the columns",
        "TWO_LABELS" => "drop the column that is not the corpus' label, if that is not meant",
        "EMOTION_SIGN" => "look at the labels of these utterances",
        "AMBIGUOUS_LABELS" => "keep one label file in the folder",
        "AMBIGUOUS_FEATURES" => "choose one with --features CORPUS=FILE",
        "EMPTY_ID" | "SPLIT" | "TURN" | "TIME_FORMAT" | "LABEL_RANGE" | "UNKNOWN_EMOTION"
        | "UNKNOWN_SENTIMENT" | "TAXONOMY" | "POLARITY_SIGN" | "RATING_FORMAT" => {
            "correct the field in the file"
        }
        "DUPLICATE_ID" => "keep one of them",
        "UNREADABLE" => "fetch or export the file again; nothing in it was executed",
        "LAYOUT" | "FIELD" => "compare with the layouts in docs/datasets.md",
        "FEATURE_CARD" => "compare with features.toml in docs/datasets.md",
        "DIMENSION" => "extract the features of all splits with the same settings",
        "SPLIT_MISMATCH" => {
            "use features of this split; those learned on other videos must not be reported on it"
        }
        "SPLIT_MANIFEST" | "COUNTS" => {
            "say so beside the numbers: they are not the published split's"
        }
        "SPLIT_OVERLAP" | "SPEAKER_OVERLAP" => {
            "say so beside the numbers: test is not unseen in this respect"
        }
        "UNMATCHED_ID" => "check that labels and features are of the same release",
        "LABEL_MISMATCH" | "ANNOTATION_SIGN" | "TEXT_MISMATCH" => {
            "check which release the file is from"
        }
        "SEGMENT_MISMATCH" | "SEGMENT_DOUBT" => "use features with clip ids for these utterances",
        "NO_SEGMENTS" => "put the *_Labels.csd of the release beside the sequences",
        "NON_FINITE" | "ZERO_STREAM" | "CONSTANT_STREAM" => {
            "look at the extraction of these utterances"
        }
        "LENGTH" | "RESIDUE" => "check the lengths in the pickle against its arrays",
        "KNOWN_BAD_MEDIA" => "nothing: every copy of the release has it",
        "EMPTY_MEDIA" => "extract the audio of this utterance again",
        "TIME_ORDER" | "TIME_FRACTION" | "ENCODING" | "VAD_FORMAT" | "VAD_RANGE" => {
            "nothing, if it is few"
        }
        "NO_SPLIT" => "give a splits.csv (utterance_id, split)",
        "NO_TEXT" | "EMPTY_TEXT" => "add the transcript",
        "NOT_IN_SPLIT" => "nothing: the published split leaves them out",
        "UNUSED_FILE" => "remove it, or choose it with --features",
        "MISSING_MODALITY" | "NO_MODALITY" => "add features, or train without the modality",
        _ => "nothing: this is how it is read",
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
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
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

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add(Severity::Error, code, file, row, message);
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, file, row, message);
    }

    pub(crate) fn info(
        &mut self,
        code: &'static str,
        file: &str,
        row: Option<String>,
        message: impl Into<String>,
    ) {
        self.add(Severity::Info, code, file, row, message);
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
        findings.error("MISSING_COLUMN", "a.csv", row, "found Emo\ntion\u{1b}[2J");
        assert_eq!(
            findings.notes(),
            [r"a.csv, dia\r0: found Emo\ntion\u{1b}[2J [MISSING_COLUMN]"]
        );
    }
}
