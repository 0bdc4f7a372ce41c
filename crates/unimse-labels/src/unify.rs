//! The protocol of unification: who asks, who gives, and what every field ends up with.

use std::collections::HashMap;

use thiserror::Error;

use crate::names::vocabulary;
use crate::nearest::{Item, Nearest, nearest};
use crate::{
    Donor, Field, IemocapEmotion, Labelled, MeldEmotion, Polarity, Sample, Split, UniversalLabel,
    fields_present,
};

vocabulary! {
    /// Who lends labels.
    DonorProtocol, "donor protocol":
    /// Utterances of the train splits.
    Train = "train",
    /// Utterances of every split, as in the official release: labels of test rows leak into training.
    All = "all",
}

vocabulary! {
    /// Who takes labels.
    QueryProtocol, "query protocol":
    /// Utterances of the train and dev splits; test rows keep their gold fields only.
    TrainDev = "train+dev",
    /// Utterances of every split: a diagnostic that training must not read.
    All = "all",
}

/// How [`unify`] works. The default is the clean protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnifyOptions {
    /// Default: train.
    pub donors: DonorProtocol,
    /// Default: train and dev.
    pub queries: QueryProtocol,
    /// A best cosine below this lends nothing. Default: none.
    pub min_similarity: Option<f32>,
}

impl Default for UnifyOptions {
    fn default() -> Self {
        Self {
            donors: DonorProtocol::Train,
            queries: QueryProtocol::TrainDev,
            min_similarity: None,
        }
    }
}

impl UnifyOptions {
    fn gives(&self, sample: &Sample) -> bool {
        self.donors == DonorProtocol::All || sample.split == Split::Train
    }

    fn asks(&self, sample: &Sample) -> bool {
        self.queries == QueryProtocol::All || sample.split != Split::Test
    }
}

/// Samples or embeddings that cannot be unified.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum UnifyError {
    /// The embeddings do not hold one row a sample.
    #[error("embeddings hold {found} values, expected {samples} samples x {dim} dimensions")]
    Shape {
        /// Number of samples.
        samples: usize,
        /// Width of a row.
        dim: usize,
        /// Number of values.
        found: usize,
    },
    /// An embedding is not a direction: not finite, zero, or not of unit length.
    #[error("embedding of {corpus} {utterance_id}: {found}, expected a finite row of unit length")]
    Embedding {
        /// Corpus of the utterance.
        corpus: String,
        /// The utterance.
        utterance_id: String,
        /// What is wrong with it.
        found: String,
    },
    /// A score is not finite or outside [-3, 3].
    #[error("intensity of {corpus} {utterance_id}: {found}, expected a value in [-3, 3]")]
    Intensity {
        /// Corpus of the utterance.
        corpus: String,
        /// The utterance.
        utterance_id: String,
        /// The score.
        found: f32,
    },
    /// The polarity of a scored utterance is not the sign of its score.
    #[error(
        "polarity of {corpus} {utterance_id}: {found}, expected {expected}, the sign of its intensity"
    )]
    Polarity {
        /// Corpus of the utterance.
        corpus: String,
        /// The utterance.
        utterance_id: String,
        /// Its polarity.
        found: Polarity,
        /// The sign of its intensity.
        expected: Polarity,
    },
    /// Two samples have the same name.
    #[error("{corpus} {utterance_id} occurs twice, expected every utterance once")]
    Duplicate {
        /// Corpus of the utterance.
        corpus: String,
        /// The utterance.
        utterance_id: String,
    },
    /// The least similarity is no cosine.
    #[error("minimum similarity {found}, expected a cosine in [-1, 1]")]
    MinSimilarity {
        /// The option.
        found: f32,
    },
}

/// Rows may miss unit length by this much: far more than f32 rounding, far less than a row that was not normalised.
const UNIT_TOLERANCE: f64 = 1e-3;

