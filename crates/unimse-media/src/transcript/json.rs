//! The JSON of speech recognisers: a list of captions, openai-whisper's and WhisperX' `segments` in seconds, whisper.cpp's `transcription` in
//! milliseconds.

use serde::Deserialize;

use super::{Caption, Wrong};

/// A file that is no list.
#[derive(Deserialize)]
struct Whole {
    segments: Option<Vec<Segment>>,
    transcription: Option<Vec<Segment>>,
}

/// A caption; other fields are passed over.
#[derive(Deserialize)]
struct Segment {
    #[serde(alias = "start_s")]
    start: Option<f64>,
    #[serde(alias = "end_s")]
    end: Option<f64>,
    offsets: Option<Offsets>,
    text: String,
    speaker: Option<Name>,
}

/// No time is later: 10,000 hours, as hours of four digits are the most in lines of times.
const LONGEST_S: f64 = 10_000.0 * 3_600.0;

/// Milliseconds.
#[derive(Clone, Copy, Deserialize)]
struct Offsets {
    from: f64,
    to: f64,
}

/// A speaker, by name or number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a name or a number")]
enum Name {
    Text(String),
    Whole(i64),
}

pub(super) fn parse(text: &str) -> Result<Vec<Caption>, Wrong> {
    let segments = match text.trim_start().starts_with('[') {
        true => read(text)?,
        false => {
            let whole: Whole = read(text)?;
            whole.segments.or(whole.transcription).ok_or_else(|| {
                Wrong::file(
                    "expected a list of captions, or an object with segments (openai-whisper) or transcription (whisper.cpp), found an object without either",
                )
            })?
        }
    };
    let captions = segments.into_iter().zip(1..);
    captions.map(|(segment, at)| segment.caption(at)).collect()
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|error| {
        let message = unimse_run::in_words(&error);
        // the place stands in front
        let place = format!(" at line {} column {}", error.line(), error.column());
        Wrong {
            place: (error.line() > 0).then(|| format!("line {}", error.line())),
            message: message.replace(&place, ""),
        }
    })
}

impl Segment {
    /// Checked; `at` counts from 1.
    fn caption(self, at: usize) -> Result<Caption, Wrong> {
        let wrong = |message: String| Wrong {
            place: Some(format!("caption {at}")),
            message,
        };
        let offsets = self.offsets.map(|o| (o.from / 1_000.0, o.to / 1_000.0));
        let times = self.start.zip(self.end).or(offsets);
        let (start_s, end_s) = times.ok_or_else(|| {
            wrong(
                "expected start and end in seconds, or offsets in milliseconds, found none"
                    .to_owned(),
            )
        })?;
        if !(start_s >= 0.0 && end_s >= start_s && end_s < LONGEST_S) {
            return Err(wrong(format!(
                "expected a beginning from 0 s on and an end behind it, before {LONGEST_S} s, found {start_s:?} s to {end_s:?} s"
            )));
        }
        let speaker = self.speaker.map(|name| match name {
            Name::Text(text) => text.trim().to_owned(),
            Name::Whole(number) => number.to_string(),
        });
        Ok(Caption {
            start_s,
            end_s,
            // whisper.cpp does not know who speaks where it says ?
            speaker: speaker.filter(|name| !(name.is_empty() || name == "?")),
            text: self.text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }
}
