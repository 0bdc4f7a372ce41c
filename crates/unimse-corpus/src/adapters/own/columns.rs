//! The columns of a table of the user's own: which are known, and what an unknown one was meant to be.

use crate::{
    Code,
    finding::{Findings, Severity},
    folder::Table,
};

/// Columns that are read.
pub(super) const KNOWN: [&str; 15] = [
    "utterance_id",
    "split",
    "text",
    "score",
    "emotion",
    "taxonomy",
    "dialogue_id",
    "turn",
    "speaker",
    "start_s",
    "end_s",
    "polarity",
    "clip",
    "audio",
    "video",
];
/// Further columns of the tables that ingest writes.
const WRITTEN: [&str; 4] = ["corpus", "emotion_raw", "vad", "intensities"];

/// Tells of known columns that are there twice and of unknown ones. `lacking` gives the rows that have this unknown column but not the
/// known one that it was probably meant to be: those would lose what they say.
pub(super) fn check(
    table: &Table,
    lacking: impl Fn(&str, &str) -> Vec<Option<String>>,
    findings: &mut Findings,
) {
    for name in KNOWN {
        table.check_once(name, findings);
    }
    for column in table.header() {
        let known = |names: &[&str]| names.iter().any(|name| column.eq_ignore_ascii_case(name));
        if known(&KNOWN) {
            continue;
        }
        let (code, file) = (Code::UnknownColumn, &table.file);
        if column.is_empty() || known(&WRITTEN) {
            let message = format!("column {column:?}: not used");
            findings.info(code, file, None, message);
            continue;
        }
        let meant = nearest(column);
        let rows = meant.map_or(Vec::new(), |meant| lacking(column, meant));
        let (Some(meant), false) = (meant, rows.is_empty()) else {
            let message = format!("column {column:?}: not known, not used");
            findings.warn(code, file, None, message);
            continue;
        };
        let message =
            format!("column {column:?}: not known, did you mean {meant}? Rename it, or remove it");
        for row in rows {
            findings.add_as(Severity::Error, code, file, row, message.clone());
        }
    }
}

/// The known column that a name was probably meant to be.
fn nearest(column: &str) -> Option<&'static str> {
    let letters = |name: &str| -> Vec<char> {
        let kept = name.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    let found = letters(column);
    let distances = KNOWN.map(|name| (distance(&letters(name), &found), name));
    let (distance, name) = distances.into_iter().min()?;
    // a short name is soon like another
    let most = if name.len() < 7 { 1 } else { 2 };
    (distance <= most).then_some(name)
}

/// Characters to insert, remove, replace or swap with their neighbour to get from one name to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let other = usize::from(a[i - 1] != b[j - 1]);
                    let mut least = (rows[i - 1][j] + 1)
                        .min(rows[i][j - 1] + 1)
                        .min(rows[i - 1][j - 1] + other);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_meant() {
        for (found, meant) in [
            ("emotoin", Some("emotion")),
            ("Emotions", Some("emotion")),
            ("scroe", Some("score")),
            ("utteranceId", Some("utterance_id")),
            ("dialog_id", Some("dialogue_id")),
            ("txt", Some("text")),
            ("start", Some("start_s")),
            ("video_id", None),
            ("annotator", None),
            ("id", None),
            ("source", None),
        ] {
            assert_eq!(nearest(found), meant, "{found}");
        }
    }
}
