//! What the distribution of a score is worth: how often the truth lies inside its central part, and how wide that part is.
//!
//! With `[low[i], high[i]]` the central share q of the distribution of row i and `y[i]` its truth, `coverage` is the share of the rows with
//! `low[i] <= y[i] <= high[i]`, best at q; `width` is the mean of `high[i] - low[i]`, the smaller the better among those of equal coverage
//! (Gneiting, Balabdaoui and Raftery, "Probabilistic forecasts, calibration and sharpness", JRSS B 2007).

use crate::measure::check_metrics;
use crate::scores::{EvalError, check_finite, check_lengths};
use crate::{Measure, Metric};

/// The central parts of the distribution of one score, each from its lower to its upper end, which belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Central {
    /// From the quantile 0.25 to 0.75.
    pub half: (f64, f64),
    /// From the quantile 0.05 to 0.95.
    pub most: (f64, f64),
}

/// Some of [`Metric::COVERAGE`], in the order of `metrics`; one central part and one truth a row.
///
/// ```
/// use unimse_eval::{Central, Metric, coverage_measure};
///
/// let said = [Central { half: (-0.5, 0.5), most: (-2.0, 2.0) }, Central { half: (1.0, 2.0), most: (0.0, 3.0) }];
/// let inside = coverage_measure(&said, &[0.5, 0.9], &[Metric::Coverage50])?;
/// assert_eq!(inside.of_all(), [Ok(1.0 / 2.0)]);
/// # Ok::<(), unimse_eval::EvalError>(())
/// ```
///
/// # Errors
/// No rows, unequal lengths, a truth or an end that is no finite number, ends out of order, a metric of another kind.
pub fn coverage_measure<'a, T: Copy + Into<f64> + Sync>(
    central: &'a [Central],
    truth: &'a [T],
    metrics: &[Metric],
) -> Result<Measure<'a>, EvalError> {
    check(central, truth)?;
    check_metrics(metrics, &Metric::COVERAGE)?;
    let value = move |row: usize, metric: Metric| {
        let c = central[row];
        let (low, high) = match metric {
            Metric::Coverage50 | Metric::Width50 => c.half,
            _ => c.most,
        };
        match metric {
            Metric::Width50 | Metric::Width90 => high - low,
            _ => f64::from(u8::from((low..=high).contains(&truth[row].into()))),
        }
    };
    let metrics = metrics.to_vec();
    let count = metrics.len();
    Ok(Measure::means(truth.len(), count, move |rows, sums| {
        for (&metric, sum) in metrics.iter().zip(sums) {
            rows.iter().for_each(|&row| *sum += value(row, metric));
        }
    }))
}

fn check<T: Copy + Into<f64>>(central: &[Central], truth: &[T]) -> Result<(), EvalError> {
    check_lengths(central, truth)?;
    for (row, c) in central.iter().enumerate() {
        for (low, high) in [c.half, c.most] {
            let ordered = low <= high && low.is_finite() && high.is_finite();
            if !ordered {
                return Err(EvalError::Interval { row, low, high });
            }
        }
    }
    check_finite("truth", truth)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const SAID: [Central; 4] = [
        Central {
            half: (-1.0, 0.0),
            most: (-2.0, 1.0),
        },
        Central {
            half: (0.5, 0.5),
            most: (0.0, 1.0),
        },
        Central {
            half: (1.0, 2.0),
            most: (0.0, 3.0),
        },
        Central {
            half: (-3.0, -2.5),
            most: (-3.0, -1.0),
        },
    ];

    #[test]
    fn coverage_counts_the_ends_and_width_is_a_mean() {
        // inside 50 %: the first at its end, the second on the point; inside 90 %: the third too
        let truth = [0.0, 0.5, 2.5, 0.0];
        let measure = coverage_measure(&SAID, &truth, &Metric::COVERAGE).unwrap();
        let expected = [
            2.0 / 4.0,
            3.0 / 4.0,
            (1.0 + 0.0 + 1.0 + 0.5) / 4.0,
            (3.0 + 1.0 + 3.0 + 2.0) / 4.0,
        ];
        assert_eq!(measure.of_all(), expected.map(Ok));
    }

    #[test]
    fn what_is_no_interval_is_named_with_its_row() {
        let error = |said: &[Central], truth: &[f32]| {
            let measure = coverage_measure(said, truth, &[Metric::Width50]);
            measure.err().unwrap().to_string()
        };
        let turned = Central {
            half: (1.0, 0.0),
            most: (0.0, 1.0),
        };
        assert_eq!(
            error(&[SAID[0], turned], &[0.0, 0.0]),
            "interval in row 2: found 1 to 0, expected two numbers in order"
        );
        assert!(error(&SAID[..1], &[f32::NAN]).contains("truth in row 1: NaN"));
        assert!(error(&SAID, &[0.0]).contains("4 predictions and 1 truths"));
        assert!(error(&[], &[]).contains("no rows"));
        let other = coverage_measure(&SAID[..1], &[0.0], &[Metric::Corr]).err();
        assert!(other.unwrap().to_string().contains("width90"));
    }
}
