//! Metrics of one emotion that is there or not, as MOSEI's are reported, one emotion at a time: an utterance may have several.
//!
//! With P rows that have the emotion, N that have not, TP and TN those of each that are told right:
//!
//! - `weighted_accuracy` = `(TP * N / P + TN) / (2 N)`, the mean recall of the two (Tong et al., ACL 2017; Zadeh et al., ACL 2018); undefined where
//!   P or N is 0;
//! - `f1_present` = `2 TP / (2 TP + misses + false alarms)`, 0 where nothing is hit;
//! - `weighted_f1`: the F1 of present and of absent, weighted by P and N.

use crate::measure::check_metrics;
use crate::scores::{EvalError, NO_ROWS, check_lengths};
use crate::sentiment::weighted_f1;
use crate::{Measure, Metric};

/// Some of [`Metric::PRESENCE`], in the order of `metrics`, each the mean over `emotions`: for every row whether the emotion was told, and whether
/// it is there.
///
/// ```
/// use unimse_eval::{Metric, presence_measure};
///
/// let (told, is) = ([true, true, false, false], [true, false, false, false]);
/// let accuracy = presence_measure(vec![(told, is)], &[Metric::WeightedAccuracy])?;
/// assert_eq!(accuracy.of_all(), [Ok((1.0 * 3.0 / 1.0 + 2.0) / (2.0 * 3.0))]);
/// # Ok::<(), unimse_eval::EvalError>(())
/// ```
///
/// # Errors
/// No emotions, no rows, unequal lengths, a metric of another kind.
pub fn presence_measure<'a, B: AsRef<[bool]> + Sync + 'a>(
    emotions: Vec<(B, B)>,
    metrics: &[Metric],
) -> Result<Measure<'a>, EvalError> {
    let rows = emotions.first().map_or(0, |(told, _)| told.as_ref().len());
    if rows == 0 {
        return Err(EvalError::Empty);
    }
    for (told, is) in &emotions {
        check_lengths(&vec![(); rows], is.as_ref())?;
        check_lengths(told.as_ref(), is.as_ref())?;
    }
    check_metrics(metrics, &Metric::PRESENCE)?;
    let n = emotions.len();
    // four cells of every emotion, [truth, prediction]
    let add = move |rows: &[usize], sums: &mut [f64]| {
        for ((told, is), cells) in emotions.iter().zip(sums.as_chunks_mut::<4>().0) {
            let (told, is) = (told.as_ref(), is.as_ref());
            for &row in rows {
                cells[2 * usize::from(is[row]) + usize::from(told[row])] += 1.0;
            }
        }
    };
    let empty = Measure::new(rows, 4 * n, add);
    Ok(metrics.iter().fold(empty, |measure, &metric| {
        measure.metric(move |sums, _| {
            let values = sums.as_chunks().0.iter().map(|cells| value(metric, *cells));
            Ok(values.sum::<Result<f64, _>>()? / n as f64)
        })
    }))
}

/// From the rows that are rightly absent, false alarms, misses, hits.
fn value(metric: Metric, [tn, fp, miss, tp]: [f64; 4]) -> Result<f64, &'static str> {
    let (n, p) = (tn + fp, miss + tp);
    match metric {
        Metric::WeightedF1 => weighted_f1([[tn, fp], [miss, tp]]),
        Metric::F1Present if n + p == 0.0 => Err(NO_ROWS),
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
    use crate::{Scores, emotion};
    use proptest::prelude::*;

    fn presence(told: &[bool], is: &[bool]) -> Result<Scores, EvalError> {
        let measure = presence_measure(vec![(told, is)], &Metric::PRESENCE);
        Ok(measure?.scores(&Metric::PRESENCE))
    }

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
        let uneven = vec![(vec![true], vec![true]), (vec![true; 2], vec![true; 2])];
        assert!(presence_measure(uneven, &[]).is_err());
        let other = presence_measure(vec![([true], [true])], &[Metric::Mae]).err();
        assert!(
            other
                .unwrap()
                .to_string()
                .contains("weighted_accuracy, f1_present, weighted_f1")
        );
    }

    #[test]
    fn of_several_emotions_each_metric_is_the_mean() {
        let emotions = [
            ([true, false, true], [true, true, false]),
            ([false, false, true], [false, true, true]),
        ];
        let values = |emotions: &[([bool; 3], [bool; 3])]| {
            let measure = presence_measure(emotions.to_vec(), &Metric::PRESENCE).unwrap();
            measure.of_rows(&[0, 1, 2])
        };
        let (one, other) = (values(&emotions[..1]), values(&emotions[1..]));
        let means = one.iter().zip(other).map(|(a, b)| (a + b) / 2.0);
        assert_eq!(values(&emotions), means.collect::<Vec<_>>());
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
