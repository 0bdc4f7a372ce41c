//! From the probabilities of beginnings of labels to those of their fields (ours; the paper reads the generated text alone).
//!
//! A search books the mass of every value where a beginning settles it, beside the polarity of that beginning. What it does not follow
//! is missing from the fields that were still open, and is put back by polarity: the field's distribution given a polarity is that of the beginnings
//! followed, its weight is the polarity's own probability. So a polarity with one beginning (neutral) gains nothing from the many of another
//! that were cut. The mass put back bounds the error of every field in total variation.

use std::ops::Range;

use unimse_labels::{Field, Grammar, PerField, PlainLabel, Polarity};

use crate::batch::Prediction;

/// Masses of the values of every field, by polarity.
#[derive(Debug, Clone)]
pub(crate) struct Marginals {
    polarity: [f64; 3],
    /// By field, then `[polarity][value]`; no value for the polarity itself and where the grammar lacks the field.
    values: PerField<[Vec<f64>; 3]>,
    /// By field, then `[polarity]`: mass of labels that have no value there, as a triple has one emotion of two.
    absent: PerField<[f64; 3]>,
    /// Which intensities a polarity has.
    scores: [Range<usize>; 3],
}

impl Marginals {
    /// Nothing booked yet. `intensities` are the scores that the grammar prints, ascending.
    pub(crate) fn new(grammar: &Grammar, intensities: &[f32]) -> Self {
        let size = |field: Field| match field {
            Field::Polarity => 0,
            field if !grammar.fields.contains(&field) => 0,
            field => field.classes().map_or(intensities.len(), <[_]>::len),
        };
        Self {
            polarity: [0.0; 3],
            values: PerField::from_fn(|field| std::array::from_fn(|_| vec![0.0; size(field)])),
            absent: PerField::default(),
            scores: Polarity::ALL.map(|polarity| scores(intensities, polarity)),
        }
    }

    /// Books the mass of a value of `field` beside its polarity; `None` is that of labels without one.
    pub(crate) fn add(&mut self, field: Field, polarity: usize, value: Option<usize>, mass: f64) {
        match (field, value) {
            (Field::Polarity, _) => self.polarity[polarity] += mass,
            (_, Some(value)) => self.values[field][polarity][value] += mass,
            (_, None) => self.absent[field][polarity] += mass,
        }
    }

    /// Distribution of a field over the labels that have it, empty where none has, and the mass that was put back.
    fn distribution(&self, field: Field) -> (Vec<f64>, f64) {
        let parts = &self.values[field];
        let mut out = vec![0.0; parts[0].len()];
        if out.is_empty() {
            return (out, 0.0);
        }
        let (mut put_back, all) = (0.0, self.polarity.iter().sum::<f64>());
        for (polarity, part) in parts.iter().enumerate() {
            let whole = self.polarity[polarity] - self.absent[field][polarity];
            let (whole, booked) = (whole.max(0.0) / all, part.iter().sum::<f64>() / all);
            put_back += (whole - booked).max(0.0);
            if booked > 0.0 {
                for (sum, mass) in out.iter_mut().zip(part) {
                    *sum += mass / all * (whole / booked);
                }
            } else {
                // No beginning of this polarity was followed: all its values alike.
                let open = match field {
                    Field::Intensity => self.scores[polarity].clone(),
                    _ => 0..out.len(),
                };
                let share = whole / open.len().max(1) as f64;
                out[open].iter_mut().for_each(|sum| *sum += share);
            }
        }
        let total: f64 = out.iter().sum();
        if total == 0.0 {
            out.clear();
        }
        out.iter_mut().for_each(|value| *value /= total);
        (out, put_back)
    }

    /// The probabilities, with `label` as the answer in text; `None` is the answer of a grammar without labels.
    pub(crate) fn prediction(
        &self,
        grammar: &Grammar,
        intensities: &[f32],
        label: Option<PlainLabel>,
    ) -> Prediction {
        let all: f64 = self.polarity.iter().sum();
        let [intensity, meld, iemocap] = Field::BORROWED.map(|field| self.distribution(field));
        let unexplored = intensity.1.max(meld.1).max(iemocap.1);
        let some = |values: Vec<f64>| (!values.is_empty()).then_some(values);
        let raw = label.map_or_else(String::new, |label| grammar.format(&label));
        let parsed = grammar.parse(&raw);
        Prediction {
            polarity: self.polarity.map(|mass| mass / all),
            intensity: intensities.iter().copied().zip(intensity.0).collect(),
            meld: some(meld.0),
            iemocap: some(iemocap.0),
            unexplored,
            repairs: parsed.as_ref().map_or(0, |parsed| parsed.repairs.len()),
            parsable: parsed.is_ok(),
            // Not what `raw` reads as: the triple cannot hold both emotions of a label of the closed vocabulary.
            text_label: label.unwrap_or(NEUTRAL),
            raw,
        }
    }
}

