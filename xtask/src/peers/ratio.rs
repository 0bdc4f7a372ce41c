//! What rounds say: the median of the figures of all rounds, with an interval that assumes nothing of their distribution.

use serde::{Deserialize, Serialize};

/// A median over rounds, and an interval of order statistics around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The chance that the interval holds the median of what rounds would go on to say: 1 - 2 P(Binomial(n, 1/2) < k) for the interval from the
    /// k-th smallest to the k-th largest.
    pub(crate) coverage: f64,
}

/// The confidence asked for, reached by six rounds and more.
const ENOUGH: f64 = 0.95;

impl Figure {
    /// From the figures of the rounds; the narrowest interval of [`ENOUGH`] coverage, or from the least to the largest where there is none. None
    /// for no rounds, and where a figure is not finite.
    pub(crate) fn of(mut rounds: Vec<f64>) -> Option<Self> {
        let n = rounds.len();
        if n == 0 || rounds.iter().any(|x| !x.is_finite()) {
            return None;
        }
        rounds.sort_unstable_by(f64::total_cmp);
        let (mut k, mut coverage) = (1, coverage(n, 1));
        while 2 * (k + 1) <= n && self::coverage(n, k + 1) >= ENOUGH {
            k += 1;
            coverage = self::coverage(n, k);
        }
        Some(Self {
            median: (rounds[(n - 1) / 2] + rounds[n / 2]) / 2.0,
            low: rounds[k - 1],
            high: rounds[n - k],
            coverage,
        })
    }
}

/// 1 - 2 P(Binomial(n, 1/2) < k), not below 0.
fn coverage(n: usize, k: usize) -> f64 {
    let (mut below, mut chance) = (0.0, 0.5_f64.powf(n as f64));
    for i in 0..k {
        below += chance;
        chance *= (n - i) as f64 / (i + 1) as f64;
    }
    (1.0 - 2.0 * below).max(0.0)
}
