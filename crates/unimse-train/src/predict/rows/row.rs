//! One row of input: which of its columns are ours, and what is wrong with them.

use std::path::Path;

use serde_json::{Map, Value};
use unimse_run::FeatureCards;

use super::clip::ClipPart;
use super::feature::{Feature, Loaded};
use super::{RowError, short};
use crate::data::reader::Spoken;
use crate::predict::Input;
use crate::predict::senses::{Perceived, Senses};

type Result<T, E = RowError> = std::result::Result<T, E>;

/// The columns that say where in a corpus a row stands; they are read and kept.
const PLACE: [&str; 3] = ["corpus", "split", "dialogue_id"];

/// A row as it was read; its feature files are not opened yet.
pub struct Row {
    /// What messages call it.
    pub place: String,
    /// The utterance.
    pub spoken: Spoken,
    /// Its own texts before and after it, where it brings some.
    pub own: Option<Texts>,
    /// Corpus, split and dialogue, where it has a dialogue.
    pub dialogue: Option<[String; 3]>,
    /// Its place in the dialogue, where it says one.
    pub turn: Option<i64>,
    audio: Option<Feature>,
    video: Option<Feature>,
    clip: Option<ClipPart>,
    extra: Map<String, Value>,
}

/// Texts around a row, in the order of the dialogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    /// Before it, oldest first.
    pub before: Vec<Spoken>,
    /// After it, next first.
    pub after: Vec<Spoken>,
}

impl Row {
    /// A row of text alone, which messages call `place`.
    #[must_use]
    pub fn of_text(text: &str, place: String) -> Self {
        Self {
            place,
            spoken: nobody(text.to_owned()),
            own: None,
            dialogue: None,
            turn: None,
            audio: None,
            video: None,
            clip: None,
            extra: Map::new(),
        }
    }

    /// Takes the columns that are ours out of `row`, which messages call `place`; feature paths are relative to `folder`, without which
    /// no file is read.
    pub fn parse(
        mut row: Map<String, Value>,
        place: String,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let parsed = |row: &mut Map<String, Value>| -> Result<_> {
            let text = match row.shift_remove("text") {
                Some(Value::String(text)) => text,
                Some(Value::Null) => String::new(),
                Some(other) => {
                    return Err(
                        format!("field text: expected text, found {}", short(&other)).into(),
                    );
                }
                None => return Err("field text is missing".to_owned().into()),
            };
            let speaker = name(row, "speaker")?;
            let spoken = Spoken { speaker, text };
            let (before, after) = (list(row, "context")?, list(row, "context_after")?);
            let own = (before.is_some() || after.is_some()).then(|| Texts {
                before: before.unwrap_or_default(),
                after: after.unwrap_or_default(),
            });
            let audio = Feature::take(row, "audio", folder)?;
            let video = Feature::take(row, "video", folder)?;
            let clip = ClipPart::take(row, folder)?;
            let dialogue = dialogue(row)?;
            let turn = if dialogue.is_some() { turn(row)? } else { None };
            Ok((spoken, own, (audio, video, clip), dialogue, turn))
        };
        let (spoken, own, (audio, video, clip), dialogue, turn) =
            parsed(&mut row).map_err(|error| error.within(&place))?;
        Ok(Self {
            place,
            spoken,
            own,
            dialogue,
            turn,
            audio,
            video,
            clip,
            extra: row,
        })
    }

    /// Steps of the features that came in the row itself, with their columns.
    pub fn steps(&self) -> Result<Vec<(&'static str, usize)>> {
        let mut steps = Vec::new();
        for (name, feature) in [("audio", &self.audio), ("video", &self.video)] {
            if let Some(feature) = feature {
                let place = |error: RowError| error.of_field(name).within(&self.place);
                steps.push((name, feature.steps().map_err(place)?));
            }
        }
        Ok(steps)
    }

    /// Whether it is said in a clip.
    #[must_use]
    pub fn has_clip(&self) -> bool {
        self.clip.is_some()
    }

    /// Whether the bytes of a clip came in the row.
    #[must_use]
    pub fn has_uploaded_clip(&self) -> bool {
        self.clip.as_ref().is_some_and(ClipPart::is_uploaded)
    }

