//! Metrics of emotion recognition, all read off one confusion matrix over a fixed class list.

use serde::{Deserialize, Serialize};

use crate::measure::{check_metrics, mean};
use crate::scores::{EvalError, Scores, check_lengths};
use crate::{Measure, Metric};

/// Metrics of a classification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmotionScores {
    /// `accuracy weighted_f1 macro_f1 unweighted_average_recall`. The macro F1 is a mean over the whole class list,
    /// the recall over the classes that occur in the truth.
    pub scores: Scores,
    /// One entry a class, in the order of `labels`.
    pub per_class: Vec<ClassScores>,
    /// Counts [truth, prediction].
    pub confusion: Vec<Vec<u64>>,
    /// The class list.
    pub labels: Vec<String>,
}

/// Metrics of one class; a ratio whose denominator is zero counts as 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassScores {
    /// Its name.
    pub label: String,
    /// Hits over predictions of the class.
    pub precision: f64,
    /// Hits over truths of the class.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Truths of the class.
    pub support: u64,
}

/// Of every class, one after the other: rows that are hit, rows with this truth, rows with this prediction.
struct Counts<'s>(&'s [f64]);

impl Counts<'_> {
    fn classes(&self) -> std::ops::Range<usize> {
        0..self.0.len() / 3
    }

    fn of(&self, class: usize) -> (f64, f64, f64) {
        (
            self.0[3 * class],
            self.0[3 * class + 1],
            self.0[3 * class + 2],
        )
    }

    fn precision(&self, class: usize) -> f64 {
        let (hits, _, predicted) = self.of(class);
        ratio(hits, predicted)
    }

    fn recall(&self, class: usize) -> f64 {
        let (hits, support, _) = self.of(class);
        ratio(hits, support)
    }

    fn f1(&self, class: usize) -> f64 {
        let (hits, support, predicted) = self.of(class);
        ratio(2.0 * hits, predicted + support)
    }

    fn metric(&self, metric: Metric) -> Result<f64, &'static str> {
        let support = |class| self.of(class).1;
        let n = self.classes().map(support).sum();
        match metric {
            Metric::Accuracy => mean(self.classes().map(|class| self.of(class).0).sum(), n),
            Metric::WeightedF1 => {
                let parts = self.classes().map(|class| support(class) * self.f1(class));
                mean(parts.sum(), n)
            }
            Metric::MacroF1 => {
                let sum = self.classes().map(|class| self.f1(class)).sum::<f64>();
                // of no rows it is none either, though the sum is
                mean(n, n).map(|_| sum / self.classes().len() as f64)
            }
            _ => {
                let known = || self.classes().filter(|&class| support(class) > 0.0);
                mean(
                    known().map(|class| self.recall(class)).sum(),
                    known().count() as f64,
                )
            }
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Every metric of a classification; `prediction` and `truth` are indices into `labels`.
///
/// # Errors
/// No rows, unequal lengths, an index outside the class list, an empty list or one with a class twice.
pub fn emotion(
    prediction: &[usize],
    truth: &[usize],
    labels: &[String],
) -> Result<EmotionScores, EvalError> {
    check(prediction, truth, labels)?;
    let n = labels.len();
    let mut confusion = vec![vec![0_u64; n]; n];
    let mut counts = vec![0.0; 3 * n];
    for (&prediction, &truth) in prediction.iter().zip(truth) {
        confusion[truth][prediction] += 1;
    }
    for (truth, row) in confusion.iter().enumerate() {
        for (prediction, &rows) in row.iter().enumerate() {
            add(&mut counts, prediction, truth, rows as f64);
        }
    }
    let counts = Counts(&counts);
    let class = |(class, label): (usize, &String)| ClassScores {
        label: label.clone(),
        precision: counts.precision(class),
        recall: counts.recall(class),
        f1: counts.f1(class),
        support: counts.of(class).1 as u64,
    };
    Ok(EmotionScores {
        scores: Scores::collect(
            truth.len(),
            Metric::EMOTION.map(|metric| (metric, counts.metric(metric))),
        ),
        per_class: labels.iter().enumerate().map(class).collect(),
        confusion,
        labels: labels.to_vec(),
    })
}

/// Adds `rows` rows to what [`Counts`] reads.
fn add(counts: &mut [f64], prediction: usize, truth: usize, rows: f64) {
    if prediction == truth {
        counts[3 * truth] += rows;
    }
    counts[3 * truth + 1] += rows;
    counts[3 * prediction + 2] += rows;
}

/// Some of [`Metric::EMOTION`], in the order of `metrics`.
///
/// # Errors
/// As [`emotion`], or a metric of another kind.
pub fn emotion_measure<'a>(
    prediction: &'a [usize],
    truth: &'a [usize],
    labels: &[String],
    metrics: &[Metric],
) -> Result<Measure<'a>, EvalError> {
    check(prediction, truth, labels)?;
    check_metrics(metrics, &Metric::EMOTION)?;
    let counts = counts(prediction, truth, labels);
    Ok(metrics.iter().fold(counts, |measure, &metric| {
        measure.metric(move |sums, _| Counts(sums).metric(metric))
    }))
}

