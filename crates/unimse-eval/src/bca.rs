//! The bias-corrected and accelerated interval (Efron, "Better bootstrap confidence intervals", JASA 1987) over clusters of rows.
//!
//! The percentile interval is off where the resamples are not centred on the estimate, or where its error grows with its value, as that of a
//! share near 0 or 1 does. BCa reads other quantiles of the same resamples: with `z0` the normal quantile of the share of resamples below the
//! estimate (those equal to it count half), `a` the acceleration and `z` the normal quantile of an end, the end is the quantile at
//! `Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`. The acceleration is that of the jackknife that leaves out one cluster at a time: with `u[i]` the mean
//! of the values less value i, `a = sum u^3 / (6 (sum u^2)^1.5)`.

use rayon::prelude::*;

use crate::Interval;
use crate::bootstrap::{HIGH, LOW, Members, quantile};
use crate::normal::{phi, phi_inverse};

/// Rows that a jackknife may look at in all: some seconds of a core.
const MOST: usize = 1 << 30;

/// What rounding alone sets apart counts as equal, relative to the value: a draw of every cluster once sums the same rows in another order.
pub(crate) const SLACK: f64 = 1e-12;

/// The values of a metric without each cluster in turn, clusters in the order of their first row: what [`Interval::bca`] takes.
///
/// # Errors
/// In words, where there are too many clusters of too many rows to leave out each: it takes their product.
pub fn jackknife(
    clusters: &[usize],
    metric: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<Vec<f64>, String> {
    let (members, n) = (Members::new(clusters), clusters.len());
    if members.count().saturating_mul(n) > MOST {
        return Err(format!(
            "the jackknife would leave out each of {} clusters of {n} rows, more than {MOST} rows in all",
            members.count()
        ));
    }
    let values = (0..members.count()).into_par_iter();
    Ok(values
        .map(|place| metric(&members.without(place)))
        .collect())
}

impl Interval {
    /// The BCa interval of the value on the rows as they are, from its values over resamples ([`resample`](crate::resample)) and without each
    /// cluster ([`jackknife`]). There are no bounds where there is no percentile interval, where no cluster changes the value or one leaves
    /// none, and where all resamples lie on one side of it.
    ///
    /// Values that rounding may have set apart, by 1e-12 of `scale`, count as equal: `scale` is the size of what the value was computed from, for
    /// a metric its own, for a difference the sum of both.
    pub fn bca(estimate: f64, scale: f64, resampled: &[f64], jackknife: &[f64]) -> Self {
        Self::new(estimate, resampled, |values| {
            let a = acceleration(jackknife)?;
            let slack = SLACK * scale.abs();
            let below = values.partition_point(|value| *value < estimate - slack);
            let at_most = values.partition_point(|value| *value <= estimate + slack);
            let share = (below + at_most) as f64 / (2 * values.len()) as f64;
            if share == 0.0 || share == 1.0 {
                return Err("all resamples lie on one side of the value".to_owned());
            }
            let z0 = phi_inverse(share);
            let end = |level: f64| {
                let z = z0 + phi_inverse(level);
                let stretch = 1.0 - a * z;
                if stretch > 0.0 {
                    Ok(quantile(values, phi(z0 + z / stretch)))
                } else {
                    Err("bias and acceleration are too large for an interval".to_owned())
                }
            };
            Ok((end(LOW)?, end(HIGH)?))
        })
    }
}

fn acceleration(jackknife: &[f64]) -> Result<f64, String> {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    if !mean.is_finite() {
        return Err("without one of the clusters the metric has no value".to_owned());
    }
    // it does not depend on the scale, so the largest is made 1: cubes of any sizes then neither vanish nor overflow
    let largest = jackknife.iter().map(|value| (mean - value).abs());
    let largest = largest.fold(0.0, f64::max);
    if jackknife.iter().all(|value| *value == jackknife[0]) || largest == 0.0 {
        return Err("no cluster changes the value when it is left out".to_owned());
    }
    let power = |n| {
        let shares = jackknife.iter().map(|value| (mean - value) / largest);
        shares.map(|share| share.powi(n)).sum::<f64>()
    };
    Ok(power(3) / (6.0 * power(2).powf(1.5)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::resample;

    /// A symmetric sample: no bias, no acceleration, so BCa is the percentile interval.
    #[test]
    fn without_bias_and_acceleration_it_is_the_percentile_interval() {
        let resampled: Vec<f64> = (-500..=500).map(f64::from).collect();
        let bca = Interval::bca(0.0, 0.0, &resampled, &[-1.0, 0.0, 1.0]);
        let plain = Interval::percentile(0.0, &resampled);
        assert!((bca.low.unwrap() - plain.low.unwrap()).abs() < 1e-9);
        assert!((bca.high.unwrap() - plain.high.unwrap()).abs() < 1e-9);
    }

    /// Shares 0.5 of the resamples below the value: z0 = 0; u = (-1, -1, 2): a = 6 / (6 * 6^1.5).
    #[test]
    fn the_ends_are_the_formula() {
        let resampled: Vec<f64> = (0..=1000).map(f64::from).collect();
        let bca = Interval::bca(500.0, 500.0, &resampled, &[1.0, 1.0, -2.0]);
        let a = (8.0 - 1.0 - 1.0) / (6.0 * 6.0_f64.powf(1.5));
        let end = |z: f64| 1000.0 * phi(z / (1.0 - a * z));
        assert!((bca.low.unwrap() - end(-1.959_963_984_540_054)).abs() < 1e-6);
        assert!((bca.high.unwrap() - end(1.959_963_984_540_054)).abs() < 1e-6);
    }

    #[test]
    fn each_cluster_is_left_out_once() {
        let sum = |rows: &[usize]| rows.iter().sum::<usize>() as f64;
        let all = 10.0; // 0 + 1 + 2 + 3 + 4
        let found = jackknife(&[7, 3, 7, 3, 1], sum).unwrap();
        assert_eq!(found, [all - 2.0, all - 4.0, all - 4.0]);
        let too_many: Vec<usize> = (0..40_000).collect();
        assert!(
            jackknife(&too_many, sum)
                .unwrap_err()
                .contains("40000 clusters")
        );
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let why = |estimate: f64, resampled: &[f64], jackknife: &[f64]| {
            let interval = Interval::bca(estimate, estimate, resampled, jackknife);
            assert_eq!((interval.low, interval.high), (None, None));
            interval.undefined.unwrap()
        };
        assert!(why(f64::NAN, &[1.0], &[1.0, 2.0]).contains("no value on these rows"));
        assert!(why(1.0, &[], &[1.0]).contains("one cluster"));
        assert!(why(1.0, &[2.0, 3.0], &[1.0, 2.0]).contains("one side"));
        assert!(why(1.0, &[0.5, 2.0], &[0.1, 0.1]).contains("no cluster changes"));
        assert!(why(1.0, &[0.5, 2.0], &[0.1, f64::NAN]).contains("no value"));
    }

    /// The interval grows with its values, whatever their size, and rounding of what a difference was computed from breaks no tie.
    #[test]
    fn neither_size_nor_rounding_changes_it() {
        let (resampled, jackknife) = ([-1.0, -0.5, 0.0, 0.0, 0.5, 2.0], [0.1, -0.2, 0.4]);
        let of = |by: f64| {
            let times = |values: &[f64]| values.iter().map(|v| v * by).collect::<Vec<_>>();
            Interval::bca(0.0, by, &times(&resampled), &times(&jackknife))
        };
        let plain = of(1.0);
        for power in [400, -400] {
            // a power of two rounds nothing
            let by = 2.0_f64.powi(power);
            let large = of(by);
            assert_eq!(large.low, plain.low.map(|low| low * by));
            assert_eq!(large.high, plain.high.map(|high| high * by));
        }
        let nearly = resampled.map(|value| if value == 0.0 { 1e-16 } else { value });
        let nearly = Interval::bca(0.0, 1.0, &nearly, &jackknife);
        assert!((nearly.low.unwrap() - plain.low.unwrap()).abs() < 1e-12);
        assert!((nearly.high.unwrap() - plain.high.unwrap()).abs() < 1e-12);
    }

    /// The mean of a skewed sample: BCa lies to the right of the percentile interval, as the error grows with the value.
    #[test]
    fn a_skewed_sample_moves_both_ends() {
        let values: Vec<f64> = (1..60).map(|at: i32| f64::from(at).powi(3)).collect();
        let mean =
            |rows: &[usize]| rows.iter().map(|&r| values[r]).sum::<f64>() / rows.len() as f64;
        let clusters: Vec<usize> = (0..values.len()).collect();
        let resampled = resample(&clusters, 2000, 1, mean);
        let estimate = mean(&clusters);
        let plain = Interval::percentile(estimate, &resampled);
        let bca = Interval::bca(
            estimate,
            estimate,
            &resampled,
            &jackknife(&clusters, mean).unwrap(),
        );
        assert!(
            bca.low > plain.low && bca.high > plain.high,
            "{bca:?} {plain:?}"
        );
    }
}