    /// What the model reads, with the texts around it. Feature files are read now, and what the model's `senses` name is made of the clip; features that
    /// the row brings itself go before those of its clip.
    pub fn input(mut self, around: Texts, senses: &Senses) -> Result<Input> {
        let within = |name: &str, error: RowError| error.of_field(name).within(&self.place);
        let load = |feature: Option<Feature>, name: &str| -> Result<_> {
            let loaded = feature.map(|feature| feature.load(name)).transpose();
            let loaded = loaded.map_err(|error| within(name, error))?;
            Ok(loaded.map_or((None, None), |Loaded { sequence, made }| {
                (Some(sequence), made)
            }))
        };
        let (audio, audio_card) = load(self.audio.take(), "audio")?;
        let (video, video_card) = load(self.video.take(), "video")?;
        let perceived = match &self.clip {
            Some(clip) => {
                let perceived = clip.perceive(senses);
                let perceived = perceived.map_err(|error| within("clip", error))?;
                clip.complete(&mut self.extra, perceived.seconds);
                perceived
            }
            None => Perceived::default(),
        };
        let absent = perceived.absent.iter().filter(|(name, _)| match *name {
            "audio" => audio.is_none(),
            _ => video.is_none(),
        });
        let absent = absent.map(|(name, reason)| (name.to_owned(), reason.clone()));
        let clip = self.clip.as_ref().map(|_| absent.collect());
        let corpus = self.extra.get(PLACE[0]).and_then(Value::as_str);
        let corpus = corpus.map(|name| name.trim().to_owned());
        let cards = perceived.cards;
        Ok(Input {
            cards: FeatureCards {
                audio: audio_card.or(cards.audio.filter(|_| audio.is_none())),
                video: video_card.or(cards.video.filter(|_| video.is_none())),
            },
            clip,
            corpus,
            audio: audio.or(perceived.audio),
            video: video.or(perceived.video),
            place: self.place,
            spoken: self.spoken,
            before: around.before,
            after: around.after,
            extra: self.extra,
        })
    }
}

/// A text of which nobody says whose it is.
fn nobody(text: String) -> Spoken {
    Spoken {
        speaker: None,
        text,
    }
}

/// The name in a column that is read and kept.
fn name(row: &Map<String, Value>, column: &str) -> Result<Option<String>> {
    let name = match row.get(column) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(s)) => s.trim().to_owned(),
        Some(Value::Number(n)) => n.to_string(),
        Some(other) => {
            return Err(format!("field {column}: expected a name, found {}", short(other)).into());
        }
    };
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// A list of texts, or of objects `{"speaker": name, "text": text}`; in CSV a JSON list in the cell, or one text.
fn list(row: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<Spoken>>> {
    let value = match row.shift_remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
        Some(Value::String(s)) if s.trim_start().starts_with('[') => serde_json::from_str(&s)
            .map_err(|e| format!("field {name}: expected a JSON list of texts: {e}"))?,
        Some(Value::String(s)) => Value::Array(vec![Value::String(s)]),
        Some(other) => other,
    };
    let Value::Array(items) = value else {
        return Err(format!(
            "field {name}: expected a list of texts, found {}",
            short(&value)
        )
        .into());
    };
    let turn = |v: Value| turn_of(v).map_err(|error| error.of_field(name));
    items.into_iter().map(turn).collect::<Result<_>>().map(Some)
}

/// What somebody says around a row: a text, or an object that says who.
fn turn_of(value: Value) -> Result<Spoken> {
    match value {
        Value::String(text) => Ok(nobody(text)),
        Value::Object(object) => {
            let speaker = name(&object, "speaker")?;
            let others = object.keys().any(|key| key != "speaker" && key != "text");
            match object.get("text") {
                Some(Value::String(text)) if !others => Ok(Spoken {
                    speaker,
                    text: text.clone(),
                }),
                _ => Err(format!(
                    "expected an object of text and speaker, found {} in it",
                    short(&Value::Object(object))
                )
                .into()),
            }
        }
        other => Err(format!("expected a list of texts, found {} in it", short(&other)).into()),
    }
}

/// Corpus, split and dialogue of a row that has a dialogue.
fn dialogue(row: &Map<String, Value>) -> Result<Option<[String; 3]>> {
    let mut names = [const { String::new() }; 3];
    for (name, column) in names.iter_mut().zip(PLACE) {
        *name = match row.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(s)) => s.trim().to_owned(),
            Some(Value::Number(n)) => n.to_string(),
            // of the user's own, unless it is the one that makes a dialogue
            Some(_) if column != "dialogue_id" => String::new(),
            Some(other) => {
                return Err(
                    format!("field {column}: expected a name, found {}", short(other)).into(),
                );
            }
        };
    }
    Ok((!names[2].is_empty()).then_some(names))
}

