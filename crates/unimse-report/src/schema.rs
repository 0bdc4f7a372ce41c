//! The shape of `results.json`, read leniently: only `schema`, `synthetic` and `corpora` must be there (`load` checks the first).

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
pub(crate) use unimse_eval::Interval;
use unimse_run::FeatureCards;

use crate::agreement::{Agreed, Leak};

/// A JSON object in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ordered<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Ordered<T> {
    pub(crate) fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// One `results.json`: of one seed, or the aggregate of several.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Results {
    pub(crate) synthetic: bool,
    pub(crate) leaky: Option<bool>,
    #[serde(default)]
    pub(crate) protocol: Protocol,
    #[serde(default)]
    pub(crate) seeds: Vec<u64>,
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    pub(crate) preset: Option<String>,
    pub(crate) backbone: Option<String>,
    pub(crate) decoder: Option<String>,
    pub(crate) label_form: Option<String>,
    /// Corpora with train rows.
    #[serde(default)]
    pub(crate) trained_on: Vec<String>,
    #[serde(default)]
    pub(crate) modalities: Vec<String>,
    #[serde(default)]
    pub(crate) fusion: Fusion,
    pub(crate) readout: Option<Value>,
    pub(crate) corpora: Ordered<Corpus>,
    pub(crate) labels: Option<Value>,
    #[serde(default)]
    pub(crate) agreement: Vec<Agreed>,
    pub(crate) leak: Option<Leak>,
    pub(crate) timing: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Protocol {
    pub(crate) name: Option<String>,
    pub(crate) selection: Option<String>,
    pub(crate) test_openings: Option<f64>,
    pub(crate) receipt: Option<Value>,
    #[serde(flatten)]
    pub(crate) rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fusion {
    /// Whether the hidden state is added; absent without fused layers.
    pub(crate) skip: Option<bool>,
    pub(crate) layers: Vec<FusedLayer>,
}

/// `ratio` is the mean of |fusion term| / |h| of one fused encoder layer; layers count from 0.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FusedLayer {
    pub(crate) layer: u64,
    pub(crate) ratio: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Task {
    Sentiment,
    Emotion,
}

impl Task {
    /// The metric that stands for a corpus in the headline.
    pub(crate) fn main_metric(self) -> &'static str {
        match self {
            Task::Sentiment => "mae",
            Task::Emotion => "weighted_f1",
        }
    }
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Sentiment => "sentiment",
            Task::Emotion => "emotion",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Corpus {
    pub(crate) task: Task,
    #[serde(default)]
    pub(crate) features: FeatureCards,
    #[serde(default)]
    pub(crate) dev: Part,
    #[serde(default)]
    pub(crate) test: Part,
}

/// Scores on one split. Counts are `f64`: in an aggregate they may be means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Part {
    pub(crate) n: Option<f64>,
    pub(crate) unparsable: Option<f64>,
    pub(crate) repaired: Option<f64>,
    pub(crate) generated_zeros: Option<f64>,
    /// Most by which an utterance's probabilities may be off, in total variation.
    pub(crate) unexplored: Option<f64>,
    pub(crate) metrics: Ordered<f64>,
    pub(crate) sd: Ordered<f64>,
    pub(crate) per_seed: Vec<SeedScores>,
    pub(crate) undefined: Ordered<String>,
    pub(crate) conventions: Ordered<Value>,
    pub(crate) per_class: Vec<ClassScores>,
    pub(crate) confusion: Option<Confusion>,
    /// What intervals resample: `videos` or `dialogues`.
    pub(crate) resampled: Option<String>,
    /// How many of them there are.
    pub(crate) clusters: Option<f64>,
    pub(crate) intervals: Ordered<Interval>,
    pub(crate) baselines: Ordered<Baseline>,
    /// Baselines that could not be fitted, with the reason.
    pub(crate) not_fitted: Ordered<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SeedScores {
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) metrics: Ordered<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ClassScores {
    pub(crate) label: String,
    pub(crate) precision: Option<f64>,
    pub(crate) recall: Option<f64>,
    pub(crate) f1: Option<f64>,
    pub(crate) support: Option<f64>,
}

/// `rows_truth[t][p]`: utterances of true class `t` predicted as `p`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Confusion {
    pub(crate) labels: Vec<String>,
    pub(crate) rows_truth: Vec<Vec<f64>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Baseline {
    pub(crate) metrics: Ordered<f64>,
    pub(crate) chosen: Option<Value>,
    /// Ours minus the baseline.
    pub(crate) difference: Ordered<Interval>,
}
