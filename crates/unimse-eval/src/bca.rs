//! The bias-corrected and accelerated interval (Efron, "Better bootstrap confidence intervals", JASA 1987) over clusters of rows.
//!
//! The percentile interval is off where the resamples are not centred on the estimate, or where its error grows with its value, as that of a
//! share near 0 or 1 does. BCa reads other quantiles of the same resamples: with `z0` the normal quantile of the share of resamples below the
//! estimate (those equal to it count half), `a` the acceleration and `z` the normal quantile of an end, the end is the quantile at
//! `Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`. The acceleration is that of the jackknife that leaves out one cluster at a time: with `u[i]` the mean
//! of the values less value i, `a = sum u^3 / (6 (sum u^2)^1.5)`.

use std::ops::Range;

use crate::bootstrap::SLACK;
use crate::clusters::{Members, Sums, Table};
use crate::interval::{HIGH, LOW, quantile};
use crate::normal::{phi, phi_inverse};
use crate::{Interval, Measure};

/// The values of every metric of a measure without each cluster in turn, clusters in the order of their first row: what [`Interval::bca`] takes.
pub fn jackknife(measure: &Measure<'_>, clusters: &[usize]) -> Vec<Vec<f64>> {
    let members = Members::new(clusters);
    let (n, metrics) = (members.count(), measure.count());
    let mut values = vec![0.0; n * metrics];
    let left_out = LeftOut {
        table: Table::new(measure, &members),
        measure,
        members: &members,
    };
    left_out.each(0..n, &left_out.table.none(), &mut values);
    let metric = |at| values.iter().skip(at).step_by(metrics).copied().collect();
    (0..metrics).map(metric).collect()
}

/// Leaves out every cluster once. Each half of the clusters needs the sums of the other half, and so on down to one: n log n additions. Nothing
/// is subtracted, so no cluster that is much larger than the others takes digits from them.
struct LeftOut<'m> {
    table: Table<'m>,
    measure: &'m Measure<'m>,
    members: &'m Members,
}

impl LeftOut<'_> {
    /// Those of `range`; `outside` has the sums of all others. `out` `[clusters of the range, metrics]`.
    fn each(&self, range: Range<usize>, outside: &Sums, out: &mut [f64]) {
        let Range { start, end } = range;
        if end - start < 2 {
            if start < end {
                let rows = || self.members.without(start);
                self.measure.of_sums(&outside.of, &rows, out);
            }
            return;
        }
        let middle = start.midpoint(end);
        let (left, right) = out.split_at_mut((middle - start) * self.measure.count());
        let with = |others: Range<usize>| {
            let mut sums = outside.clone();
            others.for_each(|place| self.table.add(place, &mut sums));
            sums
        };
        rayon::join(
            || self.each(start..middle, &with(middle..end), left),
            || self.each(middle..end, &with(start..middle), right),
        );
    }
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
            let slack = SLACK * scale.abs();
            let a = acceleration(jackknife, slack)?;
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

/// `slack`: differences up to it are of rounding.
fn acceleration(jackknife: &[f64], slack: f64) -> Result<f64, String> {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    if !mean.is_finite() {
        return Err("without one of the clusters the metric has no value".to_owned());
    }
    // it does not depend on the scale, so the largest is made 1: cubes of any sizes then neither vanish nor overflow
    let largest = jackknife.iter().map(|value| (mean - value).abs());
    let largest = largest.fold(0.0, f64::max);
    if largest <= slack {
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

    fn mean(values: &[f64]) -> Measure<'_> {
        Measure::means(values.len(), 1, |rows, sums| {
            sums[0] += rows.iter().map(|&row| values[row]).sum::<f64>();
        })
    }

    #[test]
    fn each_cluster_is_left_out_once() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0];
        let found = jackknife(&mean(&values), &[7, 3, 7, 3, 1]);
        assert_eq!(
            found,
            [[
                (1.0 + 3.0 + 4.0) / 3.0,
                (0.0 + 2.0 + 4.0) / 3.0,
                (0.0 + 1.0 + 2.0 + 3.0) / 4.0
            ]]
        );
        assert!(jackknife(&mean(&values), &[2; 5])[0][0].is_nan());
        assert_eq!(jackknife(&mean(&[]), &[]), [[0.0; 0]]);
    }

    /// Subtracted from the sum of all, 2^60 would leave nothing of the others.
    #[test]
    fn a_cluster_that_outweighs_all_others_takes_no_digits_from_them() {
        let values = [1.5, 2.0_f64.powi(60), 2.5, 5.0];
        let found = jackknife(&mean(&values), &[0, 1, 2, 3]);
        assert_eq!(found[0][1], (1.5 + 2.5 + 5.0) / 3.0);
    }

    /// Sums of 0.1 in different orders differ in the last bits.
    #[test]
    fn rounding_is_no_influence_of_a_cluster() {
        let (values, clusters) = (vec![0.1; 1000], (0..1000).collect::<Vec<_>>());
        let found = jackknife(&mean(&values), &clusters);
        let interval = Interval::bca(0.1, 0.1, &[0.1, 0.1], &found[0]);
        assert!(interval.undefined.unwrap().contains("no cluster changes"));
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
        let clusters: Vec<usize> = (0..values.len()).collect();
        let measure = mean(&values);
        let resampled = &resample(&measure, &clusters, 2000, 1)[0];
        let (value, jackknife) = (resampled.value, jackknife(&measure, &clusters));
        let plain = resampled.interval();
        let bca = Interval::bca(value, value, &resampled.draws, &jackknife[0]);
        assert!(
            bca.low > plain.low && bca.high > plain.high,
            "{bca:?} {plain:?}"
        );
    }
}
