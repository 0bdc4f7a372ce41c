//! The voice of an utterance in words: with `model.voice_in_words` its text begins with how loud, how high and how fast it is spoken, as in
//! `(loud, high, fast) That is great.` (ours; in the manner of Wu et al. 2024, "Beyond silent letters").
//!
//! The words are of columns of the audio features, known by their names. In each corpus the values of its train rows are cut in three parts with as
//! many rows each: no row of dev or test moves a cut. What is cut are standardised features ([`Normaliser`]), the mean over the steps of a row.
//! The cuts are kept with the model, so training, `evaluate`, `predict` and `serve` say the same of the same sound.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unimse_corpus::{Corpus, Sequence};
use unimse_labels::Split;
use unimse_model::Modality;

use crate::data::normaliser::Normaliser;

/// What is told of a voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// How loud.
    Loudness,
    /// How high; nothing is told of a row without voice, whose pitch is 0.
    Pitch,
    /// Syllables a second, about.
    Rate,
}

impl Quality {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Loudness, Self::Pitch, Self::Rate];

    /// The feature columns that tell it: ours (`unimse_media::prosody`), and openSMILE's in eGeMAPS.
    #[must_use]
    pub const fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Loudness => ["loudness_mean", "loudness_sma3_amean"],
            Self::Pitch => ["f0_mean", "F0semitoneFrom27.5Hz_sma3nz_amean"],
            Self::Rate => ["loudness_peaks", "loudnessPeaksPerSec"],
        }
    }

    /// The words for the lowest third, the middle one and the highest one.
    #[must_use]
    pub const fn words(self) -> [&'static str; 3] {
        match self {
            Self::Loudness => ["quiet", "moderate", "loud"],
            Self::Pitch => ["low", "middle", "high"],
            Self::Rate => ["slow", "steady", "fast"],
        }
    }
}

/// The places of the columns in a step.
type Places = BTreeMap<Quality, usize>;

/// Where the train values of one column are cut in three; standardised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thirds {
    /// Place of the column in a step, from 0.
    column: usize,
    /// What lies below it is in the lowest third.
    low: f32,
    /// What lies above it is in the highest third.
    high: f32,
    /// The value of a row that has none: of pitch what 0 is when standardised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<f32>,
}

impl Thirds {
    /// Cuts `values`, one a row; `None` where there is none.
    fn of(column: usize, missing: Option<f32>, mut values: Vec<f32>) -> Option<Self> {
        values.sort_by(f32::total_cmp);
        Some(Self {
            column,
            low: quantile(&values, 1.0 / 3.0)?,
            high: quantile(&values, 2.0 / 3.0)?,
            missing,
        })
    }

    /// 0, 1 or 2 from the lowest to the highest third; `None` where the row has no value.
    fn third(&self, audio: &Sequence) -> Option<usize> {
        let value = value(audio, self.column, self.missing)?;
        Some(match value {
            value if value < self.low => 0,
            value if value > self.high => 2,
            _ => 1,
        })
    }
}

/// The cuts of features of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bins {
    /// Features a step.
    dim: usize,
    /// The cuts of what the features tell; empty where they have no such column.
    thirds: BTreeMap<Quality, Thirds>,
}

/// The cuts of all train rows of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// Of each corpus that has audio in train.
    corpora: BTreeMap<String, Bins>,
    /// Of all of them together, one for each size of features that has such columns: for rows of no corpus of training.
    others: Vec<Bins>,
}

impl Voice {
    /// Cuts the train rows of `corpora`, whose features `normaliser` has standardised.
    #[must_use]
    pub fn fit<'a>(corpora: impl IntoIterator<Item = &'a Corpus>, normaliser: &Normaliser) -> Self {
        let (mut own, mut others) = (BTreeMap::new(), Vec::<Heard>::new());
        for corpus in corpora {
            let Some(heard) = Heard::of(corpus, normaliser) else {
                continue;
            };
            own.insert(corpus.name.clone(), heard.clone().cut());
            match others.iter_mut().find(|other| other.dim == heard.dim) {
                _ if heard.places.is_empty() => {}
                None => others.push(heard),
                Some(other) if other.places == heard.places => other.take(heard),
                Some(_) => {} // features of one size with the columns at other places
            }
        }
        Self {
            corpora: own,
            others: others.into_iter().map(Heard::cut).collect(),
        }
    }

    /// Whether it says nothing of any row: no features have such columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// What is told of the voice of a row with these standardised features, in brackets, as `(quiet, low)`. A row of a corpus of training is compared with
    /// the rows of that corpus, another one with those of all corpora. `None` without audio or without such columns.
    #[must_use]
    pub fn words(&self, corpus: Option<&str>, audio: Option<&Sequence>) -> Option<String> {
        let audio = audio?;
        let own = corpus.and_then(|name| self.corpora.get(name));
        let fits = |bins: &&Bins| bins.dim == audio.dim;
        let bins = own.filter(fits).or_else(|| self.others.iter().find(fits))?;
        let told = bins.thirds.iter();
        let told = told.filter_map(|(quality, cuts)| Some(quality.words()[cuts.third(audio)?]));
        let told: Vec<&str> = told.collect();
        (!told.is_empty()).then(|| format!("({})", told.join(", ")))
    }
}

