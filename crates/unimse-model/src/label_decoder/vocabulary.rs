//! The closed vocabulary: the start token, `unknown`, and the values of every field, one token each.

use tch::Tensor;
use unimse_labels::{Field, FieldValue, Grammar, PerField, PlainLabel, Polarity};

use crate::marginals;
use crate::t5::Blind;

/// The token before a label.
pub(super) const START: i64 = 0;
/// The token of a field without a value.
pub(super) const UNKNOWN: i64 = 1;
/// The first token of the first field.
pub(super) const FIRST: i64 = 2;

/// A field of the label and where its tokens lie in the vocabulary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) field: Field,
    pub(super) first: i64,
    pub(super) count: i64,
}

/// The closed vocabulary.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(super) slots: Vec<Slot>,
    /// Every printable score, ascending.
    pub(super) intensities: Vec<f32>,
    pub(crate) size: i64,
    /// Whether fields read the polarity and nothing else of the label: where no training row has two of them, what one says of the other cannot
    /// be learnt, and to read it would be noise.
    pub(super) apart: bool,
}

impl Vocabulary {
    pub(crate) fn new(grammar: &Grammar) -> Self {
        let intensities: Vec<f32> = Polarity::ALL
            .iter()
            .flat_map(|&p| grammar.intensity_values(p))
            .collect();
        let mut size = FIRST;
        let mut slots = Vec::new();
        let spoken = |field: &Field| *field == Field::Polarity || grammar.fields.contains(field);
        for field in Field::ALL.into_iter().filter(spoken) {
            let count = field.classes().map_or(intensities.len(), <[_]>::len) as i64;
            slots.push(Slot {
                field,
                first: size,
                count,
            });
            size += count;
        }
        Self {
            slots,
            intensities,
            size,
            apart: false,
        }
    }

    /// What later slots read of slot number `at` that holds `token`.
    pub(super) fn read(&self, at: usize, token: i64) -> i64 {
        if self.apart && at > 0 { UNKNOWN } else { token }
    }

    /// The place of the second emotion, which does not see the intensity: the token of slot `n` stands at place `n + 1` and is
    /// predicted at place `n`. `None` where the grammar lacks one of the three.
    pub(super) fn blind(&self) -> Option<Blind> {
        let slot = |field| self.slots.iter().position(|slot| slot.field == field);
        let (intensity, _, second) = (
            slot(Field::Intensity)?,
            slot(Field::Meld)?,
            slot(Field::Iemocap)?,
        );
        Some(Blind {
            query: second as i64,
            key: intensity as i64 + 1,
        })
    }

    /// Token of each slot; `unknown` where the label has no value.
    pub(super) fn tokens(&self, label: &PlainLabel) -> Vec<i64> {
        let token = |slot: &Slot| {
            let polarity = self.polarity(label);
            let index = match (slot.field, label.get(slot.field)) {
                (Field::Polarity, _) => Some(polarity.index()),
                (_, Some(FieldValue::Class(class))) => Some(class),
                (_, Some(FieldValue::Score(score))) => Some(self.nearest(score, polarity)),
                (_, None) => None,
            };
            index.map_or(UNKNOWN, |index| slot.first + index as i64)
        };
        self.slots.iter().map(token).collect()
    }

    /// The sign of the intensity where the grammar has one, as in the text form.
    pub(super) fn polarity(&self, label: &PlainLabel) -> Polarity {
        label
            .intensity
            .filter(|_| !self.intensities.is_empty())
            .map_or(label.polarity, Polarity::from_score)
    }

    /// Indices of the scores with the sign of `polarity`.
    pub(super) fn scores(&self, polarity: Polarity) -> std::ops::Range<usize> {
        marginals::scores(&self.intensities, polarity)
    }

    pub(super) fn nearest(&self, score: f32, polarity: Polarity) -> usize {
        let distance = |i: &usize| (self.intensities[*i] - score).abs();
        self.scores(polarity)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or(0)
    }

    /// Tokens that may follow in `slot` beside `polarity`.
    pub(super) fn allowed(&self, slot: &Slot, polarity: Polarity) -> std::ops::Range<i64> {
        match slot.field {
            Field::Intensity => {
                let scores = self.scores(polarity);
                slot.first + scores.start as i64..slot.first + scores.end as i64
            }
            _ => slot.first..slot.first + slot.count,
        }
    }

    /// Target distribution of the intensity: `exp(-(v - score)^2 / 2 sigma^2)` over the scores `v` of the polarity's sign, normalised.
    pub(super) fn gaussian(&self, score: f32, polarity: Polarity, sigma: f64) -> Vec<(usize, f32)> {
        let scores = self.scores(polarity);
        if sigma == 0.0 {
            return vec![(self.nearest(score, polarity), 1.0)];
        }
        let exponent =
            |i: usize| -f64::from(self.intensities[i] - score).powi(2) / (2.0 * sigma * sigma);
        let top = scores
            .clone()
            .map(exponent)
            .fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.clone().map(|i| (exponent(i) - top).exp()).sum();
        scores
            .map(|i| (i, ((exponent(i) - top).exp() / total) as f32))
            .collect()
    }

    /// `[slots, vocabulary]` f32: the logarithm of the share that a class has in its field, 0 for the tokens of fields without `shares`.
    pub(super) fn log_shares(&self, shares: &PerField<Vec<f64>>) -> Tensor {
        let width = self.size as usize;
        let mut logs = vec![0f32; self.slots.len() * width];
        for (at, slot) in self.slots.iter().enumerate() {
            let first = at * width + slot.first as usize;
            for (cell, share) in logs[first..].iter_mut().zip(&shares[slot.field]) {
                *cell = share.ln() as f32;
            }
        }
        Tensor::from_slice(&logs).view([self.slots.len() as i64, self.size])
    }
}
