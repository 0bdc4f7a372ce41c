//! How well donors predict labels that are known: the measure of what a lent label is worth.

use std::cmp::Ordering;
use std::collections::HashMap;

use rayon::prelude::*;

use crate::names::vocabulary;
use crate::search::{Key, search};
use crate::unify::{Class, check, rank};
use crate::{BasicEmotion, Field, Polarity, Sample, UnifyError, UnifyOptions};

vocabulary! {
    /// What donors are asked for, and who judges their answer.
    Question, "question":
    /// The polarity of utterances of MELD, whose annotators gave one: donors with an intensity, sought without the filter by
    /// polarity.
    Polarity = "polarity",
    /// The intensity of utterances that have one: donors of the same corpus and polarity.
    Intensity = "intensity",
    /// The MELD emotion of utterances that have one: donors of the same corpus and polarity.
    Meld = "meld",
    /// The IEMOCAP emotion of utterances that have one: donors of the same corpus and polarity.
    Iemocap = "iemocap",
    /// The basic emotion, where it is known, of utterances without a MELD emotion: the donors that [`unify`](crate::unify) finds.
    MeldAcross = "meld across corpora",
    /// The basic emotion, where it is known, of utterances without an IEMOCAP emotion: the donors that
    /// [`unify`](crate::unify) finds.
    IemocapAcross = "iemocap across corpora",
}

/// The answers to one question in one corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// What was asked.
    pub question: Question,
    /// The corpus whose labels were predicted.
    pub corpus: String,
    /// One a predicted utterance, in the order of the samples.
    pub rows: Vec<Judged>,
}

/// How good three predictions of one label are: 1 for the right class and 0 for another; for an intensity the absolute
/// error, where less is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Number of the dialogue or video: what a bootstrap should draw, for utterances of one group are alike.
    pub group: u32,
    /// The nearest donor.
    pub donor: f64,
    /// A donor drawn at random: the exact mean over all admissible ones.
    pub random: f64,
    /// The most frequent class among all admissible donors; for an intensity their median, the lower of two.
    pub majority: f64,
}

/// A label as it is compared; those of one question are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Value {
    Class(usize),
    Number(f32),
}

impl Value {
    fn judge(self, truth: Self) -> f64 {
        match (self, truth) {
            (Self::Number(a), Self::Number(b)) => f64::from((a - b).abs()),
            (a, b) => f64::from(u8::from(a == b)),
        }
    }
}

/// Asks donors for labels that are known, each question in each corpus that can answer it.
///
/// The terms are those of [`unify`](crate::unify): who asks, who gives, the same polarity (but for
/// [`Question::Polarity`]), never the same dialogue or video; neutral utterances need no donor and are left out (but for
/// the polarity). So with the default options no label of a test row is read. `min_similarity` is not applied. `basic` is
/// the basic emotion of the sample at an index, from wherever it is known ([`Sample::basic`] for MELD and IEMOCAP).
///
/// # Errors
/// As [`unify`](crate::unify).
pub fn agreement(
    samples: &[Sample],
    embeddings: &[f32],
    dim: usize,
    options: &UnifyOptions,
    basic: impl Fn(usize) -> Option<BasicEmotion> + Sync,
) -> Result<Vec<Agreement>, UnifyError> {
    check(samples, embeddings, dim, options)?;
    let (order, groups) = (rank(samples)?, groups(samples));
    let mut corpora: Vec<&str> = samples
        .iter()
        .map(|sample| sample.corpus.as_str())
        .collect();
    corpora.sort_unstable();
    corpora.dedup();
    let mut all = Vec::new();
    for question in Question::ALL {
        for &corpus in &corpora {
            let mut rows = Vec::new();
            for polarity in polarities(question) {
                let terms = Terms {
                    question,
                    corpus,
                    polarity,
                    options,
                };
                let value = |at: usize| terms.value(&samples[at], basic(at));
                let members = |role: &dyn Fn(&Sample) -> bool| -> Vec<(usize, Value)> {
                    let chosen = order.iter().filter(|&&at| role(&samples[at]));
                    chosen.filter_map(|&at| Some((at, value(at)?))).collect()
                };
                let queries = members(&|sample| terms.asks(sample));
                let donors = members(&|sample| terms.gives(sample));
                rows.extend(judge(&queries, &donors, &groups, embeddings, dim)?);
            }
            rows.sort_by_key(|&(at, _)| at);
            let rows: Vec<Judged> = rows.into_iter().map(|(_, judged)| judged).collect();
            if !rows.is_empty() {
                let corpus = corpus.to_owned();
                all.push(Agreement {
                    question,
                    corpus,
                    rows,
                });
            }
        }
    }
    Ok(all)
}

/// The polarities that are searched apart; `None`: all at once.
fn polarities(question: Question) -> Vec<Option<Polarity>> {
    match question {
        Question::Polarity => vec![None],
        _ => vec![Some(Polarity::Negative), Some(Polarity::Positive)],
    }
}

