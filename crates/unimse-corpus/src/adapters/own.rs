//! A table of the user's own, `utterances.csv`, `.jsonl` or `.parquet`: any corpus can join, and one of the four can lie like this too.
//!
//! Columns (`docs/datasets.md`): `utterance_id, split, text` and `score` or `emotion`; optionally `dialogue_id, turn, speaker, start_s,
//! end_s, polarity`, `taxonomy` (`meld`, `iemocap` or the name in `taxonomy.toml`), `audio` and `video` (paths of `.npy` or `.wav` files,
//! relative to the folder).

use super::{
    media::detail,
    taxonomy::{self, Emotions},
};
use crate::{
    CorpusError, CorpusKind, Polarity, Task, Utterance,
    draft::{Draft, Modality},
    feature::Feature,
    finding::Findings,
    folder::{Folder, Table, at, read_text},
};
use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::DataType,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};
use unimse_labels::{CustomTaxonomy, Split};

/// Names of such a table.
pub(crate) const FILES: [&str; 3] = ["utterances.csv", "utterances.jsonl", "utterances.parquet"];

/// The tables of this kind directly in a corpus folder.
pub(super) fn tables(folder: &Folder) -> Vec<PathBuf> {
    let paths = FILES.map(|name| folder.root().join(name));
    paths.into_iter().filter(|path| path.is_file()).collect()
}

/// Reads the table; `known` is the data set the folder is named after.
pub(super) fn read(
    known: Option<CorpusKind>,
    folder: &Folder,
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let empty = CorpusKind::Own(Task::Sentiment);
    let mut draft = Draft::new(known.unwrap_or(empty), &folder.name);
    let paths = tables(folder);
    let [path] = &paths[..] else {
        let message = format!(
            "expected one of {}, found {}",
            FILES.join(", "),
            paths.len()
        );
        findings.error("AMBIGUOUS_LABELS", &folder.name, None, message);
        return Ok(draft);
    };
    let file = folder.relative(path);
    let table = match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Table::read(path, file, findings)?,
        Some("jsonl") => json_lines(path, file, findings)?,
        _ => parquet(path, file)?,
    };
    draft.add_source(&table.path, &table.file);
    let described = match known {
        None if table.find(&["score"]).is_none() && taxonomy::asked_for(&table) => {
            taxonomy::read(folder, findings)?
        }
        _ => None,
    };
    let Some(places) = Places::find(&table, known, described, findings) else {
        return Ok(draft);
    };
    let emotions = places.emotions.as_ref();
    if known.is_none() {
        let scored = emotions.map(|emotions| Task::Emotion(emotions.scored));
        draft.kind = CorpusKind::Own(scored.unwrap_or(Task::Sentiment));
    }
    draft.taxonomy = emotions.and_then(|emotions| emotions.own.clone());
    taxonomy::tell(folder, emotions, findings);
    if draft.taxonomy.is_some() {
        let path = folder.root().join(taxonomy::FILE);
        draft.add_source(&path, &folder.relative(&path));
    }
    let mut turns = HashMap::new();
    for (line, row) in &table.rows {
        let cell = |column: Option<usize>| {
            column
                .map(|c| row[c].trim())
                .filter(|cell| !cell.is_empty())
        };
        if let Some(utterance) =
            places.utterance(&folder.name, &table.file, *line, row, &mut turns, findings)
        {
            draft.push(utterance, &table.file, *line);
            for (modality, column) in Modality::ALL.into_iter().zip(places.features) {
                let Some(named) = cell(column) else { continue };
                let feature = feature(&folder.root().join(named), modality);
                match (feature, draft.rows.last_mut()) {
                    (Ok(feature), Some(row)) => *row.slot(modality) = feature,
                    (Err(message), _) => {
                        let message = format!("column {}: {named}: {message}", modality.name());
                        findings.error("UNREADABLE", &table.file, at(*line), message);
                    }
                    (Ok(_), None) => {}
                }
            }
        }
    }
    Ok(draft)
}

fn feature(path: &Path, modality: Modality) -> Result<Option<Feature>, String> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let feature = match (ending.as_deref(), modality) {
        (Some("npy"), _) => Feature::npy(path),
        (Some("wav"), Modality::Audio) => Feature::wave(path),
        _ => return Err("expected a .npy file (or .wav for audio)".to_owned()),
    };
    let feature = feature.map_err(|error| detail(&error))?;
    Ok(Some(feature).filter(|feature| feature.steps > 0))
}

