//! Percentile bootstrap over clusters of rows (Davison and Hinkley 1997, section 3.8), reproducible for any number of threads.
//!
//! Utterances of one video or dialogue share a speaker, a topic and a recording, so their errors are alike. An interval from
//! resampled rows takes them for independent and is too narrow; here whole clusters are drawn. Where every row is a cluster of
//! its own this is the bootstrap over rows.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// An estimate with its 95 % interval, or the reason why it has none. Every number is finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Interval {
    /// The value on the rows as they are; `None` where it is undefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// The 2.5 % quantile over the resamples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The 97.5 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Why there are no bounds; `None` where there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
}

impl Interval {
    /// Whether the interval lies wholly above zero: for a paired difference, better beyond chance.
    pub fn above_zero(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// Whether the interval lies wholly below zero.
    pub fn below_zero(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}

impl Interval {
    /// From the value on the rows as they are and the values over the resamples, as [`resample`] gives them; `bounds` takes its two ends from
    /// those that are finite, ascending and some.
    pub(crate) fn new(
        estimate: f64,
        resampled: &[f64],
        bounds: impl FnOnce(&[f64]) -> Result<(f64, f64), String>,
    ) -> Self {
        let estimate = Some(estimate).filter(|value| value.is_finite());
        let found = match estimate {
            Some(_) => ascending(resampled).and_then(|values| bounds(&values)),
            None => Err("the metric has no value on these rows".to_owned()),
        };
        let (low, high, undefined) = match found {
            Ok((low, high)) => (Some(low), Some(high), None),
            Err(reason) => (None, None, Some(reason)),
        };
        Self {
            estimate,
            low,
            high,
            undefined,
        }
    }

    /// The percentile interval: the 2.5 % and the 97.5 % quantile of the values that [`resample`] gives. `estimate` is the value on the rows as
    /// they are, NaN where there is none.
    pub fn percentile(estimate: f64, resampled: &[f64]) -> Self {
        Self::new(estimate, resampled, |values| {
            Ok((quantile(values, LOW), quantile(values, HIGH)))
        })
    }
}

/// Ends of a 95 % interval.
pub(crate) const LOW: f64 = 0.025;
pub(crate) const HIGH: f64 = 0.975;

/// The finite ones of resampled values, ascending, or why there are none.
fn ascending(resampled: &[f64]) -> Result<Vec<f64>, String> {
    if resampled.is_empty() {
        return Err("all rows are of one cluster, at least 2 are needed to resample".to_owned());
    }
    let finite = resampled.iter().copied().filter(|value| value.is_finite());
    let mut values: Vec<f64> = finite.collect();
    values.sort_unstable_by(f64::total_cmp);
    if values.is_empty() {
        Err(format!("none of {} resamples has a value", resampled.len()))
    } else {
        Ok(values)
    }
}

/// The interval of a metric from `resamples` draws of as many clusters as there are, with replacement.
///
/// `clusters` holds the cluster of each row, any numbers. `metric` maps row numbers below `clusters.len()` to a value, NaN where
/// it has none; such resamples are left out. There are no bounds where the rows as they are have no value, where all are of one
/// cluster, and where no resample has a value. Resample r draws from stream r of a ChaCha8 generator, so the result depends on the
/// arguments alone.
pub fn bootstrap(
    clusters: &[usize],
    resamples: usize,
    seed: u64,
    metric: impl Fn(&[usize]) -> f64 + Sync,
) -> Interval {
    let rows: Vec<usize> = (0..clusters.len()).collect();
    let estimate = metric(&rows);
    if estimate.is_finite() && resamples == 0 {
        return Interval {
            estimate: Some(estimate),
            undefined: Some("none of 0 resamples has a value".to_owned()),
            ..Interval::default()
        };
    }
    let resampled = if estimate.is_finite() {
        resample(clusters, resamples, seed, metric)
    } else {
        Vec::new()
    };
    Interval::percentile(estimate, &resampled)
}

/// The values of a metric over `resamples` draws, in the order of the draws, NaN where it has none; nothing where all rows are of one
/// cluster. Draws are those of [`bootstrap`]: metrics over the same clusters, resamples and seed are taken over the same rows.
pub fn resample(
    clusters: &[usize],
    resamples: usize,
    seed: u64,
    metric: impl Fn(&[usize]) -> f64 + Sync,
) -> Vec<f64> {
    let members = Members::new(clusters);
    let n = members.count();
    if n < 2 {
        return Vec::new();
    }
    let draw = |drawn: &mut Vec<usize>, resample: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(resample as u64);
        drawn.clear();
        for _ in 0..n {
            drawn.extend_from_slice(members.of(below(n, random.next_u32())));
        }
        metric(drawn)
    };
    (0..resamples)
        .into_par_iter()
        .map_init(|| Vec::with_capacity(clusters.len()), draw)
        .collect()
}

/// The interval of the difference `a - b` of two metrics on the same rows, every resample drawn for both at once.
pub fn paired_bootstrap(
    clusters: &[usize],
    resamples: usize,
    seed: u64,
    a: impl Fn(&[usize]) -> f64 + Sync,
    b: impl Fn(&[usize]) -> f64 + Sync,
) -> Interval {
    bootstrap(clusters, resamples, seed, |rows| a(rows) - b(rows))
}

/// The rows of every cluster, clusters in the order of their first row.
pub(crate) struct Members {
    /// The rows, cluster by cluster, ascending in each.
    rows: Vec<usize>,
    /// Where each cluster begins in them, and the end of the last.
    starts: Vec<usize>,
}

impl Members {
    pub(crate) fn new(clusters: &[usize]) -> Self {
        let mut places = HashMap::new();
        let mut of_row = Vec::with_capacity(clusters.len());
        for &cluster in clusters {
            let next = places.len();
            of_row.push(*places.entry(cluster).or_insert(next));
        }
        let mut starts = vec![0; places.len() + 1];
        of_row.iter().for_each(|&place| starts[place + 1] += 1);
        for place in 0..places.len() {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; clusters.len()];
        for (row, &place) in of_row.iter().enumerate() {
            rows[next[place]] = row;
            next[place] += 1;
        }
        Self { rows, starts }
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn of(&self, place: usize) -> &[usize] {
        &self.rows[self.starts[place]..self.starts[place + 1]]
    }

    /// All rows but those of one cluster, cluster by cluster.
    pub(crate) fn without(&self, place: usize) -> Vec<usize> {
        let (before, from) = self.rows.split_at(self.starts[place]);
        let after = &from[self.of(place).len()..];
        [before, after].concat()
    }
}

/// Maps 32 random bits to a number below `n` by a multiplication: the bias is under n / 2^32.
fn below(n: usize, random: u32) -> usize {
    ((u64::from(random) * n as u64) >> 32) as usize
}

/// The quantile of ascending values, linear between them; `values` is not empty.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let position = share * (values.len() - 1) as f64;
    let (low, high) = (
        values[position.floor() as usize],
        values[position.ceil() as usize],
    );
    low + (high - low) * position.fract()
}
