//! `results.json`: the scores of a run, and all that says how they came about.
//!
//! One seed's and the aggregate of several have one shape. Only `schema`, `synthetic` and `corpora` must be there; what a file lacks is as
//! nobody recorded it. A map by metric holds what has a value.

mod read;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::{ClassScores, Convention, Interval, Metric};
use unimse_labels::DonorProtocol;

use crate::labels::{Agreed, Leak, SourceCounts};
use crate::{
    Alignment, Baseline, ByName, ClassDeviations, FeatureCards, Readout, Receipt, Robustness, View,
};

pub use read::{ResultsError, in_words};

/// Version of `results.json`. Versions from [`OLDEST_SCHEMA`] on are read too, all others are refused by name.
pub const RESULTS_SCHEMA: u64 = 5;

/// Oldest version that is read: 4 and 5 only added what may be absent (views, robustness, further choices of baselines; alignment, counts of
/// utterances, the time of answering), so that the test split need not be opened again for a report.
pub const OLDEST_SCHEMA: u64 = 3;

/// One `results.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`RESULTS_SCHEMA`].
    pub schema: u64,
    /// Whether a generator made any of the corpora.
    pub synthetic: bool,
    /// Whether rows of the test splits donated labels to training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaky: Option<bool>,
    /// Who lent labels: `train`, `all`, `none`, or the controls `random` and `shuffled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub donors: Option<DonorProtocol>,
    /// How the checkpoint was selected and the test split opened.
    #[serde(default)]
    pub protocol: Protocol,
    /// The seeds: one, or those of the aggregate.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Fields that the labels of the run have beside the polarity.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Corpora with train rows.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// The preset that the configuration started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Name of the pretrained text model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<String>,
    /// Architecture of it, as its `config.json` names it: `bert`, `t5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// What writes the label: `t5` or `label`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// Text form of a label: `fields` or `triple`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_form: Option<String>,
    /// Modalities that the model reads.
    #[serde(default)]
    pub modalities: Vec<String>,
    /// How dev chose to read the answers; absent where the seeds of an aggregate differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<Readout>,
    /// How much the fused layers add.
    #[serde(default)]
    pub fusion: Fusion,
    /// Utterances of each corpus by split.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub utterances: ByName<ByName<usize>>,
    /// Where the values of train and dev labels came from, by corpus and field.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub labels: ByName<ByName<SourceCounts>>,
    /// How well donors predict known labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreement: Vec<Agreed>,
    /// What test rows gave away, where they donated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak: Option<Leak>,
    /// The scores.
    pub corpora: ByName<CorpusResults>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// Selection and opening.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Protocol {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The split that selected the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// How often the test splits were opened; of an aggregate the most of any seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_openings: Option<usize>,
    /// The opening behind these scores; each seed of an aggregate has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Fusion in the last layers of the encoder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fusion {
    /// Whether the hidden state is added; absent without fused layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<bool>,
    /// The fused layers.
    pub layers: Vec<FusedLayer>,
}

/// One fused layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FusedLayer {
    /// Its number in the encoder, from 0.
    pub layer: usize,
    /// Mean over tokens of |fused term| / |hidden state|.
    pub ratio: Option<f64>,
}

/// What a corpus is scored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Multimodal sentiment analysis: a score in [-3, 3].
    Sentiment,
    /// Emotion recognition in conversation: a class.
    Emotion,
}

impl Task {
    /// `sentiment` or `emotion`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Emotion => "emotion",
        }
    }

    /// The metric that stands for a corpus on a first page.
    #[must_use]
    pub const fn main_metric(self) -> Metric {
        match self {
            Self::Sentiment => Metric::Mae,
            Self::Emotion => Metric::WeightedF1,
        }
    }

    /// The metrics that get intervals, and differences to baselines and to other runs.
    #[must_use]
    pub const fn compared(self) -> &'static [Metric] {
        match self {
            Self::Sentiment => &[
                Metric::Mae,
                Metric::Corr,
                Metric::Acc7,
                Metric::Acc2Non0,
                Metric::Acc2Has0,
            ],
            Self::Emotion => &[Metric::Accuracy, Metric::WeightedF1, Metric::MacroF1],
        }
    }

    /// What its intervals resample.
    #[must_use]
    pub const fn clusters(self) -> Clusters {
        match self {
            Self::Sentiment => Clusters::Videos,
            Self::Emotion => Clusters::Dialogues,
        }
    }
}

/// One corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorpusResults {
    /// Its task.
    pub task: Task,
    /// How its features were made.
    #[serde(default)]
    pub features: FeatureCards,
    /// The dev split, where it has gold labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<SplitScores>,
    /// The test split.
    #[serde(default)]
    pub test: SplitScores,
}

