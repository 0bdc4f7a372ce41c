//! Further questions to the predictions that are scored already: other classes, calibration, presence of an emotion.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{Interval, Metric};

use crate::ByName;

/// One question. `docs/protocol.md` lists them by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct View {
    /// Rows that have a truth of this kind.
    pub n: usize,
    /// The classes in order, where there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The probability from which dev calls an emotion present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Estimate and 95 % interval of each metric; of an aggregate the means over seeds, without bounds.
    pub metrics: BTreeMap<Metric, Interval>,
}

/// Why the mean of several seeds has no bounds.
const OF_SEEDS: &str = "a mean over seeds; each seed has its own interval";

/// The views of several seeds taken together: of every view and metric that all have, the mean.
pub(crate) fn mean(seeds: &[&ByName<View>]) -> ByName<View> {
    let Some((first, _)) = seeds.split_first() else {
        return ByName::default();
    };
    if seeds.len() == 1 {
        return (*first).clone();
    }
    let merged = first.iter().filter_map(|(name, view)| {
        let same: Option<Vec<&View>> = seeds.iter().map(|views| views.get(name)).collect();
        let same = same?;
        let metrics = view.metrics.keys().filter_map(|metric| {
            let estimate = |view: &&View| view.metrics.get(metric)?.estimate;
            let all: Option<Vec<f64>> = same.iter().map(estimate).collect();
            let all = all?;
            let interval = Interval {
                estimate: Some(all.iter().sum::<f64>() / all.len() as f64),
                undefined: Some(OF_SEEDS.to_owned()),
                ..Interval::default()
            };
            Some((*metric, interval))
        });
        let of_seeds = View {
            threshold: None,
            metrics: metrics.collect(),
            ..view.clone()
        };
        Some((name.to_owned(), of_seeds))
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn views(accuracy: Option<f64>) -> ByName<View> {
        let interval = Interval {
            estimate: accuracy,
            low: Some(0.0),
            high: Some(1.0),
            undefined: None,
        };
        let view = View {
            n: 4,
            threshold: Some(0.2),
            metrics: [(Metric::Accuracy, interval)].into(),
            ..View::default()
        };
        ByName::from_iter([("polarity".to_owned(), view)])
    }

    #[test]
    fn several_seeds_give_means_without_bounds() {
        let merged = mean(&[&views(Some(0.5)), &views(Some(0.75))]);
        let view = merged.get("polarity").unwrap();
        let accuracy = &view.metrics[&Metric::Accuracy];
        assert_eq!(accuracy.estimate, Some((0.5 + 0.75) / 2.0));
        assert_eq!((accuracy.low, view.threshold, view.n), (None, None, 4));
        assert!(accuracy.undefined.as_ref().unwrap().contains("each seed"));
        assert_eq!(mean(&[&views(Some(0.5))]), views(Some(0.5)));
    }

    #[test]
    fn what_one_seed_lacks_has_no_mean() {
        let merged = mean(&[&views(Some(0.5)), &views(None)]);
        assert!(merged.get("polarity").unwrap().metrics.is_empty());
        assert!(mean(&[&views(Some(0.5)), &ByName::default()]).is_empty());
    }
}
