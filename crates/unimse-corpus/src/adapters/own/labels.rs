//! What a row of such a table says: who, when, which split, which labels.

use super::super::taxonomy::Emotions;
use crate::{Code, CorpusKind, Polarity, Split, Task, Utterance, finding::Findings, folder::Table};
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
            findings.error(Code::TwoLabels, &table.file, None, message);
            return None;
        }
        let emotions = match known.map(CorpusKind::task) {
            Some(Task::Emotion(scored)) => Some(Emotions { scored, own: None }),
            None if emotional => Some(Emotions::find(table, described, findings)?),
            _ => None,
        };
        if emotional && table.has(score) {
            let message = "columns score and emotion: scored on its emotions, its scores are gold intensities";
            findings.info(Code::TwoLabels, &table.file, None, message);
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

    /// The utterance of a row; what is wrong with it is reported.
    pub(super) fn utterance(
        &self,
        corpus: &str,
        table: &Table,
        number: u64,
        row: &csv::StringRecord,
        turns: &mut HashMap<String, i32>,
        findings: &mut Findings,
    ) -> Option<Utterance> {
        let read = self.read(corpus, row, turns);
        let (utterance, contradicted) = match read {
            Ok(read) => read,
            Err((code, message)) => {
                findings.error(code, &table.file, table.at(number), message);
                return None;
            }
        };
        if contradicted {
            let message = "the emotion implies another polarity than the sign of the score: the score is used";
            findings.add(Code::EmotionSign, &table.file, table.at(number), message);
        }
        Some(utterance)
    }

    /// The utterance of a row, and whether its emotion implies another polarity than its score's sign. A row that names no turn follows
    /// the last of its dialogue, as `turns` has it.
    fn read(
        &self,
        corpus: &str,
        row: &csv::StringRecord,
        turns: &mut HashMap<String, i32>,
    ) -> Result<(Utterance, bool), Problem> {
        let Some(id) = filled(row, Some(self.id)) else {
            let message = "column utterance_id: expected an id, found nothing";
            return Err((Code::EmptyId, message.to_owned()));
        };
        let split = self.split(row)?;
        let [start_s, end_s] = self.times(row)?;
        let dialogue_id = filled(row, self.dialogue).unwrap_or(id).to_owned();
        let next = turns.entry(dialogue_id.clone()).or_default();
        let turn = self.turn(row)?.unwrap_or(*next);
        *next = turn.saturating_add(1);
        let label = self.label(row)?;
        let utterance = Utterance {
            corpus: corpus.to_owned(),
            split,
            utterance_id: id.to_owned(),
            dialogue_id,
            turn,
            speaker: filled(row, self.speaker).map(str::to_owned),
            text: row[self.text].to_owned(),
            start_s,
            end_s,
            score: label.score,
            polarity: label.polarity,
            emotion: label.emotion.map(str::to_owned),
            emotion_raw: filled(row, self.emotion).map(str::to_owned),
            audio: None,
            video: None,
            vad: None,
            intensities: None,
        };
        Ok((utterance, label.contradicted))
    }

    fn split(&self, row: &csv::StringRecord) -> Result<Split, Problem> {
        let Some(word) = filled(row, Some(self.split)) else {
            let message = "column split: expected train, dev or test, found nothing";
            return Err((Code::Split, message.to_owned()));
        };
        let split = word.to_lowercase().parse::<Split>();
        split.map_err(|error| (Code::Split, format!("column split: {error}")))
    }

    /// Start and end in seconds.
    fn times(&self, row: &csv::StringRecord) -> Result<[Option<f64>; 2], Problem> {
        let seconds = |column, name: &str| {
            let Some(cell) = filled(row, column) else {
                return Ok(None);
            };
            match cell.parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(Some(x)),
                _ => {
                    let message = format!("column {name}: expected a number, found {cell:?}");
                    Err((Code::TimeFormat, message))
                }
            }
        };
        let [start, end] = self.times;
        match [seconds(start, "start_s")?, seconds(end, "end_s")?] {
            [Some(start), Some(end)] if start >= end => {
                let message = format!("expected start_s before end_s, found {start} and {end}");
                Err((Code::TimeOrder, message))
            }
            times => Ok(times),
        }
    }

    fn turn(&self, row: &csv::StringRecord) -> Result<Option<i32>, Problem> {
        let Some(cell) = filled(row, self.turn) else {
            return Ok(None);
        };
        let turn = cell.parse::<i32>().map(Some);
        turn.map_err(|_| {
            let message = format!("column turn: expected a whole number, found {cell:?}");
            (Code::Turn, message)
        })
    }

    /// What a row says of its utterance; an empty cell says nothing.
    fn label(&self, row: &csv::StringRecord) -> Result<Label, Problem> {
        let cell = |column| filled(row, column);
        let number = |text: &str| match text.parse::<f32>() {
            Ok(score) if (-3.0..=3.0).contains(&score) => Ok(score),
            _ => Err((
                Code::LabelRange,
                format!("column score: expected a score in [-3, 3], found {text:?}"),
            )),
        };
        let score = cell(self.score).map(number).transpose()?;
        let class = cell(self.emotion).zip(self.emotions.as_ref());
        let class = class
            .map(|(word, emotions)| emotions.class(word))
            .transpose();
        let class =
            class.map_err(|error| (Code::UnknownEmotion, format!("column emotion: {error}")))?;
        let (emotion, implied) = class.unwrap_or_default();
        let word = cell(self.polarity).map(|word| word.to_lowercase().parse::<Polarity>());
        let word = (word.transpose())
            .map_err(|error| (Code::UnknownSentiment, format!("column polarity: {error}")))?;
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
            return Err((Code::PolaritySign, message));
        }
        Ok(Label {
            score,
            emotion,
            polarity: sign.or(word).or(implied),
            contradicted: sign.zip(implied).is_some_and(|(sign, class)| sign != class),
        })
    }
}

/// What is wrong with a row.
type Problem = (Code, String);

/// A cell that has something in it, trimmed.
pub(super) fn filled(row: &csv::StringRecord, column: Option<usize>) -> Option<&str> {
    let cell = column.map(|column| row[column].trim());
    cell.filter(|cell| !cell.is_empty())
}

/// What a row says.
struct Label {
    score: Option<f32>,
    emotion: Option<&'static str>,
    polarity: Option<Polarity>,
    /// Whether the emotion implies another polarity than the score's sign.
    contradicted: bool,
}
