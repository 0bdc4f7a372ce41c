//! Metrics of emotion recognition, all read off one confusion matrix over a fixed class list.

use serde::{Deserialize, Serialize};

use crate::Metric;
use crate::scores::{EvalError, Scores, check_lengths};

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

/// Counts [truth, prediction], row-major.
struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// From pairs (prediction, truth), all below `classes`.
    fn new(classes: usize, rows: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        rows.for_each(|(prediction, truth)| counts[truth * classes + prediction] += 1);
        Self { classes, counts }
    }

    fn hits(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }

    fn support(&self, class: usize) -> u64 {
        self.counts[class * self.classes..][..self.classes]
            .iter()
            .sum()
    }

    fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().skip(class).step_by(self.classes).sum()
    }

    fn precision(&self, class: usize) -> f64 {
        ratio(self.hits(class), self.predicted(class))
    }

    fn recall(&self, class: usize) -> f64 {
        ratio(self.hits(class), self.support(class))
    }

    fn f1(&self, class: usize) -> f64 {
        ratio(
            2 * self.hits(class),
            self.predicted(class) + self.support(class),
        )
    }

    fn metric(&self, metric: Metric) -> f64 {
        let classes = 0..self.classes;
        let n = self.counts.iter().sum::<u64>() as f64;
        match metric {
            Metric::Accuracy => classes.map(|class| self.hits(class)).sum::<u64>() as f64 / n,
            Metric::WeightedF1 => {
                classes
                    .map(|class| self.support(class) as f64 * self.f1(class))
                    .sum::<f64>()
                    / n
            }
            Metric::MacroF1 => {
                classes.map(|class| self.f1(class)).sum::<f64>() / self.classes as f64
            }
            _ => {
                let recalls = classes
                    .filter(|&class| self.support(class) > 0)
                    .map(|class| self.recall(class));
                let (n, sum) = recalls.fold((0_u32, 0.0), |(n, sum), recall| (n + 1, sum + recall));
                sum / f64::from(n)
            }
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
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
    let confusion = Confusion::new(
        labels.len(),
        prediction.iter().copied().zip(truth.iter().copied()),
    );
    let class = |(class, label): (usize, &String)| ClassScores {
        label: label.clone(),
        precision: confusion.precision(class),
        recall: confusion.recall(class),
        f1: confusion.f1(class),
        support: confusion.support(class),
    };
    Ok(EmotionScores {
        scores: Scores::collect(
            truth.len(),
            Metric::EMOTION.map(|metric| (metric, Ok(confusion.metric(metric)))),
        ),
        per_class: labels.iter().enumerate().map(class).collect(),
        confusion: confusion
            .counts
            .chunks(labels.len())
            .map(<[u64]>::to_vec)
            .collect(),
        labels: labels.to_vec(),
    })
}

/// One metric as a function of row numbers, for [`bootstrap`](crate::bootstrap).
/// The function gives NaN for no rows and panics on a row number out of range.
///
/// # Errors
/// As [`emotion`], or a metric of sentiment.
pub fn emotion_metric<'a>(
    prediction: &'a [usize],
    truth: &'a [usize],
    labels: &[String],
    metric: Metric,
) -> Result<impl Fn(&[usize]) -> f64 + Sync + use<'a>, EvalError> {
    check(prediction, truth, labels)?;
    let classes = labels.len();
    if !Metric::EMOTION.contains(&metric) {
        return Err(EvalError::UnknownMetric {
            found: metric,
            expected: Metric::EMOTION.map(Metric::key).join(", "),
        });
    }
    Ok(move |rows: &[usize]| {
        Confusion::new(
            classes,
            rows.iter().map(|&row| (prediction[row], truth[row])),
        )
        .metric(metric)
    })
}

/// The F1 of one class as a function of row numbers, for [`bootstrap`](crate::bootstrap): 0 where the class is neither true nor predicted in
/// these rows, NaN for a class beyond the list. The function panics on a row number out of range.
///
/// # Errors
/// As [`emotion`].
pub fn class_f1<'a>(
    prediction: &'a [usize],
    truth: &'a [usize],
    labels: &[String],
    class: usize,
) -> Result<impl Fn(&[usize]) -> f64 + Sync + use<'a>, EvalError> {
    check(prediction, truth, labels)?;
    let classes = labels.len();
    Ok(move |rows: &[usize]| {
        if class >= classes {
            return f64::NAN;
        }
        let rows = rows.iter().map(|&row| (prediction[row], truth[row]));
        Confusion::new(classes, rows).f1(class)
    })
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
        for (class, scores) in all.per_class.iter().enumerate() {
            let f1 = class_f1(&prediction, &truth, &labels, class).unwrap();
            assert_eq!(f1(&[0, 1, 2, 3, 4]), scores.f1);
        }
        let b = class_f1(&prediction, &truth, &labels, 1).unwrap();
        assert_eq!(b(&[1, 2]), 2.0 / 3.0); // one hit, one predicted, two true
        assert!(class_f1(&prediction, &truth, &labels, 3).unwrap()(&[0]).is_nan());
    }
}
