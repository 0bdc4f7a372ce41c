//! What every kind of metric shares: the result and the errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Metric;

/// Metrics of one comparison, each either a finite number or undefined with a reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scores {
    /// Rows compared, those included that a single metric leaves out.
    pub n: usize,
    /// The values.
    pub metrics: BTreeMap<Metric, f64>,
    /// The metrics without a value, with the reason.
    pub undefined: BTreeMap<Metric, String>,
}

impl Scores {
    /// The value of a metric; `None` where it is undefined or not of the convention.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.metrics.get(&metric).copied()
    }

    pub(crate) fn collect(
        n: usize,
        values: impl IntoIterator<Item = (Metric, Result<f64, &'static str>)>,
    ) -> Self {
        let mut scores = Self {
            n,
            ..Self::default()
        };
        for (metric, value) in values {
            match value {
                Ok(value) => drop(scores.metrics.insert(metric, value)),
                Err(reason) => drop(scores.undefined.insert(metric, reason.to_owned())),
            }
        }
        scores
    }
}

/// Input on which no metric can be computed. Fields count rows from 0 as slices do, messages from 1.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// There is nothing to compare.
    #[error("no rows, expected at least one")]
    Empty,
    /// Predictions and truths do not belong together.
    #[error("{predictions} predictions and {truths} truths, expected as many of each")]
    Length {
        /// Number of predictions.
        predictions: usize,
        /// Number of truths.
        truths: usize,
    },
    /// A number is NaN or infinite.
    #[error("{column} in row {}: {found}, expected a finite number", row + 1)]
    NotFinite {
        /// `prediction` or `truth`.
        column: &'static str,
        /// Its row.
        row: usize,
        /// The number.
        found: f64,
    },
    /// A class is not in the list.
    #[error("{column} in row {}: class `{found}`, expected one of: {expected}", row + 1)]
    UnknownClass {
        /// `prediction` or `truth`.
        column: &'static str,
        /// Its row.
        row: usize,
        /// The class as found.
        found: String,
        /// The class list, comma separated.
        expected: String,
    },
    /// A row has no distribution over the classes.
    #[error("probabilities in row {}: found {found}, expected {expected}", row + 1)]
    Probabilities {
        /// Its row.
        row: usize,
        /// What was expected of them.
        expected: String,
        /// The probabilities or their number.
        found: String,
    },
    /// A central interval whose ends are no numbers, or out of order.
    #[error("interval in row {}: found {low} to {high}, expected two numbers in order", row + 1)]
    Interval {
        /// Its row.
        row: usize,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// The class list is empty or names a class twice.
    #[error("class list `{found}`, expected at least one class and none twice")]
    ClassList {
        /// The list, comma separated.
        found: String,
    },
    /// The convention does not have this metric.
    #[error("no metric `{found}` here, expected one of: {expected}")]
    UnknownMetric {
        /// The metric.
        found: Metric,
        /// The metrics of the convention, comma separated.
        expected: String,
    },
}

/// The reason of a mean over nothing.
pub(crate) const NO_ROWS: &str = "there are no rows";

/// Fails unless there are as many predictions as truths, and some.
pub(crate) fn check_lengths<P, T>(prediction: &[P], truth: &[T]) -> Result<(), EvalError> {
    if prediction.len() != truth.len() {
        return Err(EvalError::Length {
            predictions: prediction.len(),
            truths: truth.len(),
        });
    }
    if truth.is_empty() {
        Err(EvalError::Empty)
    } else {
        Ok(())
    }
}

/// Fails on the first value that is NaN or infinite; `column` names them.
pub(crate) fn check_finite<T: Copy + Into<f64>>(
    column: &'static str,
    values: &[T],
) -> Result<(), EvalError> {
    let mut values = values.iter().map(|&value| value.into()).enumerate();
    match values.find(|(_, value): &(usize, f64)| !value.is_finite()) {
        Some((row, found)) => Err(EvalError::NotFinite { column, row, found }),
        None => Ok(()),
    }
}
