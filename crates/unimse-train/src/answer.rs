//! What `predict` says of one row: fields in a fixed order, then the row's own columns (design section 7).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity};
use unimse_model::batch::Prediction;

use crate::readout::{Reading, Readout};

/// One answer. Its JSON is an object of these fields; fields that the run does not speak are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The utterance, as it came.
    pub text: String,
    /// The most probable polarity.
    pub polarity: Classes,
    /// The score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// Emotion in the taxonomy of MELD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meld: Option<Classes>,
    /// Emotion in the taxonomy of IEMOCAP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iemocap: Option<Classes>,
    /// Where fields do not agree, why; see [`Readout::read`].
    pub disagreements: Vec<String>,
    /// Feature values of the row that were read as 0, if any.
    #[serde(skip_serializing_if = "NonFinite::is_empty")]
    pub non_finite: NonFinite,
    /// The row's own columns, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    /// Those of its columns that have the name of a field of the answer, as they came.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub input: Map<String, Value>,
}

/// Names of the answer's own fields.
pub const FIELDS: [&str; 8] = [
    "text",
    "polarity",
    "intensity",
    "meld",
    "iemocap",
    "disagreements",
    "non_finite",
    "input",
];

/// A class and the probability of every class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classes {
    /// Canonical name.
    pub label: &'static str,
    /// By class in canonical order; they sum to 1.
    #[serde(serialize_with = "object")]
    pub probabilities: Vec<(&'static str, f32)>,
}

/// A score and the middle of its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Intensity {
    /// In [-3, 3], as the run's readout takes it.
    pub value: f32,
    /// 10 % of the distribution lie below.
    pub low: f32,
    /// 10 % of the distribution lie above.
    pub high: f32,
}

/// Numbers of feature values that were NaN, infinite or beyond the range of f32, and were read as 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NonFinite {
    /// Of the audio features.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio: usize,
    /// Of the video features.
    #[serde(skip_serializing_if = "is_zero")]
    pub video: usize,
}

impl NonFinite {
    /// Whether all values were finite.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn object<S: Serializer>(pairs: &[(&'static str, f32)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().copied())
}

impl Answer {
    /// The answer to a row: `p` read by `readout`, beside the row's own columns `extra`.
    #[must_use]
    pub fn new(
        text: String,
        p: &Prediction,
        readout: Readout,
        non_finite: NonFinite,
        extra: Map<String, Value>,
    ) -> Self {
        let Reading {
            polarity,
            intensity,
            meld,
            iemocap,
            disagreements,
        } = readout.read(p);
        let (input, extra) = extra
            .into_iter()
            .partition(|(name, _)| FIELDS.contains(&name.as_str()));
        let quantile = |q| p.intensity_quantile(q) as f32;
        Self {
            text,
            polarity: classes(polarity.name(), &Polarity::NAMES, &p.polarity),
            intensity: intensity.map(|value| Intensity {
                value,
                low: quantile(0.1),
                high: quantile(0.9),
            }),
            meld: meld
                .zip(p.meld.as_ref())
                .map(|(label, q)| classes(label.name(), &MeldEmotion::NAMES, q)),
            iemocap: iemocap
                .zip(p.iemocap.as_ref())
                .map(|(label, q)| classes(label.name(), &IemocapEmotion::NAMES, q)),
            disagreements,
            non_finite,
            extra,
            input,
        }
    }
}

fn classes(label: &'static str, names: &[&'static str], probabilities: &[f64]) -> Classes {
    let probabilities = probabilities.iter().map(|&q| q as f32);
    Classes {
        label,
        probabilities: names.iter().copied().zip(probabilities).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use serde_json::json;
    use unimse_labels::PlainLabel;

    use super::*;

    #[test]
    fn the_rows_own_columns_are_kept_whatever_their_names() {
        let p = Prediction {
            unexplored: 0.0,
            raw: "positive,1.0".into(),
            polarity: [0.25, 0.25, 0.5],
            intensity: vec![(-1.0, 0.25), (0.0, 0.25), (1.0, 0.5)],
            meld: None,
            iemocap: None,
            text_label: PlainLabel {
                polarity: Polarity::Positive,
                intensity: Some(1.0),
                meld: None,
                iemocap: None,
            },
            repairs: 0,
            parsable: true,
        };
        let Value::Object(extra) = json!({"id": 7, "polarity": "gold", "meld": ["x"], "input": 1})
        else {
            panic!("an object");
        };
        let counts = NonFinite { audio: 2, video: 0 };
        let answer = Answer::new("hello".into(), &p, Readout::TRAINING, counts, extra);
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            concat!(
                r#"{"text":"hello","polarity":{"label":"positive","probabilities":{"negative":0.25,"neutral":0.25,"positive":0.5}},"#,
                r#""intensity":{"value":0.25,"low":-1.0,"high":1.0},"disagreements":[],"non_finite":{"audio":2},"id":7,"#,
                r#""input":{"polarity":"gold","meld":["x"],"input":1}}"#
            )
        );
    }
}
