//! What is left of the scores when inputs are missing or spoiled.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::Metric;

/// The metrics of one condition; one without a value is left out.
pub type ConditionScores = BTreeMap<Metric, f64>;

/// How the answers of one corpus and split hold under each condition; of an aggregate the means over seeds. `docs/protocol.md` defines the
/// conditions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Robustness {
    /// Rows with gold that were answered under every condition: at most 400, drawn by the seed.
    pub n: usize,
    /// Seed of what is drawn at random: rows, missing words and frames, noise, the order of features.
    pub seed: u64,
    /// Modalities that some of the rows have and the model reads.
    pub modalities: Vec<String>,
    /// Some modalities alone, the others taken away; the last one has none at all. Empty where the rows have text only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<SubsetScores>,
    /// Words and frames left out at random, by rising rate.
    pub missing: Vec<MissingScores>,
    /// The features of one modality exchanged between the rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shuffled: Vec<ShuffledScores>,
    /// Gaussian noise on all features, by rising deviation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<NoiseScores>,
    /// What was left out because it cannot differ, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// Some modalities alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubsetScores {
    /// Those that are kept: `text`, `audio`, `video`.
    pub modalities: Vec<String>,
    /// The scores.
    pub metrics: ConditionScores,
}

/// Words and frames left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissingScores {
    /// Probability of each word and frame to be left out.
    pub rate: f64,
    /// The scores.
    pub metrics: ConditionScores,
}

/// Features of other rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShuffledScores {
    /// `audio` or `video`.
    pub modality: String,
    /// The scores.
    pub metrics: ConditionScores,
}

/// Noisy features.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseScores {
    /// Standard deviation, in standard deviations of the training rows' features.
    pub sd: f64,
    /// The scores.
    pub metrics: ConditionScores,
}

impl Robustness {
    /// The means over seeds; `None` where one of them has other conditions.
    pub(crate) fn mean(seeds: &[&Self]) -> Option<Self> {
        let mut merged = (*seeds.first()?).clone();
        let shapes = seeds.iter().map(|seed| seed.shape());
        if shapes.into_iter().any(|shape| shape != merged.shape()) {
            return None;
        }
        let parts: Vec<Vec<&ConditionScores>> = seeds.iter().map(|seed| seed.scores()).collect();
        for (at, into) in merged.scores_mut().into_iter().enumerate() {
            let of_condition: Vec<&ConditionScores> = parts.iter().map(|seed| seed[at]).collect();
            *into = mean_scores(&of_condition);
        }
        Some(merged)
    }

    /// The conditions, without their scores.
    fn shape(&self) -> Self {
        let mut shape = self.clone();
        shape.scores_mut().into_iter().for_each(BTreeMap::clear);
        shape
    }

    /// The scores of every condition, in order.
    fn scores(&self) -> Vec<&ConditionScores> {
        let subsets = self.subsets.iter().map(|s| &s.metrics);
        let missing = self.missing.iter().map(|s| &s.metrics);
        let shuffled = self.shuffled.iter().map(|s| &s.metrics);
        let noise = self.noise.iter().map(|s| &s.metrics);
        subsets
            .chain(missing)
            .chain(shuffled)
            .chain(noise)
            .collect()
    }

    /// The same to be changed.
    fn scores_mut(&mut self) -> Vec<&mut ConditionScores> {
        let subsets = self.subsets.iter_mut().map(|s| &mut s.metrics);
        let missing = self.missing.iter_mut().map(|s| &mut s.metrics);
        let shuffled = self.shuffled.iter_mut().map(|s| &mut s.metrics);
        let noise = self.noise.iter_mut().map(|s| &mut s.metrics);
        subsets
            .chain(missing)
            .chain(shuffled)
            .chain(noise)
            .collect()
    }
}

/// The mean of every metric that all seeds have.
fn mean_scores(seeds: &[&ConditionScores]) -> ConditionScores {
    let metrics = seeds.first().into_iter().flat_map(|scores| scores.keys());
    let mean = |metric: &Metric| {
        let all: Option<Vec<f64>> = seeds.iter().map(|s| s.get(metric).copied()).collect();
        let all = all?;
        Some((*metric, all.iter().sum::<f64>() / all.len() as f64))
    };
    metrics.filter_map(mean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn robustness(text: f64, noisy: f64, rate: f64) -> Robustness {
        let scores = |mae| ConditionScores::from([(Metric::Mae, mae)]);
        Robustness {
            n: 9,
            subsets: vec![SubsetScores {
                modalities: vec!["text".to_owned()],
                metrics: scores(text),
            }],
            missing: vec![MissingScores {
                rate,
                metrics: ConditionScores::new(),
            }],
            noise: vec![NoiseScores {
                sd: 2.0,
                metrics: scores(noisy),
            }],
            ..Robustness::default()
        }
    }

    #[test]
    fn each_condition_is_the_mean_over_its_seeds() {
        let (one, other) = (robustness(0.8, 1.0, 0.1), robustness(0.9, 1.5, 0.1));
        let merged = Robustness::mean(&[&one, &other]).unwrap();
        let mae = |scores: &ConditionScores| scores[&Metric::Mae];
        assert!((mae(&merged.subsets[0].metrics) - (0.8 + 0.9) / 2.0).abs() < 1e-12);
        assert!((mae(&merged.noise[0].metrics) - (1.0 + 1.5) / 2.0).abs() < 1e-12);
        assert!(merged.missing[0].metrics.is_empty());
        assert_eq!(merged.n, 9);
    }

    #[test]
    fn seeds_of_other_conditions_have_no_mean() {
        let (one, other) = (robustness(0.8, 1.0, 0.1), robustness(0.8, 1.0, 0.2));
        assert_eq!(Robustness::mean(&[&one, &other]), None);
        assert_eq!(Robustness::mean(&[]), None);
    }
}
