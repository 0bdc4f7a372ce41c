//! A value with its 95 % interval, or the reason why it has none.

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

    /// From the value on the rows as they are and the values over the resamples, as [`resample`](crate::resample) gives them; `bounds` takes its two ends from
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

    /// The percentile interval: the 2.5 % and the 97.5 % quantile of the values over resamples. `estimate` is the value on the rows as they are,
    /// NaN where there is none.
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

/// The quantile of ascending values, linear between them; `values` is not empty.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let position = share * (values.len() - 1) as f64;
    let (low, high) = (
        values[position.floor() as usize],
        values[position.ceil() as usize],
    );
    low + (high - low) * position.fract()
}
