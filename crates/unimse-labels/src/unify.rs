//! The protocol of unification: who asks, who gives, and what every field ends up with.

use std::collections::HashMap;

use thiserror::Error;

use crate::control::Embedded;
use crate::search::{Best, Block, Candidate, Key, Matches, SearchError, fault, insert, search};
use crate::{
    Donor, DonorProtocol, Field, IemocapEmotion, Labelled, MeldEmotion, PerField, Polarity, Sample,
    UnifyOptions, UniversalLabel, fields_present,
};

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
    /// The donor search refused its rows.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Two samples have the same name.
    #[error("{corpus} {utterance_id} occurs twice, expected every utterance once")]
    Duplicate {
        /// Corpus of the utterance.
        corpus: String,
        /// The utterance.
        utterance_id: String,
    },
    /// Whoever asked for the labels wants them no more.
    #[error("interrupted")]
    Interrupted,
    /// A row of a stream has a field of its own that no donor has.
    #[error("{field}: the rows that ask have it and no donor has")]
    Field {
        /// The field.
        field: Field,
    },
    /// The least similarity is no cosine.
    #[error("minimum similarity {found}, expected a cosine in [-1, 1]")]
    MinSimilarity {
        /// The option.
        found: f32,
    },
}

/// Gives every sample the fields it lacks (paper section 3.2).
///
/// A field that its corpus gives stays as it is (gold). A neutral utterance follows the rule intensity 0, emotion
/// neutral. Every other field comes from the donor: the arg max of the cosine among the samples that have the field
/// as gold, share the polarity and are not of the same corpus and group; ties go to the lowest
/// (corpus, utterance_id). A field that no sample of the run has is missing everywhere, and so is one without a
/// donor, or with a best similarity below `min_similarity`. Under [`DonorProtocol::None`] every field but a gold one is missing; the
/// controls [`DonorProtocol::Random`] and [`DonorProtocol::Shuffled`] replace the donors that were found, none of which then has a margin.
///
/// `embeddings` is row-major [samples, dim] with rows of unit length. The result is in the order of the samples:
/// `None` where the polarity is `None`. A row that does not ask under [`UnifyOptions::queries`] (by default one of test) holds its gold
/// fields only.
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
    unify_while(samples, embeddings, dim, options, || true)
}

/// As [`unify`], for as long as `wanted` says so: it is asked before every pair of blocks of some 16,000 rows.
///
/// # Errors
/// As [`unify`], and [`UnifyError::Interrupted`].
pub fn unify_while(
    samples: &[Sample],
    embeddings: &[f32],
    dim: usize,
    options: &UnifyOptions,
    wanted: impl Fn() -> bool,
) -> Result<Vec<Option<UniversalLabel>>, UnifyError> {
    check(samples, embeddings, dim, options)?;
    let order = rank(samples)?;
    let rows = Embedded {
        samples,
        order: &order,
        embeddings,
        dim,
    };
    let mut donors = donors(rows, options, &wanted)?;
    keep_similar(&mut donors, options);
    match options.donors {
        DonorProtocol::Random => rows.draw(&mut donors, options),
        DonorProtocol::Shuffled => rows.shuffle(&mut donors, options),
        DonorProtocol::Train | DonorProtocol::All | DonorProtocol::None => {}
    }
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
        let found = |field: Field| donors[field][at];
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
        found: Best,
        neutral: T,
        gold: fn(&Sample) -> Option<T>,
    ) -> Labelled<T> {
        if let Some(value) = gold(self.sample) {
            return Labelled::gold(value);
        }
        let alone = self.options.donors == DonorProtocol::None;
        if alone || !self.present.contains(&field) || !self.options.asks(self.sample) {
            return Labelled::MISSING;
        }
        if self.polarity == Polarity::Neutral {
            return Labelled::rule(neutral);
        }
        let mut found = found
            .into_iter()
            .take_while(|donor| *donor != Candidate::NONE);
        let (best, second) = (found.next(), found.next());
        let lent = best.and_then(|best| {
            let donor = &self.samples[*self.order.get(best.rank as usize)?];
            let name = Donor {
                corpus: donor.corpus.clone(),
                utterance_id: donor.utterance_id.clone(),
                similarity: best.similarity,
                margin: second.map(|second| best.similarity - second.similarity),
            };
            Some(Labelled::lent(gold(donor)?, name))
        });
        lent.unwrap_or(Labelled::MISSING)
    }
}

/// Leaves no donor where the nearest is less similar than asked for.
fn keep_similar(donors: &mut PerField<Vec<Best>>, options: &UnifyOptions) {
    let least = options.min_similarity.unwrap_or(f32::NEG_INFINITY);
    for field in Field::BORROWED {
        for best in donors[field]
            .iter_mut()
            .filter(|best| best[0].similarity < least)
        {
            *best = [Candidate::NONE; 2];
        }
    }
}

/// Rows copied together for the search: 25 MB at 384 dimensions.
const ROWS: usize = 16 * 1024;

