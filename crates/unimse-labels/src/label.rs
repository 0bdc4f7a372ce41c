//! Labels: the universal label with its provenance, and the plain values alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Field, Grammar, IemocapEmotion, MeldEmotion, ParseError, Polarity, Source};

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

/// The values of a universal label: what [`Grammar`] writes and reads.
///
/// Text and back by the default grammar, all fields and one decimal; reading repairs in silence what
/// [`Grammar::parse`] would list. Labels are ordered by their fields in turn, an unknown value before every known one.
///
/// ```
/// use unimse_labels::PlainLabel;
///
/// let label: PlainLabel = "Positive,1.6,joy".parse()?;
/// assert_eq!(label.to_string(), "positive,1.6,joy,unknown");
/// assert!(label > "negative,-3.0,anger,anger".parse()?);
/// # Ok::<(), unimse_labels::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
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

impl fmt::Display for PlainLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Grammar::new(&Field::ALL).format(self))
    }
}

impl FromStr for PlainLabel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parsed = Grammar::new(&Field::ALL).parse(text)?;
        Ok(parsed.label)
    }
}
