//! Bootstrap over clusters of rows (Davison and Hinkley 1997, section 3.8), reproducible for any number of threads.
//!
//! Utterances of one video or dialogue share a speaker, a topic and a recording, so their errors are alike. An interval from
//! resampled rows takes them for independent and is too narrow; here whole clusters are drawn. Where every row is a cluster of
//! its own this is the bootstrap over rows.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::clusters::{Members, Table};
use crate::{Interval, Measure};

/// What rounding alone sets apart counts as equal, relative to the value: a draw of every cluster once sums the same rows in another order.
pub(crate) const SLACK: f64 = 1e-12;

/// A metric on the rows as they are and on every resample.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled {
    /// On the rows as they are; NaN where it has no value.
    pub value: f64,
    /// On every resample, in the order of the draws; NaN where it has no value. Nothing where all rows are of one cluster.
    pub draws: Vec<f64>,
}

impl Resampled {
    /// The mean over several seeds of a model, one or more, all over the same rows and draws: NaN where one has no value.
    pub fn mean(seeds: &[Self]) -> Self {
        let n = seeds.len() as f64;
        let draws = seeds.iter().map(|seed| seed.draws.len()).min();
        let at = |draw: usize| seeds.iter().map(|seed| seed.draws[draw]).sum::<f64>() / n;
        Self {
            value: seeds.iter().map(|seed| seed.value).sum::<f64>() / n,
            draws: (0..draws.unwrap_or_default()).map(at).collect(),
        }
    }

    /// `self - other`, draw by draw, both over the same rows and draws; 0 for a draw that rounding alone may set apart, so that a tie counts as
    /// one.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let less = |(ours, theirs): (&f64, &f64)| {
            let difference = ours - theirs;
            let tie = difference.abs() <= SLACK * (ours.abs() + theirs.abs());
            if tie { 0.0 } else { difference }
        };
        Self {
            value: self.value - other.value,
            draws: self.draws.iter().zip(&other.draws).map(less).collect(),
        }
    }

    /// The percentile interval. There are no bounds where the rows as they are have no value, where all are of one cluster, and where no draw
    /// has a value; draws without one are left out.
    pub fn interval(&self) -> Interval {
        Interval::percentile(self.value, &self.draws)
    }
}

/// Every metric of a measure over `resamples` draws, 1 or more, of as many clusters as there are, with replacement.
///
/// `clusters` holds the cluster of each row of the measure, any numbers. Resample r draws from stream r of a ChaCha8 generator, so the result
/// depends on the arguments alone, and measures over the same clusters, resamples and seed are taken over the same rows.
pub fn resample(
    measure: &Measure<'_>,
    clusters: &[usize],
    resamples: usize,
    seed: u64,
) -> Vec<Resampled> {
    // always wanted, so always some
    resample_while(measure, clusters, resamples, seed, || true).unwrap_or_default()
}

/// As [`resample`], for as long as `wanted` says so: it is asked before every draw. `None` where it ended so.
pub fn resample_while(
    measure: &Measure<'_>,
    clusters: &[usize],
    resamples: usize,
    seed: u64,
    wanted: impl Fn() -> bool + Sync,
) -> Option<Vec<Resampled>> {
    let members = Members::new(clusters);
    let table = Table::new(measure, &members);
    let (n, metrics) = (members.count(), measure.count());
    let draws = if n < 2 { 0 } else { resamples };
    let mut values = vec![0.0; draws * metrics];
    let random = ChaCha8Rng::seed_from_u64(seed);
    let start = || (Vec::with_capacity(n), table.none());
    let each = values.par_chunks_mut(metrics.max(1)).enumerate();
    each.try_for_each_init(start, |(drawn, sums), (draw, out)| {
        if !wanted() {
            return None;
        }
        let mut random = random.clone();
        random.set_stream(draw as u64);
        drawn.clear();
        drawn.extend((0..n).map(|_| below(n, random.next_u32())));
        sums.of.fill(0.0);
        drawn.iter().for_each(|&place| table.add(place, sums));
        measure.of_sums(&sums.of, &|| members.rows(drawn.iter().copied()), out);
        Some(())
    })?;
    let found = measure.of_all().into_iter().enumerate();
    let metric = |(at, value): (usize, Result<f64, _>)| Resampled {
        value: value.unwrap_or(f64::NAN),
        draws: values.iter().skip(at).step_by(metrics).copied().collect(),
    };
    Some(found.map(metric).collect())
}

/// Maps 32 random bits to a number below `n` by a multiplication: the bias is under n / 2^32.
pub(crate) fn below(n: usize, random: u32) -> usize {
    ((u64::from(random) * n as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn seeds_are_averaged_draw_by_draw() {
        let seed = |value, draws: [f64; 2]| Resampled {
            value,
            draws: draws.to_vec(),
        };
        let mean = Resampled::mean(&[seed(1.0, [1.0, 2.0]), seed(4.0, [3.0, f64::NAN])]);
        assert_eq!(mean.value, (1.0 + 4.0) / 2.0);
        assert_eq!(mean.draws[0], (1.0 + 3.0) / 2.0);
        assert!(mean.draws[1].is_nan());
    }

    #[test]
    fn what_is_wanted_no_more_ends() {
        let measure = Measure::means(4, 1, |rows, sums| sums[0] += rows.len() as f64);
        let asked = AtomicUsize::new(0);
        let wanted = || asked.fetch_add(1, Ordering::Relaxed) < 3;
        assert_eq!(
            resample_while(&measure, &[0, 1, 2, 3], 1000, 1, wanted),
            None
        );
        assert!(asked.into_inner() < 1000);
    }
}
