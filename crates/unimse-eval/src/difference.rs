//! Two models beside each other: the difference of a metric with its interval and the probability of one as large by chance.
//!
//! Models come with several seeds each, so what is compared is the mean of the metric over seeds, and resamples of rows are the same for
//! all seeds of both. What is drawn are the rows: the interval holds for these trained seeds, and says nothing of seeds not trained.

use serde::{Deserialize, Serialize};

use crate::{Interval, Resampled};

/// A difference of two models with its 95 % interval and its p-value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Difference {
    /// The difference, its percentile interval, or why there is none.
    #[serde(flatten)]
    pub interval: Interval,
    /// Two-sided bootstrap p-value of no difference: twice the share of resamples on the rarer side of 0, those at 0 counted on both sides,
    /// (1 + count) / (1 + resamples) so that it is never 0 (Davison and Hinkley 1997, section 4.2), and at most 1. Absent without an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

impl Difference {
    /// `ours - theirs`, draw by draw: both over the same rows, clusters, resamples and seed. Draws on which either has no value are left out.
    pub fn between(ours: &Resampled, theirs: &Resampled) -> Self {
        let less = ours.less(theirs);
        let interval = less.interval();
        let p = interval.low.and_then(|_| p_value(&less.draws));
        Self { interval, p }
    }
}

/// See [`Difference::p`]; `None` where no difference is a number.
fn p_value(differences: &[f64]) -> Option<f64> {
    let count = |side: fn(&&f64) -> bool| differences.iter().filter(side).count();
    let all = count(|d| d.is_finite());
    let rarer = count(|d| **d <= 0.0).min(count(|d| **d >= 0.0));
    (all > 0).then(|| (2.0 * (1 + rarer) as f64 / (1 + all) as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{Measure, resample};

    fn over(value: f64, draws: &[f64]) -> Resampled {
        Resampled {
            value,
            draws: draws.to_vec(),
        }
    }

    #[test]
    fn p_counts_the_rarer_side_and_is_never_zero() {
        let zeros = over(0.0, &[0.0; 9]);
        let p = |values: &[f64; 9]| Difference::between(&over(1.0, values), &zeros).p.unwrap();
        let above = [1.0; 9];
        assert_eq!(p(&above), 2.0 * (1.0 + 0.0) / 10.0);
        let mut two_below = above;
        two_below[..2].fill(-1.0);
        assert_eq!(p(&two_below), 2.0 * (1.0 + 2.0) / 10.0);
        assert_eq!(p(&[0.0; 9]), 1.0, "no difference at all");
        let mut two_lost = above;
        two_lost[..2].fill(f64::NAN);
        assert_eq!(p(&two_lost), 2.0 / (1.0 + 7.0));
    }

    /// 0.1 + 0.2 and 0.3 are one value, and its resample lies on neither side.
    #[test]
    fn rounding_breaks_no_tie() {
        let p = |ours: f64| {
            let (ours, theirs) = (over(1.0, &[ours, 1.0, 1.0]), over(0.0, &[0.3, 0.0, 0.0]));
            Difference::between(&ours, &theirs).p
        };
        assert_eq!(p(0.1 + 0.2), Some(2.0 * (1.0 + 1.0) / (1.0 + 3.0)));
        assert_eq!(p(0.1 + 0.2), p(0.3));
    }

    /// The interval of the difference is that of a metric which is the difference.
    #[test]
    fn the_interval_is_that_of_the_paired_bootstrap() {
        let clusters: Vec<usize> = (0..60).map(|row| row / 3).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = (0..60_u32)
            .map(|at| (f64::from(at * at % 17), f64::from(at * 5 % 13)))
            .unzip();
        let both = Measure::means(60, 3, |rows, sums| {
            for &row in rows {
                for (sum, value) in sums.iter_mut().zip([a[row], b[row], a[row] - b[row]]) {
                    *sum += value;
                }
            }
        });
        let means = resample(&both, &clusters, 500, 7);
        let (a, b, paired) = (&means[0], &means[1], &means[2]);
        let (difference, paired) = (Difference::between(a, b), paired.interval());
        let near = |one: Option<f64>, other: Option<f64>| {
            assert!((one.unwrap() - other.unwrap()).abs() < 1e-12);
        };
        near(difference.interval.estimate, paired.estimate);
        near(difference.interval.low, paired.low);
        near(difference.interval.high, paired.high);
        let excluded = paired.above_zero() || paired.below_zero();
        assert_eq!(difference.p.unwrap() < 0.05, excluded);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let none = Difference::between(&over(f64::NAN, &[1.0]), &over(0.0, &[0.0]));
        assert!(none.interval.undefined.unwrap().contains("no value"));
        let alone = Difference::between(&over(1.0, &[]), &over(0.0, &[]));
        assert_eq!(alone.interval.estimate, Some(1.0));
        assert!(alone.interval.undefined.unwrap().contains("one cluster"));
        assert_eq!(alone.p, None);
    }
}
