//! The model beside what it has to beat: intervals of its metrics, baselines fitted in the same run, and the paired-bootstrap
//! interval of each difference (design section 5). Whole videos or dialogues are resampled.
//!
//! [`fit`] needs no label of a test row and is done before the test split is opened; [`compare`] reads them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use unimse_corpus::{Corpus, Task};
use unimse_eval::{
    Convention, bootstrap, emotion, emotion_metric, paired_bootstrap, sentiment, sentiment_metric,
};
use unimse_labels::Split;

use crate::TrainError;
use crate::baselines::{Asked, Baseline, Baselines, Part, emotion_baselines, sentiment_baselines};
use crate::config::EvaluateConfig;
use crate::dataset::Dataset;
use crate::scoring::{Pairs, Values};
use crate::unify::Embeddings;

/// Metrics of a sentiment corpus that get intervals and differences to the baselines.
const SENTIMENT: [&str; 5] = ["mae", "corr", "acc7", "acc2_non0", "acc2_has0"];
/// The same of an emotion corpus.
const EMOTION: [&str; 3] = ["accuracy", "weighted_f1", "macro_f1"];

/// The baselines of one corpus, with a prediction for every test row.
pub(crate) struct Fitted {
    /// Place of each test row among the predictions, by its id.
    places: HashMap<String, usize>,
    baselines: ByTask,
}

enum ByTask {
    Sentiment(Baselines<f32>),
    Emotion(Baselines<usize>),
}

/// What `results.json` holds of a comparison, beside the scores.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// `videos` or `dialogues`.
    resampled: &'static str,
    /// How many of them the scored rows are of.
    clusters: usize,
    /// By metric: an [`Interval`](unimse_eval::Interval).
    intervals: Map<String, Value>,
    /// By name: scores, what dev chose, and by metric the interval of ours minus theirs.
    baselines: Map<String, Value>,
    /// By name: why it could not be fitted.
    #[serde(skip_serializing_if = "Map::is_empty")]
    not_fitted: Map<String, Value>,
}

