//! Features of a row: a `.npy` file, a `.wav` file or its bytes, or nested lists.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value};
use unimse_corpus::{CorpusError, Sequence};
use unimse_media::{card_beside, mel};
use unimse_run::FeatureCard;

use super::{RowError, short};

type Result<T, E = RowError> = std::result::Result<T, E>;

/// What messages call a wave file that came in a row.
const UPLOADED: &str = "wav";

/// Where the features of one modality are.
pub(super) enum Feature {
    /// A `.npy` file of shape `[steps, features]`, or `[features]` as one step.
    Npy(PathBuf),
    /// A wave file: its log-mel features.
    Wave(PathBuf),
    /// The bytes of a wave file, in the row itself.
    WaveBytes(Vec<u8>),
    /// In the row itself.
    Values(Sequence),
}

impl Feature {
    /// Takes the column `name` out of a row; null or empty is absent. Paths are relative to `folder`; without one they are refused.
    pub(super) fn take(
        row: &mut Map<String, Value>,
        name: &str,
        folder: Option<&Path>,
    ) -> Result<Option<Self>> {
        let text = match row.shift_remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(steps)) => {
                return Self::of_lists(&steps).map_err(|error| error.of_field(name));
            }
            Some(Value::Object(object)) if name == "audio" => {
                return Self::of_wave(&object).map_err(|error| error.of_field(name));
            }
            Some(Value::String(s)) => s,
            Some(other) => {
                return Err(format!(
                    "field {name}: expected a path or lists of numbers, found {}",
                    short(&other)
                )
                .into());
            }
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        if text.trim_start().starts_with('[') {
            let steps: Vec<Value> = serde_json::from_str(&text)
                .map_err(|e| format!("field {name}: expected lists of numbers: {e}"))?;
            return Self::of_lists(&steps).map_err(|error| error.of_field(name));
        }
        let Some(folder) = folder else {
            return Err(format!(
                "field {name}: expected lists of numbers{}, found text: no file is read here",
                if name == "audio" {
                    ", or {\"wav\": bytes in base64}"
                } else {
                    ""
                }
            )
            .into());
        };
        let path = folder.join(&text);
        let extension = path.extension().and_then(|e| e.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("npy") => Ok(Some(Self::Npy(path))),
            Some("wav") if name == "audio" => Ok(Some(Self::Wave(path))),
            _ => {
                let or = if name == "audio" {
                    " or a .wav file"
                } else {
                    ""
                };
                Err(
                    format!("field {name}: {text}: expected a .npy file{or}, or lists of numbers")
                        .into(),
                )
            }
        }
    }

    /// `[steps, features]`, or `[features]` as one step. What JSON cannot hold, NaN, is null there.
    fn of_lists(steps: &[Value]) -> Result<Option<Self>> {
        let Some(first) = steps.first() else {
            return Ok(None);
        };
        let (dim, values) = match first {
            Value::Array(first) => {
                let mut values = Vec::with_capacity(steps.len() * first.len());
                for (at, step) in steps.iter().enumerate() {
                    let Value::Array(step) = step else {
                        return Err(format!(
                            "step {}: expected a list of numbers, found {}",
                            at + 1,
                            short(step)
                        )
                        .into());
                    };
                    if step.len() != first.len() {
                        return Err(format!(
                            "step {}: expected {} features, found {}",
                            at + 1,
                            first.len(),
                            step.len()
                        )
                        .into());
                    }
                    values.extend(numbers(step)?);
                }
                (first.len(), values)
            }
            _ => (steps.len(), numbers(steps)?),
        };
        if dim == 0 {
            return Err("expected at least one feature a step, found none"
                .to_owned()
                .into());
        }
        Ok(Some(Self::Values(Sequence { dim, values })))
    }

    /// `{"wav": the bytes of a wave file in base64}`.
    fn of_wave(object: &Map<String, Value>) -> Result<Option<Self>> {
        let (Some(Value::String(text)), 1) = (object.get("wav"), object.len()) else {
            let found: Vec<_> = object.keys().map(String::as_str).collect();
            return Err(format!(
                "expected {{\"wav\": bytes in base64}}, found an object with {}",
                short(&found.into())
            )
            .into());
        };
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|e| format!("wav: expected base64: {e}"))?;
        Ok(Some(Self::WaveBytes(bytes)))
    }

    /// Steps that it has, as far as that is known before a file is read.
    pub(super) fn steps(&self) -> Result<usize> {
        match self {
            Self::Values(sequence) => Ok(sequence.values.len() / sequence.dim.max(1)),
            Self::WaveBytes(bytes) => {
                let (rate, samples) = unimse_formats::parse_wav_header(bytes, Path::new(UPLOADED))
                    .map_err(CorpusError::from)?;
                Ok(mel::steps(rate, samples))
            }
            Self::Npy(_) | Self::Wave(_) => Ok(0),
        }
    }

    /// Reads the values of `modality`, as they are.
    pub(super) fn load(self, modality: &str) -> Result<Loaded> {
        let (sequence, made) = match self {
            Self::Values(sequence) => (sequence, None),
            Self::WaveBytes(bytes) => {
                let sequence = mel::from_wav_bytes(&bytes, Path::new(UPLOADED));
                (sequence.map_err(CorpusError::from)?, Some(mel::card()))
            }
            Self::Wave(path) => {
                let sequence = mel::from_wav(&path).map_err(CorpusError::from)?;
                (sequence, Some(mel::card()))
            }
            Self::Npy(path) => {
                let sequence = read_npy(&path)?;
                let made = card_beside(&path, modality, sequence.dim);
                (sequence, made)
            }
        };
        Ok(Loaded { sequence, made })
    }
}