/// Gives every sample the fields it lacks (paper section 3.2).
///
/// A field that its corpus gives stays as it is (gold). A neutral utterance follows the rule intensity 0, emotion
/// neutral. Every other field comes from the donor: the arg max of the cosine among the samples that have the field
/// as gold, share the polarity and are not of the same corpus and group; ties go to the lowest
/// (corpus, utterance_id). A field that no sample of the run has is missing everywhere, and so is one without a
/// donor, or with a best similarity below `min_similarity`.
///
/// `embeddings` is row-major [samples, dim] with rows of unit length. The result is in the order of the samples:
/// `None` where the polarity is `None`; under [`QueryProtocol::TrainDev`] test rows hold their gold fields only.
/// Exact, the same for any number of threads; memory beyond input and output is O(samples) and a tile a thread.
///
/// # Errors
/// The first sample or row that breaks these terms, by name.
pub fn unify(
    samples: &[Sample],
    embeddings: &[f32],
    dim: usize,
    options: &UnifyOptions,
) -> Result<Vec<Option<UniversalLabel>>, UnifyError> {
    check(samples, embeddings, dim, options)?;
    let order = rank(samples)?;
    let donors = donors(samples, &order, embeddings, dim, options);
    let present = fields_present(samples);
    let label = |at: usize| {
        let (sample, polarity) = (&samples[at], samples[at].polarity?);
        let complete = Completion {
            samples,
            order: &order,
            sample,
            polarity,
            options,
            present: &present,
        };
        let found = |field: Field| donors[field.index()][at];
        Some(UniversalLabel {
            polarity,
            intensity: complete.field(Field::Intensity, found(Field::Intensity), 0.0, |s| {
                s.intensity
            }),
            meld: complete.field(Field::Meld, found(Field::Meld), MeldEmotion::Neutral, |s| {
                s.meld
            }),
            iemocap: complete.field(
                Field::Iemocap,
                found(Field::Iemocap),
                IemocapEmotion::Neutral,
                |s| s.iemocap,
            ),
        })
    };
    Ok((0..samples.len()).map(label).collect())
}

/// What decides the fields of one sample.
struct Completion<'a> {
    samples: &'a [Sample],
    order: &'a [usize],
    sample: &'a Sample,
    polarity: Polarity,
    options: &'a UnifyOptions,
    present: &'a [Field],
}

impl Completion<'_> {
    fn field<T>(
        &self,
        field: Field,
        found: Nearest,
        neutral: T,
        gold: fn(&Sample) -> Option<T>,
    ) -> Labelled<T> {
        if let Some(value) = gold(self.sample) {
            return Labelled::gold(value);
        }
        if !self.present.contains(&field) || !self.options.asks(self.sample) {
            return Labelled::MISSING;
        }
        if self.polarity == Polarity::Neutral {
            return Labelled::rule(neutral);
        }
        let donor = self.order.get(found.rank).map(|&at| &self.samples[at]);
        let near = self
            .options
            .min_similarity
            .is_none_or(|least| found.similarity >= least);
        match donor.and_then(|donor| Some((gold(donor)?, donor))) {
            Some((value, donor)) if near => Labelled::lent(
                value,
                Donor {
                    corpus: donor.corpus.clone(),
                    utterance_id: donor.utterance_id.clone(),
                    similarity: found.similarity,
                    margin: found
                        .runner_up
                        .is_finite()
                        .then_some(found.similarity - found.runner_up),
                },
            ),
            _ => Labelled::MISSING,
        }
    }
}

