//! Probabilities of every field, and the label, over the closed vocabulary: field by field, all beginnings of an input at once.
//!
//! A label has one token a field, so there is one step a field, and its rows are the beginnings so far: 1, 3 polarities, 61 intensities
//! (with one decimal), 21 pairs of polarity and MELD emotion: the 427 beginnings with an intensity between them differ in what the second emotion
//! does not see. With more decimals than rows the least probable beginnings are left out.

use std::collections::HashMap;

use tch::{Kind, Tensor};
use unimse_labels::{Field, FieldValue, Grammar, PlainLabel, Polarity};

use super::vocabulary::{START, Slot, Vocabulary};
use crate::batch::Prediction;
use crate::marginals::{Follow, Marginals};
use crate::t5::Branching;

/// Exact but for a ten-millionth, as long as no field has more than so many beginnings (one decimal: 427, two: 4207).
const FOLLOW: Follow = Follow {
    tolerance: 1e-7,
    least: 1,
    most: 8192,
};

/// One beginning of a label.
#[derive(Debug, Clone, Copy)]
struct Beginning {
    item: usize,
    /// Row of the last step that it continues.
    parent: usize,
    /// Its last token, as later slots read it.
    token: i64,
    /// Log-probability.
    log: f64,
    /// Index of the value of each slot so far.
    values: [usize; 4],
    /// Whether it took the most probable token at every step.
    greedy: bool,
}

/// What is known of one input.
struct Found {
    marginals: Marginals,
    greedy: Option<Beginning>,
    best: Option<Beginning>,
}

/// Predicts the inputs that `decoding` stands before; `readout` `[items, vocabulary]` fp32 is added to the logits of every step.
/// With `best` the label is the most probable one of all, else the greedy one.
pub(super) fn search(
    vocabulary: &Vocabulary,
    grammar: &Grammar,
    mut decoding: Branching,
    readout: &Tensor,
    best: bool,
) -> Vec<Prediction> {
    let (items, width) = (readout.size()[0] as usize, vocabulary.size as usize);
    let readout = values(readout);
    let mut found: Vec<Found> = (0..items)
        .map(|_| Found::new(vocabulary, grammar))
        .collect();
    let mut left = vec![FOLLOW.tolerance; items];
    let mut open: Vec<Beginning> = (0..items).map(Beginning::start).collect();
    for (at, slot) in vocabulary.slots.iter().enumerate() {
        let rows = Rows::of(&open, vocabulary, at);
        let logits = rows.step(&mut decoding, &open);
        let last = at + 1 == vocabulary.slots.len();
        let mut next = Vec::new();
        let mut rows = rows.of_beginning.into_iter();
        for group in open.chunk_by(|a, b| a.item == b.item) {
            let item = group[0].item;
            let mut longer = Vec::new();
            for (beginning, row) in group.iter().zip(&mut rows) {
                let readout = &readout[item * width..][..width];
                let logits = &logits[row * width..][..width];
                let score = |token: usize| f64::from(logits[token] + readout[token]);
                beginning.extend(vocabulary, (at, slot), row, score, &mut longer);
            }
            let found = &mut found[item];
            longer.iter().for_each(|b| found.book(slot, at, b));
            if last {
                found.finish(&longer);
                continue;
            }
            // The first of equals stays first, so that ties do not depend on the order of floating-point comparisons.
            longer.sort_by(|a, b| b.greedy.cmp(&a.greedy).then(b.log.total_cmp(&a.log)));
            let masses: Vec<f64> = longer.iter().map(|b| b.log.exp()).collect();
            longer.truncate(FOLLOW.count(&masses, &mut left[item]));
            next.append(&mut longer);
        }
        open = next;
    }
    found
        .into_iter()
        .map(|found| found.prediction(vocabulary, grammar, best))
        .collect()
}

/// The rows of a step: one for all beginnings of an input that are alike in what the step sees.
struct Rows {
    /// A beginning of each row.
    first: Vec<usize>,
    /// The row of each beginning.
    of_beginning: Vec<usize>,
}

