//! MELD: three CSV files, and feature pickles keyed `<dialogue>_<utterance>`.

use super::{
    dicts,
    media::{self, Naming},
};
use crate::{
    Code, CorpusError, CorpusKind, Polarity, Split, Utterance,
    draft::Draft,
    finding::Findings,
    folder::{Folder, Table, at},
};
use std::path::PathBuf;
use unimse_labels::MeldEmotion;

/// Columns that every row needs.
pub(super) const COLUMNS: [&str; 5] = [
    "Utterance",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
];

pub(super) fn read(
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = Draft::new(CorpusKind::Meld, &folder.name);
    let tables = folder.tables(findings)?;
    for split in Split::ALL {
        if let Some(table) = table_of(split, &tables, folder, findings) {
            draft.add_source(&table.path, &table.file);
            read_split(split, table, &mut draft, findings);
        }
    }
    dicts::join(folder, features, &mut draft, key, findings);
    if features.is_empty() {
        media::join(folder, &mut draft, &NAMING, findings);
    }
    Ok(draft)
}

/// Files `dia<d>_utt<u>` or `<d>_<u>`, in folders that name the split. Two clips of the release cannot be decoded.
const NAMING: Naming = Naming {
    key_of: |_, stem| key_of_stem(stem),
    key,
    by_split: true,
    known_bad: &["dev_dia110_utt7", "train_dia125_utt3"],
};

fn key_of_stem(stem: &str) -> Option<String> {
    let (dialogue, utterance) = stem.split_once('_')?;
    let number = |part: &str, prefix: &str| {
        let digits = part.strip_prefix(prefix).unwrap_or(part);
        digits.parse::<u32>().ok()
    };
    Some(format!(
        "{}_{}",
        number(dialogue, "dia")?,
        number(utterance, "utt")?
    ))
}

/// `<dialogue>_<utterance>`, the numbers of `<split>_dia<dialogue>_utt<utterance>`.
fn key(utterance: &Utterance) -> String {
    let dialogue = utterance
        .dialogue_id
        .rsplit_once("dia")
        .map_or("", |(_, number)| number);
    format!("{dialogue}_{}", utterance.turn)
}

/// Name of the table of a split in the release.
pub(super) fn table_name(split: Split) -> String {
    format!("{split}_sent_emo.csv")
}

/// The table of a split: `<split>_sent_emo.csv`, else the one with these columns and the split in its name.
fn table_of<'a>(
    split: Split,
    tables: &'a [Table],
    folder: &Folder,
    findings: &mut Findings,
) -> Option<&'a Table> {
    let official = table_name(split);
    if let Some(table) = tables.iter().find(|table| table.short_name() == official) {
        return Some(table);
    }
    let named = |table: &&Table| {
        let name = table.short_name().to_lowercase();
        name.split(|c: char| !c.is_ascii_alphabetic())
            .any(|word| word.parse() == Ok(split))
    };
    let found: Vec<&Table> = tables
        .iter()
        .filter(|table| table.matches(&COLUMNS) >= 3)
        .filter(named)
        .collect();
    match found[..] {
        [table] => Some(table),
        [] => {
            let names: Vec<_> = tables.iter().map(|table| table.short_name()).collect();
            let names = if names.is_empty() {
                "no CSV".to_owned()
            } else {
                names.join(", ")
            };
            findings.error(
                Code::MissingSplit,
                &folder.name,
                None,
                format!("expected {official}, found {names}"),
            );
            None
        }
        _ => {
            let names: Vec<_> = found.iter().map(|table| table.short_name()).collect();
            let message = format!("expected one table for {split}, found {}", names.join(", "));
            findings.add(Code::AmbiguousLabels, &folder.name, None, message);
            None
        }
    }
}

fn read_split(split: Split, table: &Table, draft: &mut Draft, findings: &mut Findings) {
    let Some(places) = Places::find(table, findings) else {
        return;
    };
    for (line, row) in &table.rows {
        let mut row = Row {
            table,
            line: *line,
            cells: row,
            findings,
        };
        let utterance = places.utterance(split, &draft.name, &mut row);
        if let Some(utterance) = utterance {
            draft.push(utterance, &table.file, *line);
        }
    }
}

/// Where the columns are.
struct Places {
    text: usize,
    emotion: usize,
    sentiment: usize,
    dialogue: usize,
    utterance: usize,
    speaker: Option<usize>,
    times: [Option<usize>; 2],
}

/// A row that is being read.
struct Row<'a> {
    table: &'a Table,
    line: u64,
    cells: &'a csv::StringRecord,
    findings: &'a mut Findings,
}

impl Row<'_> {
    fn report(&mut self, code: Code, message: String) {
        let row = at(self.line);
        self.findings.add(code, &self.table.file, row, message);
    }

    /// A number of a dialogue or utterance.
    fn number(&mut self, column: usize, name: &str) -> Option<i32> {
        let cell = &self.cells[column];
        let value = cell.trim().parse::<i32>().ok().filter(|&n| n >= 0);
        if value.is_none() {
            let message = format!("column {name}: expected a number, found {cell:?}");
            self.report(Code::EmptyId, message);
        }
        value
    }
}