/// Samples that are searched together: their rows of the embeddings and their keys.
#[derive(Default)]
pub(crate) struct Class {
    pub(crate) rows: Vec<usize>,
    pub(crate) keys: Vec<Key>,
}

impl Class {
    /// Blocks of the rows of `embeddings` [samples, dim], copied one block at a time.
    pub(crate) fn blocks<'a>(
        &'a self,
        embeddings: &'a [f32],
        dim: usize,
    ) -> impl Iterator<Item = Result<Block<Vec<f32>>, SearchError>> + 'a {
        let parts = self.rows.chunks(ROWS).zip(self.keys.chunks(ROWS));
        parts.map(move |(rows, keys)| {
            let mut values = Vec::with_capacity(rows.len() * dim);
            for &row in rows {
                values.extend_from_slice(&embeddings[row * dim..][..dim]);
            }
            let keys = keys.to_vec();
            Ok(Block { values, keys })
        })
    }

    /// The same blocks for as long as they are wanted.
    fn wanted<'a>(
        &'a self,
        rows: Embedded<'a>,
        wanted: &'a impl Fn() -> bool,
    ) -> impl Iterator<Item = Result<Block<Vec<f32>>, UnifyError>> + 'a {
        let blocks = self.blocks(rows.embeddings, rows.dim);
        blocks.map(move |block| match wanted() {
            true => block.map_err(UnifyError::from),
            false => Err(UnifyError::Interrupted),
        })
    }
}

/// The best donor and the runner-up of every sample, by field; [`Candidate::NONE`] where there are fewer.
///
/// Samples of a polarity fall into classes by the set of fields they have. Two classes that lack different fields are
/// searched against each other once, for both directions.
fn donors(
    rows: Embedded<'_>,
    options: &UnifyOptions,
    wanted: &impl Fn() -> bool,
) -> Result<PerField<Vec<Best>>, UnifyError> {
    let (samples, dim) = (rows.samples, rows.dim);
    let mut best = PerField::<Vec<Best>>::default();
    for field in Field::BORROWED {
        best[field] = vec![[Candidate::NONE; 2]; samples.len()];
    }
    for classes in classes(samples, rows.order, options) {
        for (a, left) in classes.iter().enumerate() {
            for (b, right) in classes.iter().enumerate().skip(a + 1) {
                if left.rows.is_empty() || right.rows.is_empty() {
                    continue;
                }
                let (of_left, of_right) = search(dim, 2, left.wanted(rows, wanted), || {
                    right.wanted(rows, wanted)
                })?;
                for field in Field::BORROWED {
                    let (from_left, from_right) = (a & bit(field) != 0, b & bit(field) != 0);
                    let best = &mut best[field];
                    let mut add = |class: &Class, found: &Matches| {
                        for (at, &row) in class.rows.iter().enumerate() {
                            found
                                .of(at)
                                .iter()
                                .for_each(|&candidate| insert(&mut best[row], candidate));
                        }
                    };
                    if from_right && !from_left {
                        add(left, &of_left);
                    }
                    if from_left && !from_right {
                        add(right, &of_right);
                    }
                }
            }
        }
    }
    Ok(best)
}
/// The samples of either polarity that takes donors, by the set of fields they have.
///
/// Within a class those that give come first, so that whole tiles of others can be skipped; the others neither give nor
/// ask and are left out.
fn classes(samples: &[Sample], order: &[usize], options: &UnifyOptions) -> [[Class; 8]; 2] {
    let mut classes = <[[Class; 8]; 2]>::default();
    let mut groups = HashMap::new();
    for gives in [true, false] {
        for (rank, &row) in order.iter().enumerate() {
            let sample = &samples[row];
            let side = match sample.polarity {
                Some(Polarity::Negative) => 0,
                Some(Polarity::Positive) => 1,
                _ => continue,
            };
            let asks = options.asks(sample);
            if options.gives(sample) != gives || !(asks || gives) {
                continue;
            }
            // ranks and groups count samples, and 2^32 of those fit in no memory
            let next = groups.len() as u32;
            let group = groups.entry((&sample.corpus, &sample.group));
            let group = *group.or_insert(next);
            let class = &mut classes[side][signature(sample)];
            class.rows.push(row);
            class.keys.push(Key {
                rank: rank as u32,
                group,
                asks,
                gives,
            });
        }
    }
    classes
}

/// The set of fields that a sample has, as bits.
fn signature(sample: &Sample) -> usize {
    Field::BORROWED
        .into_iter()
        .filter(|&field| sample.has(field))
        .map(bit)
        .sum()
}

fn bit(field: Field) -> usize {
    let place = Field::BORROWED.iter().position(|&one| one == field);
    place.map_or(0, |place| 1 << place)
}

/// The samples in the order of (corpus, utterance_id): position there is the rank that breaks ties.
pub(crate) fn rank(samples: &[Sample]) -> Result<Vec<usize>, UnifyError> {
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

pub(crate) fn check(
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