impl Rows {
    /// For the slot number `at`.
    fn of(open: &[Beginning], vocabulary: &Vocabulary, at: usize) -> Self {
        let blind = vocabulary.blind().filter(|blind| blind.query == at as i64);
        let mut known = HashMap::new();
        let mut first = Vec::new();
        let mut row = |(number, beginning): (usize, &Beginning)| {
            let mut seen = beginning.values;
            if vocabulary.apart {
                seen[1..].fill(0);
            } else if let Some(blind) = blind {
                seen[blind.key as usize - 1] = 0;
            }
            *known.entry((beginning.item, seen)).or_insert_with(|| {
                first.push(number);
                first.len() - 1
            })
        };
        let of_beginning = open.iter().enumerate().map(&mut row).collect();
        Self {
            first,
            of_beginning,
        }
    }

    /// Logits of every row, row-major.
    fn step(&self, decoding: &mut Branching, open: &[Beginning]) -> Vec<f32> {
        let column = |of: fn(&Beginning) -> i64| {
            let rows = self.first.iter().map(|&number| of(&open[number]));
            rows.collect::<Vec<i64>>()
        };
        let tokens = column(|b| b.token);
        let parents = column(|b| b.parent as i64);
        let items = column(|b| b.item as i64);
        values(&decoding.step(&tokens, &parents, &items))
    }
}

fn values(x: &Tensor) -> Vec<f32> {
    let x = x
        .to_kind(Kind::Float)
        .to_device(tch::Device::Cpu)
        .contiguous();
    let mut values = vec![0f32; x.numel()];
    x.copy_data(&mut values, x.numel());
    values
}

impl Beginning {
    fn start(item: usize) -> Self {
        Self {
            item,
            parent: 0,
            token: START,
            log: 0.0,
            values: [0; 4],
            greedy: true,
        }
    }

    /// Pushes this beginning, row `row` of the step, with every token that may follow in the slot number `at`.
    fn extend(
        &self,
        vocabulary: &Vocabulary,
        (at, slot): (usize, &Slot),
        row: usize,
        score: impl Fn(usize) -> f64,
        out: &mut Vec<Self>,
    ) {
        let allowed = vocabulary.allowed(slot, Polarity::ALL[self.values[0]]);
        let tokens = allowed.start as usize..allowed.end as usize;
        let top = tokens.clone().map(&score).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = tokens.clone().map(|token| (score(token) - top).exp()).sum();
        let greedy = tokens.clone().find(|&token| score(token) >= top);
        out.extend(tokens.map(|token| {
            let mut longer = Self {
                parent: row,
                token: vocabulary.read(at, token as i64),
                log: self.log + score(token) - top - total.ln(),
                greedy: self.greedy && Some(token) == greedy,
                ..*self
            };
            longer.values[at] = token - slot.first as usize;
            longer
        }));
    }
}

impl Found {
    fn new(vocabulary: &Vocabulary, grammar: &Grammar) -> Self {
        Self {
            marginals: Marginals::new(grammar, &vocabulary.intensities),
            greedy: None,
            best: None,
        }
    }

    /// Books the value that `beginning` has taken in the slot number `at`.
    fn book(&mut self, slot: &Slot, at: usize, beginning: &Beginning) {
        let (polarity, mass) = (beginning.values[0], beginning.log.exp());
        let value = Some(beginning.values[at]);
        self.marginals.add(slot.field, polarity, value, mass);
    }

    /// Remembers the labels among `whole`, to which no field is left to be added.
    fn finish(&mut self, whole: &[Beginning]) {
        self.greedy = whole.iter().find(|b| b.greedy).copied();
        for label in whole {
            if self.best.is_none_or(|best| label.log > best.log) {
                self.best = Some(*label);
            }
        }
    }

    fn prediction(self, vocabulary: &Vocabulary, grammar: &Grammar, best: bool) -> Prediction {
        let label = self.best.filter(|_| best).or(self.greedy);
        let label = label.map(|beginning| vocabulary.label(&beginning.values));
        self.marginals
            .prediction(grammar, &vocabulary.intensities, label)
    }
}

impl Vocabulary {
    /// The label with these values, one a slot.
    fn label(&self, values: &[usize; 4]) -> PlainLabel {
        let mut label = PlainLabel::of_polarity(Polarity::ALL[values[0]]);
        for (slot, &value) in self.slots.iter().zip(values) {
            let value = match slot.field {
                Field::Intensity => FieldValue::Score(self.intensities[value]),
                _ => FieldValue::Class(value),
            };
            label.set(slot.field, value);
        }
        label
    }
}
