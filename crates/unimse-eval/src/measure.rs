//! Metrics as functions of sums over rows.
//!
//! Resamples, a jackknife and exchanged systems ask for the same metrics of thousands of sets of the same rows. Every metric here is a function of
//! a few sums (of errors, products, hits), so what a cluster of rows adds to them is computed once, and each set adds up its clusters, for all
//! metrics at once.

use crate::scores::{NO_ROWS, Scores};
use crate::{EvalError, Metric};

/// Adds rows to sums.
type Add<'a> = Box<dyn Fn(&[usize], &mut [f64]) + Sync + 'a>;
/// A metric of the rows whose sums these are, or why it has none; the second argument lists the rows.
type Value<'a> =
    Box<dyn Fn(&[f64], &dyn Fn() -> Vec<usize>) -> Result<f64, &'static str> + Sync + 'a>;

/// Rows that are listed at a time where all are added.
const CHUNK: usize = 1024;

/// Metrics of fixed rows, for [`resample`](crate::resample), [`jackknife`](crate::jackknife) and [`randomisation`](crate::randomisation).
///
/// ```
/// use unimse_eval::Measure;
///
/// let sizes = [1.0, 2.0, 3.0, 7.0];
/// let spread = Measure::new(4, 3, |rows, sums| {
///     for &row in rows {
///         sums[0] += 1.0;
///         sums[1] += sizes[row];
///         sums[2] += sizes[row] * sizes[row];
///     }
/// });
/// let spread = spread.metric(|sums, _| Ok(sums[2] / sums[0] - (sums[1] / sums[0]).powi(2)));
/// assert_eq!(spread.of_rows(&[0, 2]), [(1.0 + 9.0) / 2.0 - 2.0 * 2.0]);
/// ```
pub struct Measure<'a> {
    rows: usize,
    width: usize,
    add: Add<'a>,
    values: Vec<Value<'a>>,
}

impl<'a> Measure<'a> {
    /// Of rows below `rows`, without a metric yet; `add` adds what rows contribute to `width` sums, row by row in their order.
    pub fn new(rows: usize, width: usize, add: impl Fn(&[usize], &mut [f64]) + Sync + 'a) -> Self {
        Self {
            rows,
            width,
            add: Box::new(add),
            values: Vec::new(),
        }
    }

    /// With one more metric: its value from the sums, or the reason why it has none. Where they do not tell it well enough, the function that
    /// `value` gets lists the rows that were added, in any order, some perhaps more than once.
    #[must_use]
    pub fn metric(
        mut self,
        value: impl Fn(&[f64], &dyn Fn() -> Vec<usize>) -> Result<f64, &'static str> + Sync + 'a,
    ) -> Self {
        self.values.push(Box::new(value));
        self
    }

    /// Means over rows, `count` of them, each a metric: `add` adds what rows contribute to their sums.
    pub fn means(
        rows: usize,
        count: usize,
        add: impl Fn(&[usize], &mut [f64]) + Sync + 'a,
    ) -> Self {
        let counted = move |rows: &[usize], sums: &mut [f64]| {
            sums[count] += rows.len() as f64;
            add(rows, &mut sums[..count]);
        };
        (0..count).fold(Self::new(rows, count + 1, counted), |measure, at| {
            measure.metric(move |sums, _| mean(sums[at], sums[count]))
        })
    }

    /// How many metrics there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Every metric on all rows, or why it has no value there.
    pub fn of_all(&self) -> Vec<Result<f64, &'static str>> {
        let mut sums = vec![0.0; self.width];
        let mut chunk = Vec::with_capacity(CHUNK.min(self.rows));
        for start in (0..self.rows).step_by(CHUNK) {
            chunk.clear();
            chunk.extend(start..self.rows.min(start + CHUNK));
            self.add(&chunk, &mut sums);
        }
        let value = |value: &Value<'a>| value(&sums, &|| (0..self.rows).collect());
        self.values.iter().map(value).collect()
    }

    /// Every metric on some rows, which may come more than once; NaN where it has no value. A row out of range panics.
    pub fn of_rows(&self, rows: &[usize]) -> Vec<f64> {
        let (mut sums, mut out) = (vec![0.0; self.width], vec![0.0; self.count()]);
        self.add(rows, &mut sums);
        self.of_sums(&sums, &|| rows.to_vec(), &mut out);
        out
    }

    /// All rows as scores of `metrics`, those of this measure.
    pub(crate) fn scores(&self, metrics: &[Metric]) -> Scores {
        Scores::collect(self.rows, metrics.iter().copied().zip(self.of_all()))
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn add(&self, rows: &[usize], sums: &mut [f64]) {
        (self.add)(rows, sums);
    }

    /// Every metric of the rows that were summed, NaN where it has no value.
    pub(crate) fn of_sums(&self, sums: &[f64], rows: &dyn Fn() -> Vec<usize>, out: &mut [f64]) {
        for (out, value) in out.iter_mut().zip(&self.values) {
            *out = value(sums, rows).unwrap_or(f64::NAN);
        }
    }
}

pub(crate) const BEYOND: &str = "sums of the values are beyond 64-bit floats";

/// `sum / n`, or why it is none.
pub(crate) fn mean(sum: f64, n: f64) -> Result<f64, &'static str> {
    match sum / n {
        _ if n == 0.0 => Err(NO_ROWS),
        mean if mean.is_finite() => Ok(mean),
        _ => Err(BEYOND),
    }
}

/// Fails on a metric that is not of `known`.
pub(crate) fn check_metrics(metrics: &[Metric], known: &[Metric]) -> Result<(), EvalError> {
    match metrics.iter().find(|metric| !known.contains(metric)) {
        Some(&found) => {
            let known: Vec<&str> = known.iter().map(|metric| metric.key()).collect();
            let expected = known.join(", ");
            Err(EvalError::UnknownMetric { found, expected })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_sums_over_rows_and_none_has_a_reason() {
        let values: Vec<f64> = (0..2500).map(f64::from).collect();
        let add = |rows: &[usize], sums: &mut [f64]| {
            for &row in rows {
                sums[0] += values[row];
                sums[1] -= 1.0;
            }
        };
        let measure = Measure::means(values.len(), 2, add);
        assert_eq!(measure.of_all(), [Ok(2499.0 / 2.0), Ok(-1.0)]);
        assert_eq!(measure.of_rows(&[1, 4, 4]), [(1.0 + 4.0 + 4.0) / 3.0, -1.0]);
        let none = Measure::means(0, 1, |_, _| {});
        assert_eq!(none.of_all(), [Err(NO_ROWS)]);
        assert!(none.of_rows(&[])[0].is_nan());
    }
}