/// The label of a tree without labels.
const NEUTRAL: PlainLabel = PlainLabel::of_polarity(Polarity::Neutral);

/// Indices of the ascending `intensities` with the sign of `polarity`.
pub(crate) fn scores(intensities: &[f32], polarity: Polarity) -> Range<usize> {
    let begin = intensities.partition_point(|&v| Polarity::from_score(v) < polarity);
    begin..intensities.partition_point(|&v| Polarity::from_score(v) <= polarity)
}

/// How many beginnings of an input are followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Follow {
    /// Beginnings are left out, the least probable first, until they hold this much probability together.
    pub(crate) tolerance: f64,
    /// At least so many are followed where there are as many.
    pub(crate) least: usize,
    /// No more than so many are followed.
    pub(crate) most: usize,
}

impl Follow {
    /// How many of these masses, which fall, are followed; `left` is the probability that may still be left out, less what is left out now.
    pub(crate) fn count(self, masses: &[f64], left: &mut f64) -> usize {
        let mut keep = masses.len().min(self.most);
        let mut out: f64 = masses[keep..].iter().sum();
        while keep > self.least && out + masses[keep - 1] <= *left {
            keep -= 1;
            out += masses[keep];
        }
        *left = (*left - out).max(0.0);
        keep
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn booked(followed: &[(usize, usize, f64)]) -> Marginals {
        let grammar = Grammar::new(&[Field::Meld]);
        let mut marginals = Marginals::new(&grammar, &[]);
        for (polarity, mass) in [0.4, 0.4, 0.2].into_iter().enumerate() {
            marginals.add(Field::Polarity, polarity, None, mass);
        }
        for &(polarity, emotion, mass) in followed {
            marginals.add(Field::Meld, polarity, Some(emotion), mass);
        }
        marginals
    }

    #[test]
    fn what_was_cut_comes_back_beside_its_polarity() {
        // Half of negative and a quarter of positive were followed; neutral was followed whole.
        let marginals = booked(&[(0, 2, 0.15), (0, 3, 0.05), (1, 0, 0.4), (2, 4, 0.05)]);
        let (meld, put_back) = marginals.distribution(Field::Meld);
        let expected = [0.4, 0.0, 0.4 * 0.75, 0.4 * 0.25, 0.2, 0.0, 0.0];
        assert!(
            meld.iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 1e-12)
        );
        assert!((put_back - (0.2 + 0.15)).abs() < 1e-12);
    }

    #[test]
    fn a_polarity_nobody_followed_says_nothing_of_its_emotions() {
        let (meld, put_back) = booked(&[(0, 2, 0.4), (1, 0, 0.4)]).distribution(Field::Meld);
        assert!((meld[2] - (0.4 + 0.2 / 7.0)).abs() < 1e-12);
        assert!((meld[6] - 0.2 / 7.0).abs() < 1e-12);
        assert!((put_back - 0.2).abs() < 1e-12);
    }

    #[test]
    fn labels_without_the_field_are_left_aside() {
        let mut marginals = booked(&[(0, 2, 0.1), (1, 0, 0.4), (2, 4, 0.2)]);
        marginals.add(Field::Meld, 0, None, 0.3);
        let (meld, put_back) = marginals.distribution(Field::Meld);
        assert!((meld[2] - 0.1 / 0.7).abs() < 1e-12, "{meld:?}");
        assert!(put_back < 1e-12);
    }

    #[test]
    fn the_least_probable_are_left_out_until_the_tolerance_is_spent() {
        let follow = Follow {
            tolerance: 0.15,
            least: 1,
            most: 4,
        };
        let mut left = follow.tolerance;
        assert_eq!(follow.count(&[0.5, 0.3, 0.1, 0.06, 0.04], &mut left), 3);
        assert!((left - (0.15 - 0.06 - 0.04)).abs() < 1e-12);
        // What is left of the tolerance does not cover 0.1.
        assert_eq!(follow.count(&[0.6, 0.3, 0.1], &mut left), 3);
        // The limit goes beyond the tolerance; so does the least.
        let mut none = 0.0;
        assert_eq!(follow.count(&[0.2; 5], &mut none), 4);
        let least = Follow { least: 2, ..follow };
        assert_eq!(least.count(&[1.0, 0.0, 0.0], &mut none), 2);
    }
}