/// The F1 of every class, in the order of `labels`: 0 where it is neither true nor predicted in the rows.
///
/// # Errors
/// As [`emotion`].
pub fn class_f1<'a>(
    prediction: &'a [usize],
    truth: &'a [usize],
    labels: &[String],
) -> Result<Measure<'a>, EvalError> {
    check(prediction, truth, labels)?;
    let counts = counts(prediction, truth, labels);
    Ok((0..labels.len()).fold(counts, |measure, class| {
        measure.metric(move |sums, _| Ok(Counts(sums).f1(class)))
    }))
}

/// The sums that [`Counts`] reads, without a metric.
fn counts<'a>(prediction: &'a [usize], truth: &'a [usize], labels: &[String]) -> Measure<'a> {
    let rows = move |rows: &[usize], counts: &mut [f64]| {
        for &row in rows {
            add(counts, prediction[row], truth[row], 1.0);
        }
    };
    Measure::new(truth.len(), 3 * labels.len(), rows)
}

/// Class names as indices into `labels`; `column` (`prediction` or `truth`) names them in the error.
///
/// # Errors
/// A name outside the class list, with its row.
pub fn class_indices(
    column: &'static str,
    names: &[impl AsRef<str>],
    labels: &[String],
) -> Result<Vec<usize>, EvalError> {
    let index = |(row, name): (usize, &_)| {
        let name: &str = AsRef::as_ref(name);
        let known = labels.iter().position(|label| label == name);
        known.ok_or_else(|| unknown_class(column, row, name.to_owned(), labels))
    };
    names.iter().enumerate().map(index).collect()
}

fn check(prediction: &[usize], truth: &[usize], labels: &[String]) -> Result<(), EvalError> {
    let twice = labels
        .iter()
        .enumerate()
        .any(|(at, label)| labels[..at].contains(label));
    if labels.is_empty() || twice {
        return Err(EvalError::ClassList {
            found: labels.join(", "),
        });
    }
    check_lengths(prediction, truth)?;
    for (column, classes) in [("prediction", prediction), ("truth", truth)] {
        if let Some((row, class)) = classes
            .iter()
            .enumerate()
            .find(|&(_, &class)| class >= labels.len())
        {
            return Err(unknown_class(column, row, class.to_string(), labels));
        }
    }
    Ok(())
}

fn unknown_class(column: &'static str, row: usize, found: String, labels: &[String]) -> EvalError {
    EvalError::UnknownClass {
        column,
        row,
        found,
        expected: labels.join(", "),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_f1_of_one_class_is_that_of_all_classes_for_the_same_rows() {
        let (prediction, truth) = ([0, 0, 1, 1, 2], [0, 1, 1, 1, 0]);
        let labels = ["a", "b", "c"].map(str::to_owned);
        let all = emotion(&prediction, &truth, &labels).unwrap();
        let f1 = class_f1(&prediction, &truth, &labels).unwrap();
        let of_all = all.per_class.iter().map(|class| Ok(class.f1));
        assert_eq!(f1.of_all(), of_all.collect::<Vec<_>>());
        // one hit, one predicted, two true; the last class is neither
        assert_eq!(f1.of_rows(&[1, 2])[1..], [2.0 / 3.0, 0.0]);
    }
}
