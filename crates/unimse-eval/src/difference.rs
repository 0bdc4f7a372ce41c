//! Two models beside each other: the difference of a metric with its interval and the probability of one as large by chance.
//!
//! Models come with several seeds each, so what is compared is the mean of the metric over seeds, and resamples of rows are the same for
//! all seeds of both. What is drawn are the rows: the interval holds for these trained seeds, and says nothing of seeds not trained.

use serde::{Deserialize, Serialize};

use crate::Interval;
use crate::bca::SLACK;

/// The mean of a metric over the seeds of a model, on the rows as they are and on every resample.
#[derive(Clone, Debug, PartialEq)]
pub struct OverSeeds {
    /// On the rows as they are; NaN where a seed has no value.
    pub value: f64,
    /// On every resample; NaN where a seed has no value.
    pub resampled: Vec<f64>,
}

impl OverSeeds {
    /// The mean of `seeds`, one or more: the value of each, and its values over the resamples as [`resample`](crate::resample) gives them,
    /// equally many.
    pub fn mean(seeds: &[(f64, Vec<f64>)]) -> Self {
        let n = seeds.len() as f64;
        let draws = seeds.iter().map(|(_, values)| values.len()).min();
        let at = |draw: usize| seeds.iter().map(|(_, values)| values[draw]).sum::<f64>() / n;
        Self {
            value: seeds.iter().map(|(value, _)| value).sum::<f64>() / n,
            resampled: (0..draws.unwrap_or_default()).map(at).collect(),
        }
    }
}

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
    /// `ours - theirs`, resample by resample: both over the same rows, clusters, resamples and seed. Resamples on which either has no value
    /// are left out.
    pub fn between(ours: &OverSeeds, theirs: &OverSeeds) -> Self {
        let pairs = ours.resampled.iter().zip(&theirs.resampled);
        let differences: Vec<f64> = pairs.map(|(ours, theirs)| less(*ours, *theirs)).collect();
        let interval = Interval::percentile(ours.value - theirs.value, &differences);
        let p = interval.low.and_then(|_| p_value(&differences));
        Self { interval, p }
    }
}

/// `ours - theirs`; 0 where rounding alone may set them apart, so that a tie counts as one.
fn less(ours: f64, theirs: f64) -> f64 {
    let difference = ours - theirs;
    if difference.abs() <= SLACK * (ours.abs() + theirs.abs()) {
        0.0
    } else {
        difference
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
    use crate::{bootstrap, resample};

    fn over(value: f64, resampled: &[f64]) -> OverSeeds {
        OverSeeds {
            value,
            resampled: resampled.to_vec(),
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

    #[test]
    fn seeds_are_averaged_draw_by_draw() {
        let mean = OverSeeds::mean(&[(1.0, vec![1.0, 2.0]), (4.0, vec![3.0, f64::NAN])]);
        assert_eq!(mean.value, (1.0 + 4.0) / 2.0);
        assert_eq!(mean.resampled[0], (1.0 + 3.0) / 2.0);
        assert!(mean.resampled[1].is_nan());
    }

    /// With one seed each, the interval is that of the paired bootstrap.
    #[test]
    fn the_interval_is_that_of_the_paired_bootstrap() {
        let clusters: Vec<usize> = (0..60).map(|row| row / 3).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = (0..60_u32)
            .map(|at| (f64::from(at * at % 17), f64::from(at * 5 % 13)))
            .unzip();
        let mean = |values: &[f64], rows: &[usize]| {
            rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
        };
        let rows: Vec<usize> = (0..60).collect();
        let of = |values: &[f64]| {
            let drawn = resample(&clusters, 500, 7, |rows| mean(values, rows));
            OverSeeds::mean(&[(mean(values, &rows), drawn)])
        };
        let difference = Difference::between(&of(&a), &of(&b));
        let paired = bootstrap(&clusters, 500, 7, |rows| mean(&a, rows) - mean(&b, rows));
        assert_eq!(difference.interval, paired);
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
