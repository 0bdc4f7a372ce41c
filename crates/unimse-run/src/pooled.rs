//! The classes of an emotion corpus over several seeds: means and deviations of their scores, and one confusion matrix of all answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::ClassScores;

use crate::{Confusion, SplitScores};

/// Sample standard deviations of the scores of one class over the seeds of an aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassDeviations {
    /// Its name.
    pub label: String,
    /// Of the precision.
    pub precision: f64,
    /// Of the recall.
    pub recall: f64,
    /// Of F1.
    pub f1: f64,
}

/// Means over `seeds` of the scores of each class, and of several seeds their deviations; nothing where the seeds list other classes.
pub(crate) fn classes(seeds: &[&SplitScores]) -> (Vec<ClassScores>, Vec<ClassDeviations>) {
    let Some(first) = seeds.first() else {
        return Default::default();
    };
    let labels = |scores: &SplitScores| -> Vec<String> {
        let classes = scores.per_class.iter();
        classes.map(|class| class.label.clone()).collect()
    };
    if seeds.iter().any(|other| labels(other) != labels(first)) {
        return Default::default();
    }
    let (mut means, mut deviations) = (Vec::new(), Vec::new());
    for (at, class) in first.per_class.iter().enumerate() {
        let over = |score: fn(&ClassScores) -> f64| {
            let values: Vec<f64> = seeds.iter().map(|s| score(&s.per_class[at])).collect();
            mean_and_deviation(&values)
        };
        let (precision, recall, f1) = (over(|c| c.precision), over(|c| c.recall), over(|c| c.f1));
        means.push(ClassScores {
            precision: precision.0,
            recall: recall.0,
            f1: f1.0,
            ..class.clone()
        });
        if let (Some(precision), Some(recall), Some(f1)) = (precision.1, recall.1, f1.1) {
            deviations.push(ClassDeviations {
                label: class.label.clone(),
                precision,
                recall,
                f1,
            });
        }
    }
    (means, deviations)
}

/// The counts of all seeds together; `None` where one has none, or other classes.
pub(crate) fn confusion(seeds: &[&SplitScores]) -> Option<Confusion> {
    let mut all = seeds.iter().map(|scores| scores.confusion.as_ref());
    let mut pooled = all.next()??.clone();
    for next in all {
        let next = next.filter(|next| next.labels == pooled.labels)?;
        for (into, from) in pooled.rows_truth.iter_mut().zip(&next.rows_truth) {
            for (sum, count) in into.iter_mut().zip(from) {
                *sum = sum.saturating_add(*count);
            }
        }
    }
    Some(pooled)
}

/// The mean of one or more values and, of several, their sample standard deviation.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.len() > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (n - 1.0)).sqrt()
    });
    (mean, deviation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn seed(f1: f64, counts: [[u64; 2]; 2]) -> SplitScores {
        let class = |label: &str, f1| ClassScores {
            label: label.to_owned(),
            precision: f1 / 2.0,
            recall: 1.0,
            f1,
            support: 7,
        };
        SplitScores {
            per_class: vec![class("joy", f1), class("anger", 0.5)],
            confusion: Some(Confusion {
                labels: vec!["joy".to_owned(), "anger".to_owned()],
                rows_truth: counts.iter().map(|row| row.to_vec()).collect(),
            }),
            ..SplitScores::default()
        }
    }

    #[test]
    fn classes_have_mean_and_deviation_and_one_matrix_of_all_seeds() {
        let (one, two) = (seed(0.4, [[5, 2], [1, 6]]), seed(0.8, [[3, 4], [0, 7]]));
        let (means, deviations) = classes(&[&one, &two]);
        assert!((means[0].f1 - (0.4 + 0.8) / 2.0).abs() < 1e-12);
        assert!((means[0].precision - (0.2 + 0.4) / 2.0).abs() < 1e-12);
        assert_eq!((means[0].support, means[1].f1), (7, 0.5));
        let expected = (2.0_f64 * 0.2 * 0.2).sqrt();
        assert!((deviations[0].f1 - expected).abs() < 1e-12);
        assert_eq!((deviations[0].recall, deviations[1].f1), (0.0, 0.0));
        let pooled = confusion(&[&one, &two]).unwrap();
        assert_eq!(pooled.rows_truth, [[5 + 3, 2 + 4], [1, 6 + 7]]);
    }

    #[test]
    fn one_seed_has_no_deviation_and_other_classes_are_not_pooled() {
        let one = seed(0.4, [[5, 2], [1, 6]]);
        assert_eq!(classes(&[&one]).1, []);
        let mut other = one.clone();
        other.per_class[1].label = "fear".to_owned();
        other.confusion.as_mut().unwrap().labels[1] = "fear".to_owned();
        assert_eq!(classes(&[&one, &other]), (vec![], vec![]));
        assert_eq!(confusion(&[&one, &other]), None);
        assert_eq!(confusion(&[&one, &SplitScores::default()]), None);
    }
}