/// Where the columns are, and what they say of the corpus.
struct Places {
    /// `None`: the label is a score.
    emotions: Option<Emotions>,
    id: usize,
    split: usize,
    text: usize,
    label: usize,
    dialogue: Option<usize>,
    turn: Option<usize>,
    speaker: Option<usize>,
    times: [Option<usize>; 2],
    polarity: Option<usize>,
    features: [Option<usize>; 2],
}

impl Places {
    fn find(
        table: &Table,
        known: Option<CorpusKind>,
        described: Option<CustomTaxonomy>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let wanted = match known.map(CorpusKind::task) {
            Some(Task::Sentiment) => "score",
            Some(Task::Emotion(_)) => "emotion",
            None => "score|emotion",
        };
        let [id, split, text, label] =
            table.require(["utterance_id", "split", "text", wanted], findings)?;
        let emotions = match known.map(CorpusKind::task) {
            Some(Task::Sentiment) => None,
            Some(Task::Emotion(scored)) => Some(Emotions { scored, own: None }),
            None if table.find(&["score"]).is_some() => None,
            None => Some(Emotions::find(table, described, findings)?),
        };
        Some(Self {
            emotions,
            id,
            split,
            text,
            label,
            dialogue: table.find(&["dialogue_id"]),
            turn: table.find(&["turn"]),
            speaker: table.find(&["speaker"]),
            times: [table.find(&["start_s"]), table.find(&["end_s"])],
            polarity: table.find(&["polarity"]),
            features: [table.find(&["audio"]), table.find(&["video"])],
        })
    }

    fn utterance(
        &self,
        corpus: &str,
        file: &str,
        line: u64,
        row: &csv::StringRecord,
        turns: &mut HashMap<String, i32>,
        findings: &mut Findings,
    ) -> Option<Utterance> {
        let cell = |column: Option<usize>| {
            column
                .map(|c| row[c].trim())
                .filter(|cell| !cell.is_empty())
        };
        let mut wrong = |code, message: String| {
            findings.error(code, file, at(line), message);
            None
        };
        let Some(id) = cell(Some(self.id)) else {
            return wrong(
                "EMPTY_ID",
                "column utterance_id: expected an id, found nothing".to_owned(),
            );
        };
        let split: Split = match row[self.split].trim().to_lowercase().parse() {
            Ok(split) => split,
            Err(error) => return wrong("SPLIT", format!("column split: {error}")),
        };
        let number = |column, name: &str| match cell(column).map(str::parse::<f64>) {
            None => Ok(None),
            Some(Ok(x)) if x.is_finite() => Ok(Some(x)),
            Some(_) => Err(format!(
                "column {name}: expected a number, found {:?}",
                cell(column).unwrap_or("")
            )),
        };
        let times = number(self.times[0], "start_s")
            .and_then(|start| Ok([start, number(self.times[1], "end_s")?]));
        let [start_s, end_s] = match times {
            Ok([Some(start), Some(end)]) if start >= end => {
                return wrong(
                    "TIME_ORDER",
                    format!("expected start_s before end_s, found {start} and {end}"),
                );
            }
            Ok(times) => times,
            Err(message) => return wrong("TIME_FORMAT", message),
        };
        let dialogue_id = cell(self.dialogue).unwrap_or(id).to_owned();
        let next = turns.entry(dialogue_id.clone()).or_default();
        let turn = match cell(self.turn).map(str::parse::<i32>) {
            None => *next,
            Some(Ok(turn)) => turn,
            Some(Err(_)) => {
                return wrong(
                    "TURN",
                    format!(
                        "column turn: expected a whole number, found {:?}",
                        cell(self.turn).unwrap_or("")
                    ),
                );
            }
        };
        *next = turn.saturating_add(1);
        let (score, emotion, implied) = match self.label(&row[self.label]) {
            Ok(label) => label,
            Err((code, message)) => return wrong(code, message),
        };
        let polarity = match cell(self.polarity).map(|word| word.to_lowercase().parse::<Polarity>())
        {
            None => implied,
            Some(Ok(polarity)) => Some(polarity),
            Some(Err(error)) => {
                return wrong("UNKNOWN_SENTIMENT", format!("column polarity: {error}"));
            }
        };
        if let (Some(score), Some(word)) = (score, polarity)
            && word != Polarity::from_score(score)
        {
            return wrong(
                "POLARITY_SIGN",
                format!("column polarity: expected the sign of the score {score}, found {word}"),
            );
        }
        let own = self.emotions.as_ref().is_some_and(|e| e.own.is_some());
        if let (true, Some(class), Some(word)) = (own, implied, polarity)
            && word != class
        {
            return wrong(
                "POLARITY_SIGN",
                format!("column polarity: expected that of the emotion, {class}, found {word}"),
            );
        }
        Some(Utterance {
            corpus: corpus.to_owned(),
            split,
            utterance_id: id.to_owned(),
            dialogue_id,
            turn,
            speaker: cell(self.speaker).map(str::to_owned),
            text: row[self.text].to_owned(),
            start_s,
            end_s,
            score,
            polarity,
            emotion: emotion.map(str::to_owned),
            emotion_raw: cell(self.emotions.as_ref().map(|_| self.label)).map(str::to_owned),
            audio: None,
            video: None,
            vad: None,
            intensities: None,
        })
    }

