//! Percentile bootstrap over rows (Efron and Tibshirani 1993, chapter 13), reproducible for any number of threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value on the rows as they are.
    pub estimate: f64,
    /// The 2.5 % quantile over the resamples.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

impl Interval {
    /// Whether the interval lies wholly above zero: for a paired difference, better beyond chance.
    pub fn above_zero(&self) -> bool {
        self.low > 0.0
    }

    /// Whether the interval lies wholly below zero.
    pub fn below_zero(&self) -> bool {
        self.high < 0.0
    }
}

/// The interval of a metric over `n` rows from `resamples` draws of `n` rows with replacement.
///
/// `metric` maps row numbers below `n` to a value, NaN where it has none; such resamples are left out. Where the rows
/// as they are have no value all three numbers are NaN, where no resample has one the interval is the estimate.
/// Resample r draws from stream r of a ChaCha8 generator, so the result depends on the arguments alone.
pub fn bootstrap(
    n: usize,
    resamples: usize,
    seed: u64,
    metric: impl Fn(&[usize]) -> f64 + Sync,
) -> Interval {
    let rows: Vec<usize> = (0..n).collect();
    let estimate = metric(&rows);
    let draw = |rows: &mut Vec<usize>, resample: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(resample as u64);
        rows.iter_mut()
            .for_each(|row| *row = below(n, random.next_u32()));
        metric(rows)
    };
    let mut values: Vec<f64> = (0..resamples)
        .into_par_iter()
        .map_init(|| rows.clone(), draw)
        .collect();
    values.retain(|value| !value.is_nan());
    values.sort_unstable_by(f64::total_cmp);
    if estimate.is_nan() || values.is_empty() {
        return Interval {
            estimate,
            low: estimate,
            high: estimate,
        };
    }
    Interval {
        estimate,
        low: quantile(&values, 0.025),
        high: quantile(&values, 0.975),
    }
}

/// The interval of the difference `a - b` of two metrics on the same rows, every resample drawn for both at once.
pub fn paired_bootstrap(
    n: usize,
    resamples: usize,
    seed: u64,
    a: impl Fn(&[usize]) -> f64 + Sync,
    b: impl Fn(&[usize]) -> f64 + Sync,
) -> Interval {
    bootstrap(n, resamples, seed, |rows| a(rows) - b(rows))
}

/// Maps 32 random bits to a row below `n` by a multiplication: the bias is under n / 2^32.
fn below(n: usize, random: u32) -> usize {
    ((u64::from(random) * n as u64) >> 32) as usize
}

/// The quantile of ascending values, linear between them; `values` is not empty.
fn quantile(values: &[f64], share: f64) -> f64 {
    let position = share * (values.len() - 1) as f64;
    let (low, high) = (
        values[position.floor() as usize],
        values[position.ceil() as usize],
    );
    low + (high - low) * position.fract()
}
