//! What an answer rests on: the modalities that were read, and how it changes without a part of the row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answer, ByName, Classes};

/// What the answer to a row of a clip rests on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RestsOn {
    /// The modalities that were read: `text`, `audio`, `video`.
    pub read: Vec<String>,
    /// The words for the voice that the model read in front of the text, as `(loud, high, fast)`; absent where it reads none, or there is none to tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// Those that the model reads and the row lacks, and why.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub absent: ByName<String>,
    /// The answer without `audio`, without `video` and without `audio and video`, as far as something is left then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Without>,
}

/// What the model says without a part of the row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Without {
    /// What was left out: a modality, or a JSON pointer to it or to a turn of the context.
    pub part: String,
    /// The polarity that is then the most probable one.
    pub polarity: String,
    /// What the part adds to the probability of the polarity that was answered: with it minus without it.
    pub polarity_change: f32,
    /// What it adds to the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity_change: Option<f32>,
    /// What it adds to the probability of MELD's emotion that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meld_change: Option<f32>,
    /// What it adds to the probability of IEMOCAP's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iemocap_change: Option<f32>,
}

impl Without {
    /// The answer to the `whole` row beside that `without` a part of it.
    #[must_use]
    pub fn new(part: String, whole: &Answer, without: &Answer) -> Self {
        let both = |whole: &Option<Classes>, without: &Option<Classes>| {
            Some(change(whole.as_ref()?, without.as_ref()?))
        };
        let scores = whole.intensity.zip(without.intensity);
        Self {
            part,
            polarity: without.polarity.label.clone(),
            polarity_change: change(&whole.polarity, &without.polarity),
            intensity_change: scores.map(|(whole, without)| whole.value - without.value),
            meld_change: both(&whole.meld, &without.meld),
            iemocap_change: both(&whole.iemocap, &without.iemocap),
        }
    }
}

/// The probability of the class that `whole` chose, minus that which it has in `without`.
fn change(whole: &Classes, without: &Classes) -> f32 {
    let of = |classes: &Classes| classes.probabilities.get(&whole.label).copied();
    of(whole).unwrap_or_default() - of(without).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_that_of_the_class_that_was_answered() {
        let classes = |label: &str, p: f32| Classes {
            label: label.to_owned(),
            probabilities: [("no".to_owned(), 1.0 - p), ("yes".to_owned(), p)]
                .into_iter()
                .collect(),
        };
        assert_eq!(
            change(&classes("yes", 0.75), &classes("no", 0.25)),
            0.75 - 0.25
        );
        assert_eq!(
            change(&classes("no", 0.25), &classes("no", 0.5)),
            0.75 - 0.5
        );
    }
}
