//! The model beside what it has to beat: intervals of its metrics, baselines fitted in the same run, and the paired-bootstrap
//! interval of each difference (design section 5).

use serde_json::{Map, Value, json};
use unimse_corpus::Corpus;
use unimse_eval::{
    Convention, Interval, bootstrap, emotion, emotion_metric, paired_bootstrap, sentiment,
    sentiment_metric,
};
use unimse_labels::Split;

use crate::TrainError;
use crate::baselines::{Baseline, Part, emotion_baselines, sentiment_baselines};
use crate::config::EvaluateConfig;
use crate::dataset::Dataset;
use crate::scoring::{Pairs, Values};
use crate::unify::Embeddings;

/// Metrics of a sentiment corpus that get intervals and differences to the baselines.
const SENTIMENT: [&str; 5] = ["mae", "corr", "acc7", "acc2_non0", "acc2_has0"];
/// The same of an emotion corpus.
const EMOTION: [&str; 3] = ["accuracy", "weighted_f1", "macro_f1"];

/// Intervals of the metrics; baselines with theirs and the paired difference (ours minus theirs).
pub(crate) fn compare(
    scored: &mut Value,
    pair: &Pairs,
    corpus: &Corpus,
    test: &Dataset,
    embeddings: &Embeddings,
    c: &EvaluateConfig,
) -> Result<(), TrainError> {
    let dim = embeddings.dim;
    let test_ids: Vec<usize> = {
        // rows of `corpus` that the pair's examples are
        let by_id: std::collections::HashMap<&str, usize> = corpus
            .utterances
            .iter()
            .enumerate()
            .map(|(i, u)| (u.utterance_id.as_str(), i))
            .collect();
        let id = |&e: &usize| {
            let e = &test.examples[e];
            by_id[test.corpora[e.corpus].utterances[e.utterance]
                .utterance_id
                .as_str()]
        };
        pair.examples.iter().map(id).collect()
    };
    let rows = |ids: &[usize]| -> Vec<f32> {
        ids.iter()
            .flat_map(|&i| embeddings.rows[i * dim..(i + 1) * dim].iter().copied())
            .collect()
    };
    let (intervals, baselines) = match &pair.values {
        Values::Sentiment { prediction, truth } => {
            let gold = |split| -> (Vec<usize>, Vec<f32>) {
                corpus
                    .of_split(split)
                    .filter_map(|i| Some((i, corpus.utterances[i].score?)))
                    .unzip()
            };
            let ((train_ids, train_y), (dev_ids, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            let train = Part {
                inputs: rows(&train_ids),
                truth: &train_y,
            };
            let dev = Part {
                inputs: rows(&dev_ids),
                truth: &dev_y,
            };
            let fitted = sentiment_baselines(&train, &dev, &rows(&test_ids), dim)?;
            let score = |p: &[f32]| Ok(json!(sentiment(p, truth, Convention::Mmsa)?));
            table(
                &SENTIMENT,
                prediction,
                &fitted,
                c,
                |p, key| Ok(Box::new(sentiment_metric(p, truth, Convention::Mmsa, key)?)),
                score,
            )?
        }
        Values::Emotion {
            prediction,
            truth,
            labels,
        } => {
            let gold = |split| -> (Vec<usize>, Vec<usize>) {
                corpus
                    .of_split(split)
                    .filter_map(|i| Some((i, class(&corpus.utterances[i], labels)?)))
                    .unzip()
            };
            let ((train_ids, train_y), (dev_ids, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            let train = Part {
                inputs: rows(&train_ids),
                truth: &train_y,
            };
            let dev = Part {
                inputs: rows(&dev_ids),
                truth: &dev_y,
            };
            let fitted = emotion_baselines(&train, &dev, &rows(&test_ids), dim, labels)?;
            let score = |p: &[usize]| Ok(json!(emotion(p, truth, labels)?.scores));
            table(
                &EMOTION,
                prediction,
                &fitted,
                c,
                |p, key| Ok(Box::new(emotion_metric(p, truth, labels, key)?)),
                score,
            )?
        }
    };
    scored["intervals"] = intervals;
    scored["baselines"] = baselines;
    Ok(())
}

fn class(u: &unimse_corpus::Utterance, labels: &[String]) -> Option<usize> {
    labels
        .iter()
        .position(|l| Some(l.as_str()) == u.emotion.as_deref())
}

/// A metric of fixed predictions as a function of the rows it is taken over.
type Measure<'a> = Box<dyn Fn(&[usize]) -> f64 + Sync + 'a>;

/// Intervals of ours and of each baseline's difference.
fn table<'a, T>(
    keys: &[&str],
    ours: &'a [T],
    fitted: &'a [Baseline<T>],
    c: &EvaluateConfig,
    metric: impl Fn(&'a [T], &str) -> Result<Measure<'a>, TrainError>,
    score: impl Fn(&[T]) -> Result<Value, TrainError>,
) -> Result<(Value, Value), TrainError> {
    let n = ours.len();
    let mut intervals = Map::new();
    for &key in keys {
        let interval = bootstrap(n, c.resamples, c.seed, metric(ours, key)?);
        intervals.insert(key.to_owned(), interval_json(interval));
    }
    let mut baselines = Map::new();
    for b in fitted {
        let mut entry = score(&b.prediction)?;
        entry["chosen"] = b.lambda.map_or_else(|| json!({}), |l| json!({"lambda": l}));
        let mut difference = Map::new();
        for &key in keys {
            let (a, b) = (metric(ours, key)?, metric(&b.prediction, key)?);
            let interval = paired_bootstrap(n, c.resamples, c.seed, a, b);
            difference.insert(key.to_owned(), interval_json(interval));
        }
        entry["difference"] = Value::Object(difference);
        baselines.insert(b.name.to_owned(), entry);
    }
    Ok((Value::Object(intervals), Value::Object(baselines)))
}

/// An interval; null where a metric was undefined on the sample.
fn interval_json(i: Interval) -> Value {
    if i.estimate.is_finite() && i.low.is_finite() && i.high.is_finite() {
        json!({"estimate": i.estimate, "low": i.low, "high": i.high})
    } else {
        Value::Null
    }
}