/// The nearest donor of every sample, by field.
///
/// Samples of a polarity fall into classes by the set of fields they have. Two classes that lack different fields are
/// searched against each other once, for both directions.
fn donors(
    samples: &[Sample],
    order: &[usize],
    embeddings: &[f32],
    dim: usize,
    options: &UnifyOptions,
) -> [Vec<Nearest>; 3] {
    let mut best = Field::ALL.map(|_| vec![Nearest::NONE; samples.len()]);
    let mut groups = HashMap::new();
    let mut classes: HashMap<Polarity, [Vec<Item>; 8]> = HashMap::new();
    for (rank, &row) in order.iter().enumerate() {
        let sample = &samples[row];
        let next = groups.len();
        let group = *groups
            .entry((&sample.corpus, &sample.group))
            .or_insert(next);
        let item = Item {
            row,
            rank,
            group,
            asks: options.asks(sample),
            gives: options.gives(sample),
        };
        match sample.polarity {
            None | Some(Polarity::Neutral) => {}
            Some(polarity) => classes.entry(polarity).or_default()[signature(sample)].push(item),
        }
    }
    for classes in classes.values() {
        for (a, left) in classes.iter().enumerate() {
            for (b, right) in classes.iter().enumerate().skip(a + 1) {
                if left.is_empty() || right.is_empty() {
                    continue;
                }
                let (of_left, of_right) = nearest(embeddings, dim, left, right);
                for field in Field::ALL {
                    let (from_left, from_right) = (a & bit(field) != 0, b & bit(field) != 0);
                    let best = &mut best[field.index()];
                    if from_right && !from_left {
                        left.iter()
                            .zip(&of_left)
                            .for_each(|(item, found)| best[item.row].merge(*found));
                    }
                    if from_left && !from_right {
                        right
                            .iter()
                            .zip(&of_right)
                            .for_each(|(item, found)| best[item.row].merge(*found));
                    }
                }
            }
        }
    }
    best
}

/// The set of fields that a sample has, as bits.
fn signature(sample: &Sample) -> usize {
    Field::ALL
        .into_iter()
        .filter(|&field| sample.has(field))
        .map(bit)
        .sum()
}

fn bit(field: Field) -> usize {
    1 << field.index()
}

/// The samples in the order of (corpus, utterance_id): position there is the rank that breaks ties.
fn rank(samples: &[Sample]) -> Result<Vec<usize>, UnifyError> {
    let name = |at: usize| (&samples[at].corpus, &samples[at].utterance_id);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_unstable_by_key(|&at| name(at));
    match order.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
        Some(pair) => {
            let (corpus, utterance_id) = (
                samples[pair[0]].corpus.clone(),
                samples[pair[0]].utterance_id.clone(),
            );
            Err(UnifyError::Duplicate {
                corpus,
                utterance_id,
            })
        }
        None => Ok(order),
    }
}

fn check(
    samples: &[Sample],
    embeddings: &[f32],
    dim: usize,
    options: &UnifyOptions,
) -> Result<(), UnifyError> {
    if dim == 0 || Some(embeddings.len()) != samples.len().checked_mul(dim) {
        return Err(UnifyError::Shape {
            samples: samples.len(),
            dim,
            found: embeddings.len(),
        });
    }
    if let Some(found) = options
        .min_similarity
        .filter(|least| !(-1.0..=1.0).contains(least))
    {
        return Err(UnifyError::MinSimilarity { found });
    }
    for (sample, row) in samples.iter().zip(embeddings.chunks_exact(dim)) {
        let (corpus, utterance_id) = (|| sample.corpus.clone(), || sample.utterance_id.clone());
        if let Some(found) = fault(row) {
            return Err(UnifyError::Embedding {
                corpus: corpus(),
                utterance_id: utterance_id(),
                found,
            });
        }
        let Some(found) = sample.intensity else {
            continue;
        };
        if !(-3.0..=3.0).contains(&found) {
            return Err(UnifyError::Intensity {
                corpus: corpus(),
                utterance_id: utterance_id(),
                found,
            });
        }
        let expected = Polarity::from_score(found);
        if let Some(found) = sample.polarity.filter(|&polarity| polarity != expected) {
            return Err(UnifyError::Polarity {
                corpus: corpus(),
                utterance_id: utterance_id(),
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// What keeps a row from being a unit vector.
fn fault(row: &[f32]) -> Option<String> {
    if let Some((at, value)) = row.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Some(format!("{value} in column {at}"));
    }
    let length = row
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    if length == 0.0 {
        Some("all zero".to_owned())
    } else if (length - 1.0).abs() > UNIT_TOLERANCE {
        Some(format!("length {length:.4}"))
    } else {
        None
    }
}
