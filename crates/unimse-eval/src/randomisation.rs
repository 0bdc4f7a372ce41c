//! Approximate randomisation of two systems on the same rows (Noreen, "Computer-intensive methods for testing hypotheses", 1989).
//!
//! If the systems are alike, it does not matter whose answers to a video or dialogue are whose. Each draw exchanges the answers of both for
//! every cluster by a coin; p is the share of draws whose difference is as large, either way, as the one that was found. Unlike a bootstrap it
//! tests what it says whatever the metric, and whole clusters are exchanged, as utterances of one dialogue are alike.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::bca::SLACK;
use crate::bootstrap::Members;

/// Two-sided p-value of no difference between two systems, `(1 + count) / (1 + draws)`, never 0.
///
/// `clusters` holds the cluster of each of n rows. `metric` maps row numbers below 2 n to a value, NaN where it has none: row `i` is row i with
/// the answer of the first system, row `n + i` the same row with the answer of the second. Draws without a value are left out. `None` where the
/// rows as they are have no difference, and where no draw has a value. Draw d takes its coins from stream d of a ChaCha8 generator, so the
/// result depends on the arguments alone.
///
/// ```
/// // each system's answer to five rows; the first is better on all of them
/// let error = [0.1, 0.2, 0.1, 0.3, 0.2, /**/ 0.4, 0.6, 0.5, 0.9, 0.8];
/// let mean = |rows: &[usize]| rows.iter().map(|&row| error[row]).sum::<f64>() / rows.len() as f64;
/// let p = unimse_eval::randomisation(&[0, 1, 2, 3, 4], 4000, 1, mean).ok_or("no value")?;
/// assert!((p - 2.0 / 32.0).abs() < 0.02); // all exchanged or none: 2 of the 2^5 ways
/// # Ok::<(), &str>(())
/// ```
pub fn randomisation(
    clusters: &[usize],
    draws: usize,
    seed: u64,
    metric: impl Fn(&[usize]) -> f64 + Sync,
) -> Option<f64> {
    let n = clusters.len();
    let members = Members::new(clusters);
    let difference = |swapped: &[bool]| {
        let of = |second: bool| -> Vec<usize> {
            let rows = swapped.iter().enumerate();
            rows.map(|(row, &swap)| if swap == second { row } else { n + row })
                .collect()
        };
        let (first, second) = (metric(&of(false)), metric(&of(true)));
        (first - second, SLACK * (first.abs() + second.abs()))
    };
    let (found, slack) = difference(&vec![false; n]);
    if !found.is_finite() {
        return None;
    }
    let draw = |draw: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(draw as u64);
        let mut swapped = vec![false; n];
        for place in 0..members.count() {
            let swap = random.next_u32() & 1 == 1;
            members
                .of(place)
                .iter()
                .for_each(|&row| swapped[row] = swap);
        }
        difference(&swapped).0
    };
    let values: Vec<f64> = (0..draws).into_par_iter().map(draw).collect();
    let finite = values.iter().filter(|value| value.is_finite());
    let (all, as_large) = finite.fold((0_usize, 0_usize), |(all, as_large), value| {
        let counts = value.abs() >= found.abs() - slack;
        (all + 1, as_large + usize::from(counts))
    });
    (all > 0).then(|| (1 + as_large) as f64 / (1 + all) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn mean<'a>(values: &'a [f64]) -> impl Fn(&[usize]) -> f64 + Sync + 'a {
        |rows: &[usize]| rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
    }

    #[test]
    fn equal_systems_have_p_1_and_the_better_of_many_rows_nearly_0() {
        let alone: Vec<usize> = (0..40).collect();
        let first: Vec<f64> = alone.iter().map(|row| (row * 7 % 11) as f64).collect();
        let twice = [first.clone(), first.clone()].concat();
        assert_eq!(randomisation(&alone, 99, 1, mean(&twice)), Some(1.0));
        let better: Vec<f64> = first.iter().map(|value| value + 1.0).collect();
        let p = randomisation(&alone, 999, 1, mean(&[better, first].concat()));
        assert_eq!(p, Some((1.0 + 0.0) / (1.0 + 999.0)));
    }

    /// Three clusters can be exchanged in 2^3 ways, of which all and none give the largest difference, however many rows they have.
    #[test]
    fn clusters_are_exchanged_whole() {
        let clusters: Vec<usize> = (0..60).map(|row| row % 3).collect();
        let values: Vec<f64> = (0..120).map(|row| f64::from(row < 60)).collect();
        let p = randomisation(&clusters, 8000, 3, mean(&values)).unwrap();
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
            pool.install(|| randomisation(&clusters, 300, 5, mean(&values)))
        };
        assert_eq!(with(1), with(4));
        assert_eq!(randomisation(&clusters, 10, 1, |_| f64::NAN), None);
        assert_eq!(randomisation(&[], 10, 1, mean(&[])), None);
    }
}