    /// Score, emotion and the polarity they imply; an empty cell is an utterance without a label.
    #[expect(
        clippy::type_complexity,
        reason = "the two halves of a label and what follows from them, used once"
    )]
    fn label(
        &self,
        cell: &str,
    ) -> Result<(Option<f32>, Option<&'static str>, Option<Polarity>), (&'static str, String)> {
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok((None, None, None));
        }
        if let Some(emotions) = &self.emotions {
            return match emotions.class(cell) {
                Ok((emotion, polarity)) => Ok((None, emotion, polarity)),
                Err(error) => Err(("UNKNOWN_EMOTION", format!("column emotion: {error}"))),
            };
        }
        match cell.parse::<f32>() {
            Ok(score) if (-3.0..=3.0).contains(&score) => {
                Ok((Some(score), None, Some(Polarity::from_score(score))))
            }
            _ => Err((
                "LABEL_RANGE",
                format!("column score: expected a score in [-3, 3], found {cell:?}"),
            )),
        }
    }
}

/// One object a line; a key that some line lacks is an empty cell there.
fn json_lines(path: &Path, file: String, findings: &mut Findings) -> Result<Table, CorpusError> {
    let text = read_text(path, &file, findings)?;
    let mut objects = Vec::new();
    let mut header: Vec<String> = Vec::new();
    for (line, text) in (1..)
        .zip(text.lines())
        .filter(|(_, text)| !text.trim().is_empty())
    {
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
            Ok(object) => {
                for key in object.keys() {
                    if !header.contains(key) {
                        header.push(key.clone());
                    }
                }
                objects.push((line, object));
            }
            Err(error) => {
                let message = format!("expected one JSON object a line, found: {error}");
                findings.error("JSON", &file, at(line), message);
            }
        }
    }
    let cell = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = objects
        .iter()
        .map(|(line, object)| {
            (
                *line,
                header.iter().map(|key| cell(object.get(key))).collect(),
            )
        })
        .collect();
    Ok(Table::new(path, file, header, rows))
}

/// Columns of text and numbers; lists and structs are left out. Rows are counted from 1.
fn parquet(path: &Path, file: String) -> Result<Table, CorpusError> {
    let wrong = CorpusError::table(path);
    let source = File::open(path).map_err(CorpusError::io(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(source).map_err(&wrong)?;
    let fields = reader.schema().fields().clone();
    let flat: Vec<usize> = (0..fields.len())
        .filter(|&i| !fields[i].data_type().is_nested())
        .collect();
    let header = flat.iter().map(|&i| fields[i].name().clone()).collect();
    let mut rows = Vec::new();
    for batch in reader.build().map_err(&wrong)? {
        let batch = batch.map_err(CorpusError::table(path))?;
        let columns: Vec<_> = flat
            .iter()
            .map(|&i| cast(batch.column(i), &DataType::Utf8))
            .collect::<Result<_, _>>()
            .map_err(CorpusError::table(path))?;
        for i in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| {
                let text = column.as_string_opt::<i32>();
                text.filter(|text| text.is_valid(i))
                    .map_or("", |text| text.value(i))
            });
            rows.push((rows.len() as u64 + 1, cells.collect()));
        }
    }
    Ok(Table::new(path, file, header, rows))
}