/// Fits the baselines of `corpus` on its train and dev rows; `embeddings` are in the order of its utterances.
pub(crate) fn fit(corpus: &Corpus, embeddings: &Embeddings) -> Fitted {
    let dim = embeddings.dim;
    let rows = |ids: &[usize]| -> Vec<f32> {
        let row = |&i: &usize| &embeddings.rows[i * dim..(i + 1) * dim];
        ids.iter().flat_map(row).copied().collect()
    };
    let test: Vec<usize> = corpus.of_split(Split::Test).collect();
    let inputs = rows(&test);
    let asked = Asked {
        inputs: &inputs,
        rows: test.len(),
        dim,
    };
    let baselines = match corpus.task() {
        Task::Sentiment => {
            let gold = |split| -> (Vec<usize>, Vec<f32>) {
                let rows = corpus.of_split(split);
                rows.filter_map(|i| Some((i, corpus.utterances[i].score?)))
                    .unzip()
            };
            let ((train, train_y), (dev, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            ByTask::Sentiment(sentiment_baselines(
                &part(rows(&train), &train_y),
                &part(rows(&dev), &dev_y),
                asked,
            ))
        }
        Task::Emotion(taxonomy) => {
            let labels: Vec<String> = taxonomy.labels().iter().map(|&l| l.to_owned()).collect();
            let class = |i: usize| {
                let emotion = corpus.utterances[i].emotion.as_ref()?;
                Some((i, labels.iter().position(|label| label == emotion)?))
            };
            let gold = |split| -> (Vec<usize>, Vec<usize>) {
                corpus.of_split(split).filter_map(class).unzip()
            };
            let ((train, train_y), (dev, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            ByTask::Emotion(emotion_baselines(
                &part(rows(&train), &train_y),
                &part(rows(&dev), &dev_y),
                asked,
                &labels,
            ))
        }
    };
    let places = test.iter().enumerate();
    Fitted {
        places: places
            .map(|(place, &i)| (corpus.utterances[i].utterance_id.clone(), place))
            .collect(),
        baselines,
    }
}

fn part<T>(inputs: Vec<f32>, truth: &[T]) -> Part<'_, T> {
    Part { inputs, truth }
}

/// Intervals of the metrics; baselines with theirs and the paired difference (ours minus theirs).
///
/// # Errors
/// [`TrainError::Eval`] where a prediction is no number.
pub(crate) fn compare(
    pair: &Pairs,
    fitted: &Fitted,
    test: &Dataset,
    c: &EvaluateConfig,
) -> Result<Comparison, TrainError> {
    let utterances = pair.examples.iter().map(|&e| {
        let e = &test.examples[e];
        &test.corpora[e.corpus].utterances[e.utterance]
    });
    let places: Vec<usize> = utterances
        .clone()
        .filter_map(|u| fitted.places.get(&u.utterance_id).copied())
        .collect();
    let clusters = Clusters::new(utterances.map(|u| u.dialogue_id.as_str()));
    match (&pair.values, &fitted.baselines) {
        (Values::Sentiment { prediction, truth }, ByTask::Sentiment(baselines)) => table(
            ("videos", &SENTIMENT, clusters),
            prediction,
            &of_rows(baselines, &places),
            c,
            |p, key| Ok(Box::new(sentiment_metric(p, truth, Convention::Mmsa, key)?)),
            |p| Ok(json!(sentiment(p, truth, Convention::Mmsa)?)),
        ),
        (
            Values::Emotion {
                prediction,
                truth,
                labels,
            },
            ByTask::Emotion(baselines),
        ) => table(
            ("dialogues", &EMOTION, clusters),
            prediction,
            &of_rows(baselines, &places),
            c,
            |p, key| Ok(Box::new(emotion_metric(p, truth, labels, key)?)),
            |p| Ok(json!(emotion(p, truth, labels)?.scores)),
        ),
        _ => Err(TrainError::Data(format!(
            "corpus {}: baselines of another task",
            pair.corpus
        ))),
    }
}

/// The baselines with predictions of the rows at `places` only.
fn of_rows<T: Copy>(all: &Baselines<T>, places: &[usize]) -> Baselines<T> {
    let of = |b: &Baseline<T>| Baseline {
        prediction: places.iter().map(|&at| b.prediction[at]).collect(),
        ..b.clone()
    };
    Baselines {
        fitted: all.fitted.iter().map(of).collect(),
        not_fitted: all.not_fitted.clone(),
    }
}

/// The video or dialogue of every scored row, as numbers from 0.
struct Clusters {
    of_row: Vec<usize>,
    count: usize,
}

impl Clusters {
    fn new<'a>(dialogues: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers = HashMap::new();
        let mut of_row = Vec::new();
        for dialogue in dialogues {
            let next = numbers.len();
            of_row.push(*numbers.entry(dialogue).or_insert(next));
        }
        let count = numbers.len();
        Self { of_row, count }
    }
}

/// A metric of fixed predictions as a function of the rows it is taken over.
type Measure<'a> = Box<dyn Fn(&[usize]) -> f64 + Sync + 'a>;

/// Intervals of ours and of each baseline's difference. The first argument: what is resampled, the metrics, the clusters.
fn table<'a, T>(
    (resampled, keys, clusters): (&'static str, &[&str], Clusters),
    ours: &'a [T],
    baselines: &'a Baselines<T>,
    c: &EvaluateConfig,
    metric: impl Fn(&'a [T], &str) -> Result<Measure<'a>, TrainError>,
    score: impl Fn(&[T]) -> Result<Value, TrainError>,
) -> Result<Comparison, TrainError> {
    let rows = &clusters.of_row;
    let mut intervals = Map::new();
    for &key in keys {
        let interval = bootstrap(rows, c.resamples, c.seed, metric(ours, key)?);
        intervals.insert(key.to_owned(), json!(interval));
    }
    let mut entries = Map::new();
    for b in &baselines.fitted {
        let mut entry = score(&b.prediction)?;
        if let Some(lambda) = b.lambda {
            entry["chosen"] = json!({"lambda": lambda});
        }
        let mut difference = Map::new();
        for &key in keys {
            let (ours, theirs) = (metric(ours, key)?, metric(&b.prediction, key)?);
            let interval = paired_bootstrap(rows, c.resamples, c.seed, ours, theirs);
            difference.insert(key.to_owned(), json!(interval));
        }
        entry["difference"] = Value::Object(difference);
        entries.insert(b.name.to_owned(), entry);
    }
    let not_fitted = baselines.not_fitted.iter();
    Ok(Comparison {
        resampled,
        clusters: clusters.count,
        intervals,
        baselines: entries,
        not_fitted: not_fitted
            .map(|(name, why)| ((*name).to_owned(), json!(why)))
            .collect(),
    })
}