/// The place of a row in its dialogue.
fn turn(row: &Map<String, Value>) -> Result<Option<i64>> {
    let value = match row.get("turn") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = match value {
        Value::String(s) if s.trim().is_empty() => return Ok(None),
        Value::String(s) => s.trim().parse().ok(),
        other => other.as_i64(),
    };
    number.map(Some).ok_or_else(|| {
        let found = short(value);
        format!("field turn: expected a whole number, found {found}").into()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Row> {
        let Value::Object(object) = value else {
            panic!("an object");
        };
        Row::parse(object, "f.jsonl: row 3".to_owned(), Some(Path::new(".")))
    }

    #[test]
    fn our_columns_are_read_and_the_others_kept() {
        let row = json!({"text": "t", "context": ["a", "b"], "context_after": "c", "dialogue_id": 5, "turn": "7",
            "split": "dev", "polarity": "gold", "id": [1]});
        let row = parse(row).unwrap();
        let said = |text: &str| nobody(text.to_owned());
        let texts = Texts {
            before: vec![said("a"), said("b")],
            after: vec![said("c")],
        };
        assert_eq!(row.own, Some(texts));
        assert_eq!(row.dialogue, Some(["", "dev", "5"].map(String::from)));
        assert_eq!(row.turn, Some(7));
        let names: Vec<&String> = row.extra.keys().collect();
        assert_eq!(names, ["dialogue_id", "turn", "split", "polarity", "id"]);
    }

    #[test]
    fn a_speaker_is_read_and_kept() {
        for (value, expected) in [
            (json!("Monica "), Some("Monica")),
            (json!(7), Some("7")),
            (json!(" "), None),
            (json!(null), None),
        ] {
            let row = parse(json!({"text": "t", "speaker": value})).unwrap();
            assert_eq!(row.spoken.speaker.as_deref(), expected);
            assert_eq!(row.extra["speaker"], value);
        }
        let error = parse(json!({"text": "t", "speaker": []}))
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(error.contains("field speaker: expected a name"), "{error}");
    }

    #[test]
    fn a_turn_of_the_context_may_say_who_speaks() {
        let turns = json!([{"speaker": "Joey", "text": "how you doin"}, "fine", {"text": "so"}]);
        let row = parse(json!({"text": "t", "context": turns})).unwrap();
        let joey = Spoken {
            speaker: Some("Joey".to_owned()),
            text: "how you doin".to_owned(),
        };
        let expected = vec![joey, nobody("fine".to_owned()), nobody("so".to_owned())];
        assert_eq!(row.own.unwrap().before, expected);
    }

    #[test]
    fn what_is_wrong_names_row_and_field() {
        for (row, words) in [
            (json!({"id": 1}), "field text is missing"),
            (json!({"text": 5}), "field text: expected text, found 5"),
            (
                json!({"text": "t", "context": 5}),
                "field context: expected a list of texts, found 5",
            ),
            (
                json!({"text": "t", "context_after": ["a", 1]}),
                "field context_after: expected a list of texts, found 1 in it",
            ),
            (
                json!({"text": "t", "context": [{"text": "a", "name": "Joey"}]}),
                "field context: expected an object of text and speaker",
            ),
            (
                json!({"text": "t", "audio": {"wav": "?"}}),
                "field audio: wav: expected base64",
            ),
            (
                json!({"text": "t", "audio": {"mp3": ""}}),
                "field audio: expected {\"wav\": bytes in base64}, found an object with [\"mp3\"]",
            ),
            (
                json!({"text": "t", "dialogue_id": ["x"]}),
                "field dialogue_id: expected a name",
            ),
            (
                json!({"text": "t", "dialogue_id": "x", "turn": 1.5}),
                "field turn: expected a whole number, found 1.5",
            ),
            (
                json!({"text": "t", "video": "clip.mp4"}),
                "field video: clip.mp4: expected a .npy file",
            ),
            (
                json!({"text": "t", "audio": [[1.0], [1.0, 2.0]]}),
                "field audio: step 2: expected 1 features, found 2",
            ),
        ] {
            let error = parse(row).map(|_| ()).unwrap_err().to_string();
            assert!(
                error.starts_with("f.jsonl: row 3: ") && error.contains(words),
                "{error}"
            );
        }
        let Value::Object(row) = json!({"text": "t", "audio": "/etc/x.wav"}) else {
            panic!("an object");
        };
        let error = Row::parse(row, "/rows/0".to_owned(), None).map(drop);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no file is read here"), "{error}");
        // a turn without a dialogue is nobody's
        assert_eq!(
            parse(json!({"text": "t", "turn": "left"})).unwrap().turn,
            None
        );
    }
}
