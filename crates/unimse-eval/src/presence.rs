//! Metrics of one emotion that is there or not, as MOSEI's are reported, one emotion at a time: an utterance may have several.
//!
//! With P rows that have the emotion, N that have not, TP and TN those of each that are told right:
//!
//! - `weighted_accuracy` = `(TP * N / P + TN) / (2 N)`, the mean recall of the two (Tong et al., ACL 2017; Zadeh et al., ACL 2018); undefined where
//!   P or N is 0;
//! - `f1_present` = `2 TP / (2 TP + misses + false alarms)`, 0 where nothing is hit;
//! - `weighted_f1`: the F1 of present and of absent, weighted by P and N.

use crate::Metric;
use crate::scores::{EvalError, Scores, check_lengths};
use crate::sentiment::weighted_f1;

/// Every metric of one emotion; for every row whether it was told, and whether it is there.
///
/// # Errors
/// No rows, unequal lengths.
pub fn presence(prediction: &[bool], truth: &[bool]) -> Result<Scores, EvalError> {
    check_lengths(prediction, truth)?;
    let rows = || prediction.iter().copied().zip(truth.iter().copied());
    let values = Metric::PRESENCE.map(|metric| (metric, compute(metric, rows())));
    Ok(Scores::collect(truth.len(), values))
}

/// One metric as a function of row numbers, for [`bootstrap`](crate::bootstrap); NaN where it is undefined.
/// The function panics on a row number out of range.
///
/// ```
/// use unimse_eval::{Metric, presence_metric};
///
/// let (told, is) = ([true, true, false, false], [true, false, false, false]);
/// let accuracy = presence_metric(&told, &is, Metric::WeightedAccuracy)?;
/// assert_eq!(accuracy(&[0, 1, 2, 3]), (1.0 * 3.0 / 1.0 + 2.0) / (2.0 * 3.0));
/// # Ok::<(), unimse_eval::EvalError>(())
/// ```
///
/// # Errors
/// As [`presence`], or a metric of another kind.
pub fn presence_metric<'a>(
    prediction: &'a [bool],
    truth: &'a [bool],
    metric: Metric,
) -> Result<impl Fn(&[usize]) -> f64 + Sync + 'a, EvalError> {
    check_lengths(prediction, truth)?;
    if !Metric::PRESENCE.contains(&metric) {
        return Err(EvalError::UnknownMetric {
            found: metric,
            expected: Metric::PRESENCE.map(Metric::key).join(", "),
        });
    }
    Ok(move |rows: &[usize]| {
        let rows = rows.iter().map(|&row| (prediction[row], truth[row]));
        compute(metric, rows).unwrap_or(f64::NAN)
    })
}

/// Over pairs (prediction, truth).
fn compute(metric: Metric, rows: impl Iterator<Item = (bool, bool)>) -> Result<f64, &'static str> {
    if metric == Metric::WeightedF1 {
        return weighted_f1(rows);
    }
    let mut count = [[0_u32; 2]; 2]; // [truth][prediction]
    rows.for_each(|(p, t)| count[usize::from(t)][usize::from(p)] += 1);
    let [[tn, fp], [miss, tp]] = count.map(|row| row.map(f64::from));
    let (n, p) = (tn + fp, miss + tp);
    match metric {
        Metric::F1Present if n + p == 0.0 => Err("there are no rows"),
        Metric::F1Present if tp == 0.0 => Ok(0.0),
        Metric::F1Present => Ok(2.0 * tp / (2.0 * tp + miss + fp)),
        _ if p == 0.0 => Err("no row has the emotion"),
        _ if n == 0.0 => Err("every row has the emotion"),
        _ => Ok((tp * n / p + tn) / (2.0 * n)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::emotion;
    use proptest::prelude::*;

    #[test]
    fn what_is_undefined_says_why() {
        let none = presence(&[true, false], &[false, false]).unwrap();
        let reason = none.undefined.get(&Metric::WeightedAccuracy).unwrap();
        assert!(reason.contains("no row has"), "{reason}");
        assert_eq!(none.get(Metric::F1Present), Some(0.0));
        let all = presence(&[true, false], &[true, true]).unwrap();
        let reason = all.undefined.get(&Metric::WeightedAccuracy).unwrap();
        assert!(reason.contains("every row has"), "{reason}");
        assert_eq!(presence(&[], &[]), Err(EvalError::Empty));
        let other = presence_metric(&[true], &[true], Metric::Mae)
            .err()
            .unwrap();
        assert!(
            other
                .to_string()
                .contains("weighted_accuracy, f1_present, weighted_f1")
        );
    }

    proptest! {
        /// The two classes absent and present, scored as emotions are.
        #[test]
        fn they_are_those_of_two_classes(rows in proptest::collection::vec(any::<(bool, bool)>(), 1..60)) {
            let (told, is): (Vec<bool>, Vec<bool>) = rows.iter().copied().unzip();
            let index = |values: &[bool]| values.iter().map(|&v| usize::from(v)).collect::<Vec<_>>();
            let two = emotion(&index(&told), &index(&is), &["absent".to_owned(), "present".to_owned()]).unwrap();
            let found = presence(&told, &is).unwrap();
            let near = |metric, expected: f64| (found.get(metric).unwrap() - expected).abs() < 1e-12;
            prop_assert!(near(Metric::F1Present, two.per_class[1].f1));
            prop_assert!(near(Metric::WeightedF1, two.scores.get(Metric::WeightedF1).unwrap()));
            if two.per_class.iter().all(|class| class.support > 0) {
                prop_assert!(near(Metric::WeightedAccuracy, two.scores.get(Metric::UnweightedAverageRecall).unwrap()));
            }
        }
    }
}