/// Who is asked what.
struct Terms<'a> {
    question: Question,
    corpus: &'a str,
    polarity: Option<Polarity>,
    options: &'a UnifyOptions,
}

impl Terms<'_> {
    fn polar(&self, sample: &Sample) -> bool {
        sample.polarity.is_some() && (self.polarity.is_none() || sample.polarity == self.polarity)
    }

    fn asks(&self, sample: &Sample) -> bool {
        let fit = match self.question {
            Question::Polarity => sample.has(Field::Meld) && !sample.has(Field::Intensity),
            Question::Intensity => sample.has(Field::Intensity),
            Question::Meld => sample.has(Field::Meld),
            Question::Iemocap => sample.has(Field::Iemocap),
            Question::MeldAcross => !sample.has(Field::Meld),
            Question::IemocapAcross => !sample.has(Field::Iemocap),
        };
        fit && sample.corpus == self.corpus && self.polar(sample) && self.options.asks(sample)
    }

    fn gives(&self, sample: &Sample) -> bool {
        let own = sample.corpus == self.corpus;
        let fit = match self.question {
            Question::Polarity => sample.has(Field::Intensity),
            Question::Intensity => own && sample.has(Field::Intensity),
            Question::Meld => own && sample.has(Field::Meld),
            Question::Iemocap => own && sample.has(Field::Iemocap),
            Question::MeldAcross => sample.has(Field::Meld),
            Question::IemocapAcross => sample.has(Field::Iemocap),
        };
        fit && self.polar(sample) && self.options.gives(sample)
    }

    fn value(&self, sample: &Sample, basic: Option<BasicEmotion>) -> Option<Value> {
        match self.question {
            Question::Polarity => sample.polarity.map(|value| Value::Class(value.index())),
            Question::Intensity => sample.intensity.map(Value::Number),
            Question::Meld => sample.meld.map(|value| Value::Class(value.index())),
            Question::Iemocap => sample.iemocap.map(|value| Value::Class(value.index())),
            Question::MeldAcross | Question::IemocapAcross => {
                basic.map(|value| Value::Class(value.index()))
            }
        }
    }
}

/// A number a dialogue or video.
fn groups(samples: &[Sample]) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let mut groups = Vec::with_capacity(samples.len());
    for sample in samples {
        let next = numbers.len() as u32;
        groups.push(
            *numbers
                .entry((&sample.corpus, &sample.group))
                .or_insert(next),
        );
    }
    groups
}

/// The predictions for every query that has a donor, with the index of its sample.
fn judge(
    queries: &[(usize, Value)],
    donors: &[(usize, Value)],
    groups: &[u32],
    embeddings: &[f32],
    dim: usize,
) -> Result<Vec<(usize, Judged)>, UnifyError> {
    if donors.is_empty() {
        return Ok(Vec::new());
    }
    let mut ranked = donors.to_vec();
    ranked.sort_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let class = |members: &[(usize, Value)], asks: bool| Class {
        rows: members.iter().map(|&(at, _)| at).collect(),
        keys: (0..)
            .zip(members)
            .map(|(rank, &(at, _))| Key {
                rank,
                group: groups[at],
                asks,
                gives: !asks,
            })
            .collect(),
    };
    let (left, right) = (class(queries, true), class(donors, false));
    let (found, _) = search(dim, 1, left.blocks(embeddings, dim), || {
        right.blocks(embeddings, dim)
    })?;
    let predictions = |(place, &(at, truth)): (usize, &(usize, Value))| {
        let nearest = donors[found.of(place).first()?.rank as usize].1;
        let other =
            |(donor, value): &(usize, Value)| (groups[*donor] != groups[at]).then_some(*value);
        let (sum, count) = donors
            .iter()
            .filter_map(other)
            .fold((0.0, 0_usize), |(sum, count), value| {
                (sum + value.judge(truth), count + 1)
            });
        let majority = majority(ranked.iter().filter_map(other), count)?;
        Some((
            at,
            Judged {
                group: groups[at],
                donor: nearest.judge(truth),
                random: sum / count as f64,
                majority: majority.judge(truth),
            },
        ))
    };
    Ok(queries
        .par_iter()
        .enumerate()
        .filter_map(predictions)
        .collect())
}

/// The most frequent class of `count` values in their order, the first among equals; the median of numbers, the lower of
/// two.
fn majority(ranked: impl Iterator<Item = Value>, count: usize) -> Option<Value> {
    let mut ranked = ranked.peekable();
    if let Some(Value::Number(_)) = ranked.peek() {
        return ranked.nth(count.saturating_sub(1) / 2);
    }
    let (mut best, mut most, mut run) = (None, 0, 0);
    while let Some(value) = ranked.next() {
        run += 1;
        if run > most {
            (best, most) = (Some(value), run);
        }
        if ranked.peek() != Some(&value) {
            run = 0;
        }
    }
    best
}