/// The words of a voice in front of what is said.
#[must_use]
pub fn before(words: &str, text: &str) -> String {
    if text.trim().is_empty() {
        words.to_owned()
    } else {
        format!("{words} {text}")
    }
}

/// The values of the train rows of a corpus, or of several.
#[derive(Clone)]
struct Heard {
    dim: usize,
    places: Places,
    missing: Option<f32>,
    values: BTreeMap<Quality, Vec<f32>>,
}

impl Heard {
    /// `None` where no train row has audio.
    fn of(corpus: &Corpus, normaliser: &Normaliser) -> Option<Self> {
        let rows = corpus.utterances.iter().filter(|u| u.split == Split::Train);
        let audio: Vec<&Sequence> = rows.filter_map(|u| u.audio.as_ref()).collect();
        let dim = audio.iter().find(|s| s.steps() > 0)?.dim;
        let places = places(corpus, dim);
        let pitch = places.get(&Quality::Pitch);
        let missing =
            pitch.and_then(|&column| normaliser.standardised(Modality::Audio, dim, column, 0.0));
        let mut heard = Self {
            dim,
            missing,
            values: BTreeMap::new(),
            places,
        };
        for (&quality, &column) in &heard.places {
            let missing = heard.missing_of(quality);
            let values = audio.iter().filter(|s| s.dim == dim);
            let values = values.filter_map(|s| value(s, column, missing));
            heard.values.insert(quality, values.collect());
        }
        Some(heard)
    }

    fn missing_of(&self, quality: Quality) -> Option<f32> {
        self.missing.filter(|_| quality == Quality::Pitch)
    }

    fn take(&mut self, other: Self) {
        for (quality, values) in other.values {
            self.values.entry(quality).or_default().extend(values);
        }
    }

    fn cut(self) -> Bins {
        let cut = |(&quality, &column): (&Quality, &usize)| {
            let values = self.values.get(&quality).cloned().unwrap_or_default();
            let cuts = Thirds::of(column, self.missing_of(quality), values)?;
            Some((quality, cuts))
        };
        Bins {
            dim: self.dim,
            thirds: self.places.iter().filter_map(cut).collect(),
        }
    }
}

/// The columns that the card of the corpus' audio names, of features of `dim` numbers a step.
fn places(corpus: &Corpus, dim: usize) -> Places {
    let card = corpus.features.audio.as_ref();
    let columns = card.map_or(&[][..], |card| &card.columns);
    let place = |quality: Quality| {
        let named = |column: &String| quality.columns().contains(&column.as_str());
        let place = columns
            .iter()
            .position(named)
            .filter(|&place| place < dim)?;
        Some((quality, place))
    };
    Quality::ALL.into_iter().filter_map(place).collect()
}

/// The mean of a column over the steps of a row; `None` without a step, and where it is `missing`.
fn value(audio: &Sequence, column: usize, missing: Option<f32>) -> Option<f32> {
    let steps = audio.values.chunks_exact(audio.dim.max(1));
    let values = steps.filter_map(|step| step.get(column).copied());
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| {
        (sum + f64::from(value), n + 1.0)
    });
    let mean = (sum / n) as f32; // of n equal values that value, to the bit
    (n > 0.0 && Some(mean) != missing).then_some(mean)
}

/// The value below which a share of `sorted` lies, between neighbours by a straight line; `None` of nothing.
fn quantile(sorted: &[f32], share: f64) -> Option<f32> {
    let last = sorted.len().checked_sub(1)?;
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    let (below, above) = (f64::from(below), f64::from(above));
    Some((below + at.fract() * (above - below)) as f32)
}

#[cfg(test)]
mod tests;
