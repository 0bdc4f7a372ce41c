//! The table form: one CSV for all utterances, as it circulates beside feature pickles.

use super::{Annotation, CODES, dialogue_of, vad};
use crate::{
    Code, CorpusError,
    finding::Findings,
    folder::{Folder, Table, at},
};

/// Columns of the table form.
pub(super) const COLUMNS: [&str; 3] = ["vid_cid|utterance_id", "label|emotion", "text"];

/// The table with these columns, where there is one; `other` says that the labels come from elsewhere.
pub(super) fn find(
    folder: &Folder,
    other: bool,
    findings: &mut Findings,
) -> Result<Option<Table>, CorpusError> {
    let mut tables = folder.tables(findings)?;
    tables.retain(|table| table.short_name() != "splits.csv");
    let best = tables
        .iter()
        .map(|table| table.matches(&COLUMNS))
        .max()
        .unwrap_or(0);
    tables.retain(|table| table.matches(&COLUMNS) == best);
    if best < 2 {
        return Ok(None);
    }
    if other {
        for table in &tables {
            let message = "the release tree gives the labels: this table is not used";
            findings.info(Code::UnusedFile, &table.file, None, message);
        }
        return Ok(None);
    }
    if tables.len() > 1 {
        let names: Vec<_> = tables.iter().map(|table| table.file.as_str()).collect();
        let message = format!("expected one label CSV, found {}", names.join(", "));
        findings.add(Code::AmbiguousLabels, &folder.name, None, message);
        return Ok(None);
    }
    Ok(tables.pop())
}

/// `vid_cid, label, text`, optionally `VAD` and `vid`; a dialogue's rows are in order.
pub(super) fn read(table: &Table, findings: &mut Findings) -> Vec<Annotation> {
    let Some([id, label, text]) = table.require(COLUMNS, findings) else {
        return Vec::new();
    };
    let (ratings, dialogue) = (table.find(&["VAD"]), table.find(&["vid", "dialogue_id"]));
    let mut annotations = Vec::new();
    for (line, row) in &table.rows {
        let id = row[id].trim().replace("$_$", "_");
        if id.is_empty() {
            let message = "expected an utterance id, found an empty one";
            findings.add(Code::EmptyId, &table.file, at(*line), message);
            continue;
        }
        let raw = row[label].trim();
        let Some(code) = code_of(raw) else {
            let message = format!(
                "utterance {id}: unknown emotion {raw:?}, expected a release code ({}) or a name such as joy, sadness, neutral, anger, excited, frustrated",
                CODES.join(", ")
            );
            findings.add(Code::UnknownEmotion, &table.file, at(*line), message);
            continue;
        };
        let named = dialogue
            .map(|column| row[column].trim())
            .filter(|name| !name.is_empty());
        annotations.push(Annotation {
            dialogue: named.unwrap_or_else(|| dialogue_of(&id)).to_owned(),
            id,
            text: Some(row[text].to_owned()),
            interval: None,
            code,
            raw: raw.to_owned(),
            vad: vad(
                ratings.map(|column| &row[column]),
                &table.file,
                *line,
                findings,
            ),
            file: table.file.clone(),
            line: *line,
        });
    }
    annotations
}

/// The release code of an emotion as tables in circulation write it.
fn code_of(label: &str) -> Option<&'static str> {
    let label = label.to_lowercase();
    if let Some(&code) = CODES.iter().find(|&&code| code == label) {
        return Some(code);
    }
    Some(match label.as_str() {
        "joy" | "happy" | "happiness" => "hap",
        "sadness" => "sad",
        "neutral" => "neu",
        "anger" | "angry" => "ang",
        "excited" | "excitement" => "exc",
        "frustrated" | "frustration" => "fru",
        "surprise" | "surprised" => "sur",
        "fear" | "fearful" => "fea",
        "disgust" | "disgusted" => "dis",
        "other" => "oth",
        "unknown" | "undefined" => "xxx",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emotions_of_tables() {
        assert_eq!(code_of("Frustrated"), Some("fru"));
        assert_eq!(code_of("hap"), Some("hap"));
        assert_eq!(code_of("joyy"), None);
    }
}
