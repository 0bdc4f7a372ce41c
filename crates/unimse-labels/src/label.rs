//! Labels: the universal label with its provenance, and the plain values alone.

use serde::{Deserialize, Serialize};

use crate::{IemocapEmotion, MeldEmotion, Polarity, Source};

/// The utterance that lent a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Donor {
    /// Corpus of the donor.
    pub corpus: String,
    /// Its utterance.
    pub utterance_id: String,
    /// Cosine of the two sentence embeddings.
    pub similarity: f32,
    /// `similarity` minus that of the second best candidate; `None` where there was one candidate only.
    pub margin: Option<f32>,
}

/// The value of a field with its provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled<T> {
    /// The value; `None` exactly where `source` is [`Source::Missing`].
    pub value: Option<T>,
    /// Where it came from.
    pub source: Source,
    /// Who lent it; `Some` exactly where `source` is [`Source::Donor`].
    pub donor: Option<Donor>,
}

impl<T> Labelled<T> {
    /// A field without a value.
    pub const MISSING: Self = Self {
        value: None,
        source: Source::Missing,
        donor: None,
    };

    /// A value of the corpus itself.
    pub fn gold(value: T) -> Self {
        Self {
            value: Some(value),
            source: Source::Gold,
            donor: None,
        }
    }

    /// A value by the rule for neutral utterances.
    pub fn rule(value: T) -> Self {
        Self {
            value: Some(value),
            source: Source::Rule,
            donor: None,
        }
    }

    /// A value that `donor` lent.
    pub fn lent(value: T, donor: Donor) -> Self {
        Self {
            value: Some(value),
            source: Source::Donor,
            donor: Some(donor),
        }
    }
}

/// The universal label of paper section 3.2, every field with its provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UniversalLabel {
    /// Always of the utterance itself: donors are sought within it.
    pub polarity: Polarity,
    /// Strength of the sentiment in [-3, 3].
    pub intensity: Labelled<f32>,
    /// Emotion in the taxonomy of MELD.
    pub meld: Labelled<MeldEmotion>,
    /// Emotion in the taxonomy of IEMOCAP.
    pub iemocap: Labelled<IemocapEmotion>,
}

impl UniversalLabel {
    /// The values without their provenance.
    pub fn plain(&self) -> PlainLabel {
        PlainLabel {
            polarity: self.polarity,
            intensity: self.intensity.value,
            meld: self.meld.value,
            iemocap: self.iemocap.value,
        }
    }
}

/// The values of a universal label: what [`Grammar`](crate::Grammar) writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlainLabel {
    /// Direction of the sentiment.
    pub polarity: Polarity,
    /// Strength of the sentiment in [-3, 3].
    pub intensity: Option<f32>,
    /// Emotion in the taxonomy of MELD.
    pub meld: Option<MeldEmotion>,
    /// Emotion in the taxonomy of IEMOCAP.
    pub iemocap: Option<IemocapEmotion>,
}
