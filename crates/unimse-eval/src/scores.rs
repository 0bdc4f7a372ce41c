//! What every kind of metric shares: the result, the errors, the direction.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Metrics of one comparison, each either a finite number or undefined with a reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows compared, those included that a single metric leaves out.
    pub n: usize,
    /// Values by name, in the fixed order of the convention; a map in serialised form.
    #[serde(with = "pairs")]
    pub metrics: Vec<(String, f64)>,
    /// The metrics without a value, by name, with the reason; a map in serialised form.
    #[serde(with = "pairs")]
    pub undefined: Vec<(String, String)>,
}

impl Scores {
    /// The value of a metric; `None` where it is undefined or unknown.
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.metrics
            .iter()
            .find(|(name, _)| name == metric)
            .map(|&(_, value)| value)
    }

    pub(crate) fn collect(
        n: usize,
        values: impl IntoIterator<Item = (&'static str, Result<f64, &'static str>)>,
    ) -> Self {
        let mut scores = Self {
            n,
            ..Self::default()
        };
        for (name, value) in values {
            match value {
                Ok(value) => scores.metrics.push((name.to_owned(), value)),
                Err(reason) => scores.undefined.push((name.to_owned(), reason.to_owned())),
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
        found: f32,
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
    /// The class list is empty or names a class twice.
    #[error("class list `{found}`, expected at least one class and none twice")]
    ClassList {
        /// The list, comma separated.
        found: String,
    },
    /// There is no metric of this name.
    #[error("unknown metric `{found}`, expected one of: {expected}")]
    UnknownMetric {
        /// The name.
        found: String,
        /// The names of the convention, comma separated.
        expected: String,
    },
}

/// Whether a larger value of the metric is better: so for all but errors.
pub fn higher_is_better(metric: &str) -> bool {
    metric != "mae"
}

/// Fails unless there are as many predictions as truths, and some.
pub(crate) fn check_lengths<T>(prediction: &[T], truth: &[T]) -> Result<(), EvalError> {
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

/// A list of named values as a map that keeps its order.
mod pairs {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
    use serde::ser::{Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        pairs: &[(String, T)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, T)>, D::Error> {
        from.deserialize_map(Pairs(PhantomData))
    }

    struct Pairs<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
        type Value = Vec<(String, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of named values")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| map.next_entry().transpose()).collect()
        }
    }
}
