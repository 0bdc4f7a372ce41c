//! What a row of such a table says: who, when, which split, which labels.

use super::super::taxonomy::Emotions;
use crate::{CorpusKind, Polarity, Split, Task, Utterance, finding::Findings, folder::Table};
use std::collections::HashMap;
use unimse_labels::CustomTaxonomy;

/// Whether the rows are emotions: those of the data set that the folder is named after, or else what the rows hold. A corpus of both is
/// one of emotions whose scores are gold intensities.
pub(super) fn emotional(table: &Table, known: Option<CorpusKind>) -> bool {
    let [score, emotion] = ["score", "emotion"].map(|name| table.find(&[name]));
    match known.map(CorpusKind::task) {
        Some(Task::Sentiment) => false,
        Some(Task::Emotion(_)) => true,
        None => table.has(emotion) || (emotion.is_some() && score.is_none()),
    }
}

/// Where the columns are, and what they say of the corpus.
pub(super) struct Places {
    /// `None`: the rows have scores only.
    pub(super) emotions: Option<Emotions>,
    id: usize,
    split: usize,
    text: usize,
    score: Option<usize>,
    emotion: Option<usize>,
    dialogue: Option<usize>,
    turn: Option<usize>,
    speaker: Option<usize>,
    times: [Option<usize>; 2],
    polarity: Option<usize>,
    pub(super) features: [Option<usize>; 2],
}

impl Places {
    pub(super) fn find(
        table: &Table,
        known: Option<CorpusKind>,
        described: Option<CustomTaxonomy>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let [score, emotion] = ["score", "emotion"].map(|name| table.find(&[name]));
        let emotional = emotional(table, known);
        let wanted = match (known.map(CorpusKind::task), emotional) {
            (None, _) => "score|emotion",
            (_, true) => "emotion",
            (_, false) => "score",
        };
        let [id, split, text, _] =
            table.require(["utterance_id", "split", "text", wanted], findings)?;
        if !emotional && table.has(emotion) {
            let message = "columns score and emotion: expected scores only, for the folder has the name of a sentiment corpus; rename it, or drop emotion";
            findings.error("TWO_LABELS", &table.file, None, message);
            return None;
        }
        let emotions = match known.map(CorpusKind::task) {
            Some(Task::Emotion(scored)) => Some(Emotions { scored, own: None }),
            None if emotional => Some(Emotions::find(table, described, findings)?),
            _ => None,
        };
        if emotional && table.has(score) {
            let message = "columns score and emotion: scored on its emotions, its scores are gold intensities";
            findings.info("TWO_LABELS", &table.file, None, message);
        }
        Some(Self {
            emotions,
            id,
            split,
            text,
            score,
            emotion: emotion.filter(|_| emotional),
            dialogue: table.find(&["dialogue_id"]),
            turn: table.find(&["turn"]),
            speaker: table.find(&["speaker"]),
            times: [table.find(&["start_s"]), table.find(&["end_s"])],
            polarity: table.find(&["polarity"]),
            features: [table.find(&["audio"]), table.find(&["video"])],
        })
    }

    /// The utterance of a row; what is wrong with it is told.
    pub(super) fn utterance(
        &self,
        corpus: &str,
        table: &Table,
        number: u64,
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
            findings.error(code, &table.file, table.at(number), message);
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
            Err(_) if cell(Some(self.split)).is_none() => {
                let message = "column split: expected train, dev or test, found nothing";
                return wrong("SPLIT", message.to_owned());
            }
            Err(error) => return wrong("SPLIT", format!("column split: {error}")),
        };
        let seconds = |column, name: &str| match cell(column).map(str::parse::<f64>) {
            None => Ok(None),
            Some(Ok(x)) if x.is_finite() => Ok(Some(x)),
            Some(_) => Err(format!(
                "column {name}: expected a number, found {:?}",
                cell(column).unwrap_or("")
            )),
        };
        let times = seconds(self.times[0], "start_s")
            .and_then(|start| Ok([start, seconds(self.times[1], "end_s")?]));
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
        let label = match self.label(row) {
            Ok(label) => label,
            Err((code, message)) => return wrong(code, message),
        };
        if label.contradicted {
            let message = "the emotion implies another polarity than the sign of the score: the score is used";
            findings.warn("EMOTION_SIGN", &table.file, table.at(number), message);
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
            score: label.score,
            polarity: label.polarity,
            emotion: label.emotion.map(str::to_owned),
            emotion_raw: cell(self.emotion).map(str::to_owned),
            audio: None,
            video: None,
            vad: None,
            intensities: None,
        })
    }

    /// What a row says of its utterance; an empty cell says nothing.
    fn label(&self, row: &csv::StringRecord) -> Result<Label, (&'static str, String)> {
        let cell = |column: Option<usize>| {
            column
                .map(|c| row[c].trim())
                .filter(|cell| !cell.is_empty())
        };
        let number = |text: &str| match text.parse::<f32>() {
            Ok(score) if (-3.0..=3.0).contains(&score) => Ok(score),
            _ => Err((
                "LABEL_RANGE",
                format!("column score: expected a score in [-3, 3], found {text:?}"),
            )),
        };
        let score = cell(self.score).map(number).transpose()?;
        let class = cell(self.emotion).zip(self.emotions.as_ref());
        let class = class
            .map(|(word, emotions)| emotions.class(word))
            .transpose();
        let class =
            class.map_err(|error| ("UNKNOWN_EMOTION", format!("column emotion: {error}")))?;
        let (emotion, implied) = class.unwrap_or_default();
        let word = cell(self.polarity).map(|word| word.to_lowercase().parse::<Polarity>());
        let word = (word.transpose())
            .map_err(|error| ("UNKNOWN_SENTIMENT", format!("column polarity: {error}")))?;
        let sign = score.map(Polarity::from_score);
        let own = self.emotions.as_ref().is_some_and(|e| e.own.is_some());
        let expected = match (sign, score) {
            (Some(sign), Some(score)) => Some((sign, format!("the sign of the score {score}"))),
            _ if own => implied.map(|class| (class, format!("that of the emotion, {class}"))),
            _ => None,
        };
        if let (Some((polarity, what)), Some(word)) = (expected, word)
            && word != polarity
        {
            let message = format!("column polarity: expected {what}, found {word}");
            return Err(("POLARITY_SIGN", message));
        }
        Ok(Label {
            score,
            emotion,
            polarity: sign.or(word).or(implied),
            contradicted: sign.zip(implied).is_some_and(|(sign, class)| sign != class),
        })
    }
}

/// What a row says.
struct Label {
    score: Option<f32>,
    emotion: Option<&'static str>,
    polarity: Option<Polarity>,
    /// Whether the emotion implies another polarity than the score's sign.
    contradicted: bool,
}
