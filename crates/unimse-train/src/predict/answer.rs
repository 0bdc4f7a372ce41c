//! From what a model says of a row to the [`Answer`] that is written.

use serde_json::{Map, Value};
use unimse_labels::Field;
use unimse_model::batch::Prediction;
use unimse_run::{Answer, Classes, Intensity, NonFinite, Readout};

use crate::evaluate::readout::{Reading, read};

/// The answer to a row: `p` read by `readout`, beside the row's own columns `extra`.
#[must_use]
pub(super) fn answer(
    text: String,
    p: &Prediction,
    readout: Readout,
    non_finite: NonFinite,
    extra: Map<String, Value>,
) -> Answer {
    let Reading {
        polarity,
        intensity,
        meld,
        iemocap,
        disagreements,
    } = read(readout, p);
    let (input, extra) = extra
        .into_iter()
        .partition(|(name, _)| Answer::FIELDS.contains(&name.as_str()));
    let quantile = |q| p.intensity_quantile(q) as f32;
    Answer {
        text,
        polarity: classes(Field::Polarity, polarity.index(), p).unwrap_or_default(),
        intensity: intensity.map(|value| Intensity {
            value,
            low: quantile(0.1),
            high: quantile(0.9),
        }),
        meld: meld.and_then(|emotion| classes(Field::Meld, emotion.index(), p)),
        iemocap: iemocap.and_then(|emotion| classes(Field::Iemocap, emotion.index(), p)),
        disagreements,
        non_finite,
        rests_on: None,
        extra,
        input,
    }
}

/// The class chosen of a field, beside the probabilities of all.
fn classes(field: Field, chosen: usize, p: &Prediction) -> Option<Classes> {
    let (names, probabilities) = (field.classes()?, p.classes(field)?);
    let names = names.iter().map(|&name| name.to_owned());
    let probabilities = probabilities.iter().map(|&q| q as f32);
    Some(Classes {
        label: field.classes()?.get(chosen).copied()?.to_owned(),
        probabilities: names.zip(probabilities).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use serde_json::json;
    use unimse_labels::{PlainLabel, Polarity};

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
                intensity: Some(1.0),
                ..PlainLabel::of_polarity(Polarity::Positive)
            },
            repairs: 0,
            parsable: true,
        };
        let Value::Object(extra) = json!({"id": 7, "polarity": "gold", "meld": ["x"], "input": 1})
        else {
            panic!("an object");
        };
        let counts = NonFinite { audio: 2, video: 0 };
        let found = answer("hello".into(), &p, Readout::TRAINING, counts, extra);
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            concat!(
                r#"{"text":"hello","polarity":{"label":"positive","probabilities":{"negative":0.25,"neutral":0.25,"positive":0.5}},"#,
                r#""intensity":{"value":0.25,"low":-1.0,"high":1.0},"disagreements":[],"non_finite":{"audio":2},"id":7,"#,
                r#""input":{"polarity":"gold","meld":["x"],"input":1}}"#
            )
        );
    }
}