impl Places {
    fn find(table: &Table, findings: &mut Findings) -> Option<Self> {
        let [text, emotion, sentiment, dialogue, utterance] = table.require(COLUMNS, findings)?;
        Some(Self {
            text,
            emotion,
            sentiment,
            dialogue,
            utterance,
            speaker: table.find(&["Speaker"]),
            times: [table.find(&["StartTime"]), table.find(&["EndTime"])],
        })
    }

    /// The utterance of a row; `None` where a field is not what it must be, which is reported.
    fn utterance(&self, split: Split, corpus: &str, row: &mut Row<'_>) -> Option<Utterance> {
        let dialogue = row.number(self.dialogue, "Dialogue_ID");
        let turn = row.number(self.utterance, "Utterance_ID");
        let (dialogue, turn) = dialogue.zip(turn)?;
        let (emotion, polarity) = self.labels(row)?;
        let cells = row.cells;
        let times = self.times.map(|column| column.map(|c| cells[c].trim()));
        let [start_s, end_s] = interval(times, &row.table.file, row.line, row.findings);
        let speaker = self.speaker.map(|column| cells[column].trim());
        let dialogue_id = format!("{split}_dia{dialogue}");
        Some(Utterance {
            corpus: corpus.to_owned(),
            split,
            utterance_id: format!("{dialogue_id}_utt{turn}"),
            dialogue_id,
            turn,
            speaker: speaker.filter(|name| !name.is_empty()).map(str::to_owned),
            text: cells[self.text].to_owned(),
            start_s,
            end_s,
            score: None,
            polarity: Some(polarity),
            emotion: Some(emotion.name().to_owned()),
            emotion_raw: Some(cells[self.emotion].trim().to_owned()),
            audio: None,
            video: None,
            vad: None,
            intensities: None,
        })
    }

    fn labels(&self, row: &mut Row<'_>) -> Option<(MeldEmotion, Polarity)> {
        let word = |column: usize| row.cells[column].trim().to_lowercase();
        let emotion = word(self.emotion).parse::<MeldEmotion>();
        let polarity = word(self.sentiment).parse::<Polarity>();
        if let Err(error) = &emotion {
            row.report(Code::UnknownEmotion, format!("column Emotion: {error}"));
        }
        if let Err(error) = &polarity {
            row.report(Code::UnknownSentiment, format!("column Sentiment: {error}"));
        }
        emotion.ok().zip(polarity.ok())
    }
}

/// Start and end in seconds; both null with a warning where they make no interval.
fn interval(
    cells: [Option<&str>; 2],
    file: &str,
    line: u64,
    findings: &mut Findings,
) -> [Option<f64>; 2] {
    let [Some(start), Some(end)] = cells else {
        return [None, None];
    };
    let mut read = |cell: &str| {
        let time = seconds(cell);
        match time {
            None => {
                let message =
                    format!("expected a time H:MM:SS,mmm, found {cell:?}: times are null");
                findings.warn(Code::TimeFormat, file, at(line), message);
            }
            Some((_, short)) if short => {
                findings.add(
                    Code::TimeFraction,
                    file,
                    at(line),
                    format!("short fraction in {cell:?}: padded with zeros"),
                );
            }
            Some(_) => {}
        }
        time.map(|(value, _)| value)
    };
    match (read(start), read(end)) {
        (Some(start), Some(end)) if start < end => [Some(start), Some(end)],
        (Some(_), Some(_)) => {
            findings.warn(
                Code::TimeOrder,
                file,
                at(line),
                "the end is not after the start: times are null",
            );
            [None, None]
        }
        _ => [None, None],
    }
}

/// `H:MM:SS,mmm` in seconds, and whether the fraction has fewer than three digits.
fn seconds(cell: &str) -> Option<(f64, bool)> {
    let (clock, fraction) = cell.split_once([',', '.']).unwrap_or((cell, "000"));
    let whole = |part: &str| {
        part.parse::<u32>()
            .ok()
            .filter(|_| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let parts: Vec<u32> = clock.split(':').map(whole).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    if minutes > 59 || seconds > 59 || fraction.len() > 3 || fraction.is_empty() {
        return None;
    }
    let milliseconds = whole(fraction)? * 10_u32.pow(3 - u32::try_from(fraction.len()).ok()?);
    let total = (f64::from(hours) * 60.0 + f64::from(minutes)) * 60.0 + f64::from(seconds);
    Some((total + f64::from(milliseconds) / 1000.0, fraction.len() < 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_media_files() {
        assert_eq!(key_of_stem("dia12_utt3").as_deref(), Some("12_3"));
        assert_eq!(key_of_stem("12_3").as_deref(), Some("12_3"));
        assert_eq!(key_of_stem("dia12"), None);
        assert_eq!(key_of_stem("final_videos"), None);
    }

    #[test]
    fn times() {
        let check = |cell: &str, expected: Option<(f64, bool)>| {
            assert_eq!(seconds(cell), expected, "{cell}")
        };
        check("00:16:16,059", Some((16.0 * 60.0 + 16.0 + 0.059, false)));
        check("1:02:03.500", Some((3600.0 + 2.0 * 60.0 + 3.5, false)));
        check("0:00:01,5", Some((1.5, true)));
        check("0:00:01", Some((1.0, false)));
        for broken in [
            "",
            "00:61:00,000",
            "16:16,059",
            "a:b:c",
            "0:00:01,",
            "0:00:01,1234",
            "-1:00:00,000",
            "0:0:+1,000",
        ] {
            check(broken, None);
        }
    }
}