/// Features, and how they were made where somebody says so.
pub(super) struct Loaded {
    pub(super) sequence: Sequence,
    pub(super) made: Option<FeatureCard>,
}

/// The array in a `.npy` file.
fn read_npy(path: &Path) -> Result<Sequence> {
    let array = unimse_formats::read_npy(path).map_err(CorpusError::from)?;
    let dim = match array.shape[..] {
        [_, dim] | [dim] => dim,
        _ => {
            return Err(format!(
                "{}: expected shape [steps, features] or [features], found {:?}",
                path.display(),
                array.shape
            )
            .into());
        }
    };
    Ok(Sequence {
        dim,
        values: array.values,
    })
}

fn numbers(values: &[Value]) -> Result<Vec<f32>> {
    let number = |v: &Value| match v {
        Value::Null => Ok(f32::NAN),
        other => other
            .as_f64()
            .map(|x| x as f32)
            .ok_or_else(|| format!("expected numbers, found {}", short(other)).into()),
    };
    values.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use serde_json::json;

    fn load(audio: Value) -> Result<Option<Sequence>> {
        let mut row = Map::from_iter([("audio".to_owned(), audio)]);
        let feature = Feature::take(&mut row, "audio", Some(Path::new("/nowhere")))?;
        assert!(row.is_empty());
        let loaded = feature.map(|feature| feature.load("audio"));
        Ok(loaded.transpose()?.map(|loaded| loaded.sequence))
    }

    #[test]
    fn lists_are_steps_and_one_list_is_one_step() {
        let steps = |dim, values: &[f32]| {
            Some(Sequence {
                dim,
                values: values.to_vec(),
            })
        };
        assert_eq!(
            load(json!([[1, 2.5], [3, 4]])).unwrap(),
            steps(2, &[1.0, 2.5, 3.0, 4.0])
        );
        assert_eq!(
            load(json!([1, 2.5, 3])).unwrap(),
            steps(3, &[1.0, 2.5, 3.0])
        );
        assert_eq!(load(json!("[[1, 2]]")).unwrap(), steps(2, &[1.0, 2.0])); // a cell of a CSV file
        for nothing in [json!([]), json!(""), json!(null)] {
            assert_eq!(load(nothing).unwrap(), None);
        }
        let strange = load(json!([[null, 1e300, -1e39, 1.0]])).unwrap().unwrap();
        let finite: Vec<bool> = strange.values.iter().map(|v| v.is_finite()).collect();
        assert_eq!(finite, [false, false, false, true]);
    }

    #[test]
    fn what_is_no_feature_is_named() {
        for (value, words) in [
            (
                json!([[1.0], 2.0]),
                "step 2: expected a list of numbers, found 2.0",
            ),
            (json!([["x"]]), "expected numbers, found \"x\""),
            (json!([[]]), "expected at least one feature"),
            (json!("[1, 2"), "expected lists of numbers"),
            (
                json!(true),
                "expected a path or lists of numbers, found true",
            ),
            (json!("x.mp3"), "x.mp3: expected a .npy file or a .wav file"),
            (json!("x.npy"), "x.npy"),
        ] {
            let error = load(value).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