/// Scores on one split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SplitScores {
    /// Rows with gold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// The metrics in the default convention; of an aggregate the means over seeds.
    pub metrics: BTreeMap<Metric, f64>,
    /// The metrics without a value, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub undefined: BTreeMap<Metric, String>,
    /// Sample standard deviation over the seeds of an aggregate.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sd: BTreeMap<Metric, f64>,
    /// The metrics of each seed of an aggregate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_seed: Vec<SeedScores>,
    /// The same predictions by other conventions; of an aggregate the means over seeds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conventions: BTreeMap<Convention, BTreeMap<Metric, f64>>,
    /// By class, of an emotion corpus; of an aggregate the means over seeds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_class: Vec<ClassScores>,
    /// Sample standard deviations of them over the seeds of an aggregate, in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_class_sd: Vec<ClassDeviations>,
    /// Of an emotion corpus; of an aggregate the counts of all seeds together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Outputs in which no label can be seen; they count as intensity 0 and neutral. This count and the next two are sums over seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unparsable: Option<usize>,
    /// Outputs that had to be repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<usize>,
    /// Outputs with intensity 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_zeros: Option<usize>,
    /// Most by which an utterance's probabilities may be off, in total variation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unexplored: Option<f64>,
    /// What intervals resample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resampled: Option<Clusters>,
    /// How many of them the scored rows are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// 95 % bootstrap intervals.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<Metric, Interval>,
    /// Baselines fitted in the same run.
    #[serde(skip_serializing_if = "ByName::is_empty")]
    pub baselines: ByName<Baseline>,
    /// Baselines that could not be fitted, with the reason.
    #[serde(skip_serializing_if = "ByName::is_empty")]
    pub not_fitted: ByName<String>,
    /// Further questions to the same predictions, of the test split.
    #[serde(skip_serializing_if = "ByName::is_empty")]
    pub views: ByName<View>,
    /// The scores with inputs missing or spoiled, of the test split, where `evaluate.robustness` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robustness: Option<Robustness>,
    /// Whether text finds its own audio and video, of the test split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alignment: Vec<Alignment>,
}

/// What intervals resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clusters {
    /// Whole videos.
    Videos,
    /// Whole dialogues.
    Dialogues,
}

impl Clusters {
    /// `videos` or `dialogues`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Videos => "videos",
            Self::Dialogues => "dialogues",
        }
    }
}

/// The metrics of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedScores {
    /// The seed.
    pub seed: u64,
    /// Its metrics.
    #[serde(default)]
    pub metrics: BTreeMap<Metric, f64>,
}

/// Counts of true and predicted classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// The class list.
    pub labels: Vec<String>,
    /// `rows_truth[t][p]`: utterances of true class `t` predicted as `p`.
    pub rows_truth: Vec<Vec<u64>>,
}

/// Seconds of the stages; of an aggregate the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timing {
    /// Of `train`.
    pub train_s: f64,
    /// Of `evaluate`, the training of fine-tuned baselines included.
    pub evaluate_s: f64,
    /// Of answering dev and test once, as they are, which is a part of `evaluate_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_s: Option<f64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_confusion_matrix_must_be_square() {
        let problem = |rows_truth| {
            let labels = vec!["a".into(), "b".into()];
            Confusion { labels, rows_truth }.problem()
        };
        assert_eq!(problem(vec![vec![1, 2], vec![3, 4]]), None);
        assert!(
            problem(vec![vec![1, 2]])
                .unwrap()
                .contains("expected 2 rows")
        );
        assert!(
            problem(vec![vec![1, 2], vec![3]])
                .unwrap()
                .contains("row 1")
        );
    }

    #[test]
    fn what_is_no_result_is_named_by_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let read = |text: String| {
            std::fs::write(&path, text).unwrap();
            Results::read(&path)
        };
        let whole = json!({"schema": RESULTS_SCHEMA, "synthetic": true, "corpora": {"mosi":
            {"task": "sentiment", "test": {"n": 3, "metrics": {"mae": 0.75}, "unparsable": 0, "repaired": 1, "generated_zeros": 2}}}});
        let results = read(whole.to_string()).unwrap();
        let test = &results.corpora.get("mosi").unwrap().test;
        assert_eq!((test.n, test.metrics[&Metric::Mae]), (Some(3), 0.75));
        assert_eq!(test.repaired, Some(1));
        results.write(&path).unwrap();
        assert_eq!(Results::read(&path).unwrap(), results);
        let former = whole
            .to_string()
            .replacen("\"schema\":5", "\"schema\":3", 1);
        assert_eq!(read(former).unwrap().corpora, results.corpora);
        for (from, to, words) in [
            (
                "\"schema\":5",
                "\"schema\":2",
                "field `schema`: expected 3 to 5, found 2; run `unimse evaluate` again",
            ),
            (
                "\"schema\":5,",
                "",
                "field `schema`: expected 3 to 5, found none",
            ),
            ("\"mae\"", "\"wf1\"", "corpora.mosi.test.metrics"),
            ("\"sentiment\"", "\"mood\"", "corpora.mosi.task"),
            ("0.75", "\"x\"", "corpora.mosi.test.metrics"),
            ("{", "", "expected JSON, found: "),
        ] {
            let text = whole.to_string();
            assert!(text.contains(from), "{from}");
            let error = read(text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(
                error.contains("results.json") && error.contains(words),
                "{error}"
            );
        }
    }
}
