//! Approximate randomisation of two systems on the same rows (Noreen, "Computer-intensive methods for testing hypotheses", 1989).
//!
//! If the systems are alike, it does not matter whose answers to a video or dialogue are whose. Each draw exchanges the answers of both for
//! every cluster by a coin; p is the share of draws whose difference is as large, either way, as the one that was found. Unlike a bootstrap it
//! tests what it says whatever the metric, and whole clusters are exchanged, as utterances of one dialogue are alike.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::Measure;
use crate::bootstrap::SLACK;
use crate::clusters::{Members, Table};

/// Two-sided p-values of no difference between two systems, one a metric, `(1 + count) / (1 + draws)`, never 0.
///
/// `clusters` holds the cluster of each of n rows. The measure is of 2 n rows: row `i` is row i with the answer of the first system, row `n + i`
/// the same row with the answer of the second. Draws without a value are left out. `None` where the rows as they are have no difference, and
/// where no draw has a value. Draw d takes its coins from stream d of a ChaCha8 generator, so the result depends on the arguments alone.
///
/// ```
/// use unimse_eval::{Measure, randomisation};
///
/// // each system's answer to five rows; the first is better on all of them
/// let error = [0.1, 0.2, 0.1, 0.3, 0.2, /**/ 0.4, 0.6, 0.5, 0.9, 0.8];
/// let mean = Measure::means(10, 1, |rows, sums| {
///     sums[0] += rows.iter().map(|&row| error[row]).sum::<f64>();
/// });
/// let p = randomisation(&mean, &[0, 1, 2, 3, 4], 4000, 1)[0].ok_or("no value")?;
/// assert!((p - 2.0 / 32.0).abs() < 0.02); // all exchanged or none: 2 of the 2^5 ways
/// # Ok::<(), &str>(())
/// ```
pub fn randomisation(
    measure: &Measure<'_>,
    clusters: &[usize],
    draws: usize,
    seed: u64,
) -> Vec<Option<f64>> {
    let (n, metrics) = (clusters.len(), measure.count());
    let first = Members::new(clusters);
    let members = [&first, &first.moved(n)];
    let tables = members.map(|members| Table::new(measure, members));
    // the metrics where the system at `swapped ^ second` answers each cluster
    let values = |swapped: &[bool], second: bool| {
        let (mut sums, mut values) = (tables[0].none(), vec![0.0; metrics]);
        let answers = || swapped.iter().map(move |swap| usize::from(swap ^ second));
        let each = || answers().enumerate();
        each().for_each(|(place, system)| tables[system].add(place, &mut sums));
        let rows = || -> Vec<usize> {
            let rows = each().flat_map(|(place, system)| members[system].of(place));
            rows.copied().collect()
        };
        measure.of_sums(&sums.of, &rows, &mut values);
        values
    };
    let both = |swapped: &[bool]| [false, true].map(|second| values(swapped, second));
    let mut differences = vec![0.0; draws * metrics];
    let random = ChaCha8Rng::seed_from_u64(seed);
    let each = differences.par_chunks_mut(metrics.max(1)).enumerate();
    each.for_each(|(draw, out)| {
        let mut random = random.clone();
        random.set_stream(draw as u64);
        let coins = (0..first.count()).map(|_| random.next_u32() & 1 == 1);
        let [first, second] = both(&coins.collect::<Vec<bool>>());
        let pairs = first.iter().zip(second);
        out.iter_mut()
            .zip(pairs)
            .for_each(|(out, (a, b))| *out = a - b);
    });
    let [ours, theirs] = both(&vec![false; first.count()]);
    let p = |(at, (ours, theirs)): (usize, (f64, f64))| {
        let drawn = differences.iter().skip(at).step_by(metrics).copied();
        let slack = SLACK * (ours.abs() + theirs.abs());
        p_value(ours - theirs, slack, drawn)
    };
    ours.into_iter().zip(theirs).enumerate().map(p).collect()
}

/// The share of differences at least as large as the one that was `found`, less the slack of rounding.
fn p_value(found: f64, slack: f64, drawn: impl Iterator<Item = f64>) -> Option<f64> {
    let finite = drawn.filter(|value| value.is_finite());
    let (all, as_large) = finite.fold((0_usize, 0_usize), |(all, as_large), value| {
        let counts = value.abs() >= found.abs() - slack;
        (all + 1, as_large + usize::from(counts))
    });
    (found.is_finite() && all > 0).then(|| (1 + as_large) as f64 / (1 + all) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn p(values: &[f64], clusters: &[usize], draws: usize, seed: u64) -> Option<f64> {
        let mean = Measure::means(values.len(), 1, |rows, sums| {
            sums[0] += rows.iter().map(|&row| values[row]).sum::<f64>();
        });
        randomisation(&mean, clusters, draws, seed)[0]
    }

    #[test]
    fn equal_systems_have_p_1_and_the_better_of_many_rows_nearly_0() {
        let alone: Vec<usize> = (0..40).collect();
        let first: Vec<f64> = alone.iter().map(|row| (row * 7 % 11) as f64).collect();
        let twice = [first.clone(), first.clone()].concat();
        assert_eq!(p(&twice, &alone, 99, 1), Some(1.0));
        let better: Vec<f64> = first.iter().map(|value| value + 1.0).collect();
        let p = p(&[better, first].concat(), &alone, 999, 1);
        assert_eq!(p, Some((1.0 + 0.0) / (1.0 + 999.0)));
    }

    /// Three clusters can be exchanged in 2^3 ways, of which all and none give the largest difference, however many rows they have.
    #[test]
    fn clusters_are_exchanged_whole() {
        let clusters: Vec<usize> = (0..60).map(|row| row % 3).collect();
        let values: Vec<f64> = (0..120).map(|row| f64::from(row < 60)).collect();
        let p = p(&values, &clusters, 8000, 3).unwrap();
        let spread = (0.25_f64 * 0.75 / 8000.0).sqrt();
        assert!((p - 2.0 / 8.0).abs() < 4.0 * spread, "{p}");
    }

    #[test]
    fn threads_change_nothing_and_no_value_has_no_p() {
        let clusters: Vec<usize> = (0..50).map(|row| row / 2).collect();
        let values: Vec<f64> = (0..100).map(|row| f64::from(row * row % 17)).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| p(&values, &clusters, 300, 5))
        };
        assert_eq!(with(1), with(4));
        assert_eq!(p(&[f64::NAN; 100], &clusters, 10, 1), None);
        assert_eq!(p(&[], &[], 10, 1), None);
    }
}
