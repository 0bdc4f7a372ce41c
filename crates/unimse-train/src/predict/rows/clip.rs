//! The clip of a row, or the part of it in which the utterance is said.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value};
use unimse_corpus::CorpusError;
use unimse_media::{Fault, MediaError, Span};

use super::{RowError, short};
use crate::predict::senses::{Perceived, Senses};

type Result<T, E = RowError> = std::result::Result<T, E>;

/// The column of the clip.
const CLIP: &str = "clip";
/// Columns of the part's beginning and end, in seconds.
const TIMES: [&str; 2] = ["start_s", "end_s"];
/// Seconds of a clip whose bytes came in the row: a minute of speech.
const MOST_UPLOADED_S: f64 = 60.0;

/// A part of a clip.
pub(super) struct ClipPart {
    source: Source,
    span: Span,
}

/// Where a clip is.
enum Source {
    /// A file.
    Path(PathBuf),
    /// In the row itself.
    Bytes(Vec<u8>),
}

impl ClipPart {
    /// The clip of a row, whose columns stay but for the bytes of a clip; null or empty is none. Paths are relative to `folder`; without one they are refused.
    pub(super) fn take(
        row: &mut Map<String, Value>,
        folder: Option<&Path>,
    ) -> Result<Option<Self>> {
        let source = match row.get(CLIP) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(path)) if path.trim().is_empty() => return Ok(None),
            Some(Value::String(path)) => {
                let folder = folder.ok_or_else(|| {
                    let expected = "expected {\"base64\": bytes}, found text: no file is read here";
                    RowError::from(expected.to_owned()).of_field(CLIP)
                })?;
                Source::Path(folder.join(path))
            }
            Some(other) => {
                let bytes = bytes(other).map_err(|error| error.of_field(CLIP))?;
                row.shift_remove(CLIP);
                Source::Bytes(bytes)
            }
        };
        let [start, end] = TIMES.map(|column| seconds(row, column));
        let span = Span {
            from_s: start?.unwrap_or_default(),
            to_s: end?,
        };
        if let Some(end_s) = span.to_s.filter(|&end_s| end_s < span.from_s) {
            let message = format!("expected an end behind {} s, found {end_s} s", span.from_s);
            return Err(RowError::from(message).of_field(TIMES[1]));
        }
        Ok(Some(Self { source, span }))
    }

    /// Whether the bytes of the clip came in the row.
    pub(super) fn is_uploaded(&self) -> bool {
        matches!(self.source, Source::Bytes(_))
    }

    /// Makes the features that `senses` name.
    pub(super) fn perceive(&self, senses: &Senses) -> Result<Perceived> {
        match &self.source {
            Source::Path(path) => Ok(senses
                .perceive(path, self.span)
                .map_err(CorpusError::from)?),
            Source::Bytes(bytes) => uploaded(bytes, self.span, senses),
        }
    }

    /// Writes into a row the times that it does not say, where its clip told them.
    pub(super) fn complete(&self, row: &mut Map<String, Value>, seconds: Option<f64>) {
        let told = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        let end_s = seconds.map(|seconds| self.span.from_s + seconds);
        for (column, value) in TIMES.into_iter().zip([Some(self.span.from_s), end_s]) {
            if let Some(value) = value.filter(|_| !told(row.get(column))) {
                row.insert(column.to_owned(), rounded(value).into());
            }
        }
    }
}

/// To a thousandth of a second.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}

/// `{"base64": the bytes of a clip}`.
fn bytes(value: &Value) -> Result<Vec<u8>> {
    let text = match value
        .as_object()
        .map(|object| (object, object.get("base64")))
    {
        Some((object, Some(Value::String(text)))) if object.len() == 1 => text,
        _ => {
            let found = match value {
                Value::Object(object) => {
                    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
                    format!("an object with {}", short(&keys.into()))
                }
                other => short(other),
            };
            return Err(format!("expected a path, or {{\"base64\": bytes}}, found {found}").into());
        }
    };
    let decoded = BASE64_STANDARD.decode(text);
    Ok(decoded.map_err(|error| format!("base64: expected base64: {error}"))?)
}

/// A column of seconds; in CSV a number in the cell.
fn seconds(row: &Map<String, Value>, column: &str) -> Result<Option<f64>> {
    let value = match row.get(column) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(value) => value,
    };
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        other => other.as_f64(),
    };
    match number.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let message = format!("expected seconds from 0 on, found {}", short(value));
            Err(RowError::from(message).of_field(column))
        }
    }
}

/// The features of a clip that came in a row: it lies in a file of its own while it is read, which no message names.
fn uploaded(bytes: &[u8], span: Span, senses: &Senses) -> Result<Perceived> {
    let hidden =
        |error: std::io::Error| format!("the clip cannot be kept while it is read: {error}");
    let mut file = tempfile::NamedTempFile::new().map_err(hidden)?;
    file.write_all(bytes).map_err(hidden)?;
    // a little more than is allowed is looked at, and no more
    let most = span.from_s + MOST_UPLOADED_S + 0.1;
    let to_s = Some(span.to_s.map_or(most, |to_s| to_s.min(most)));
    let perceived = senses.perceive(file.path(), Span { to_s, ..span });
    let perceived = perceived.map_err(|error| match error {
        MediaError::Fault {
            fault: Fault::NotMedia(_),
            ..
        } => "expected a wav, flac, mp3, ogg, m4a or mp4 file in base64, found something else"
            .to_owned(),
        error => error.detail(),
    })?;
    if perceived
        .seconds
        .is_some_and(|seconds| seconds > MOST_UPLOADED_S)
    {
        return Err(format!("expected at most {MOST_UPLOADED_S} s of a clip, found more").into());
    }
    Ok(perceived)
}
