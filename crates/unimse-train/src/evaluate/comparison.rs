//! The model beside what it has to beat: intervals of its metrics, baselines fitted in the same run, and the paired-bootstrap
//! interval of each difference. Whole videos or dialogues are resampled.
//!
//! [`fit`] needs no label of a test row and is done before the test split is opened; [`compare`] reads them.

use std::collections::{BTreeMap, HashMap};

use unimse_corpus::{Corpus, Task};
use unimse_eval::{
    Convention, EvalError, Interval, Measure, Metric, Resampled, Scores, emotion, emotion_measure,
    resample, sentiment, sentiment_measure,
};
use unimse_labels::Split;
use unimse_model::batch::Prediction;
use unimse_run::{Readout, SplitScores, Task as ScoredTask};

use crate::TrainError;
use crate::config::EvaluateConfig;
use crate::data::dataset::Dataset;
use crate::evaluate::baselines::{
    Asked, Baseline, Baselines, Part, emotion_baselines, sentiment_baselines,
};
use crate::evaluate::finetuned::Answers;
use crate::evaluate::readout::{class, score};
use crate::evaluate::scoring::{Pairs, Values};
use crate::unify::Embeddings;

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

impl Fitted {
    /// Adds what the fine-tuned model says of every test row, in their order, or why there is none.
    pub(super) fn add_finetuned(&mut self, task: Task, answers: Result<Answers, String>) {
        const NAME: &str = "finetuned";
        fn add<T>(
            all: &mut Baselines<T>,
            answers: Result<Answers, String>,
            read: impl Fn(Readout, &Prediction) -> T,
        ) {
            match answers {
                Ok(own) => all.fitted.push(Baseline {
                    name: NAME,
                    prediction: own
                        .predictions
                        .iter()
                        .map(|p| read(own.readout, p))
                        .collect(),
                    chosen: Some(own.chosen),
                }),
                Err(reason) => all.not_fitted.push((NAME, reason)),
            }
        }
        match (&mut self.baselines, task) {
            (ByTask::Emotion(all), Task::Emotion(taxonomy)) => add(all, answers, |readout, p| {
                class(readout.emotion, taxonomy.field(), p)
            }),
            (ByTask::Sentiment(all), _) => {
                add(all, answers, |readout, p| score(readout.intensity, p));
            }
            // baselines are by the task of their corpus
            (ByTask::Emotion(_), Task::Sentiment) => {}
        }
    }
}

fn part<T>(inputs: Vec<f32>, truth: &[T]) -> Part<'_, T> {
    Part { inputs, truth }
}

/// Puts into `scores` the intervals of the metrics, and the baselines with theirs and the paired difference (ours minus theirs).
///
/// # Errors
/// [`TrainError::Eval`] where a prediction is no number.
pub(crate) fn compare(
    pair: &Pairs,
    fitted: &Fitted,
    test: &Dataset,
    c: &EvaluateConfig,
    scores: &mut SplitScores,
) -> Result<(), TrainError> {
    let utterances = pair
        .examples
        .iter()
        .map(|&e| test.utterance(&test.examples[e]));
    let places: Vec<usize> = utterances
        .clone()
        .filter_map(|u| fitted.places.get(&u.utterance_id).copied())
        .collect();
    let clusters = Grouping::new(utterances.map(|u| u.dialogue_id.as_str()));
    let resamples = Resamples {
        clusters,
        config: c,
    };
    match (&pair.values, &fitted.baselines) {
        (Values::Sentiment { prediction, truth }, ByTask::Sentiment(baselines)) => table(
            (ScoredTask::Sentiment, resamples),
            (prediction, &at_rows(baselines, &places)),
            scores,
            |p, metrics| sentiment_measure(p, truth, Convention::Mmsa, metrics),
            |p| Ok(sentiment(p, truth, Convention::Mmsa)?),
        ),
        (
            Values::Emotion {
                prediction,
                truth,
                labels,
            },
            ByTask::Emotion(baselines),
        ) => table(
            (ScoredTask::Emotion, resamples),
            (prediction, &at_rows(baselines, &places)),
            scores,
            |p, metrics| emotion_measure(p, truth, labels, metrics),
            |p| Ok(emotion(p, truth, labels)?.scores),
        ),
        _ => Err(TrainError::Data(format!(
            "corpus {}: baselines of another task",
            pair.corpus
        ))),
    }
}

/// The baselines with predictions of the rows at `places` only.
fn at_rows<T: Copy>(all: &Baselines<T>, places: &[usize]) -> Baselines<T> {
    let at_places = |b: &Baseline<T>| Baseline {
        prediction: places.iter().map(|&at| b.prediction[at]).collect(),
        ..b.clone()
    };
    Baselines {
        fitted: all.fitted.iter().map(at_places).collect(),
        not_fitted: all.not_fitted.clone(),
    }
}

/// The video or dialogue of every scored row, as numbers from 0.
pub(crate) struct Grouping {
    pub(crate) of_row: Vec<usize>,
    count: usize,
}

impl Grouping {
    pub(crate) fn new<'a>(dialogues: impl Iterator<Item = &'a str>) -> Self {
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

/// What is drawn, and how often.
pub(crate) struct Resamples<'a> {
    pub(crate) clusters: Grouping,
    pub(crate) config: &'a EvaluateConfig,
}

impl Resamples<'_> {
    /// Of `metrics`, those of the measure, in their order.
    fn of(&self, metrics: &[Metric], measure: &Measure<'_>) -> BTreeMap<Metric, Resampled> {
        let (count, seed) = (self.config.resamples.get(), self.config.seed);
        let resampled = resample(measure, &self.clusters.of_row, count, seed);
        metrics.iter().copied().zip(resampled).collect()
    }

    /// Their intervals.
    pub(crate) fn intervals(
        &self,
        metrics: &[Metric],
        measure: &Measure<'_>,
    ) -> BTreeMap<Metric, Interval> {
        let resampled = self.of(metrics, measure).into_iter();
        resampled
            .map(|(metric, drawn)| (metric, drawn.interval()))
            .collect()
    }
}

/// Intervals of ours and of each baseline's difference. The first argument: the task, the draws.
fn table<'a, T>(
    (task, draws): (ScoredTask, Resamples<'_>),
    (ours, baselines): (&'a [T], &'a Baselines<T>),
    scores: &mut SplitScores,
    measure: impl Fn(&'a [T], &[Metric]) -> Result<Measure<'a>, EvalError>,
    score: impl Fn(&[T]) -> Result<Scores, TrainError>,
) -> Result<(), TrainError> {
    let metrics = task.compared();
    let ours = draws.of(metrics, &measure(ours, metrics)?);
    let intervals = ours.iter();
    (scores.intervals).extend(intervals.map(|(metric, ours)| (*metric, ours.interval())));
    let mut entries = Vec::new();
    for b in &baselines.fitted {
        let theirs = score(&b.prediction)?;
        let drawn = draws.of(metrics, &measure(&b.prediction, metrics)?);
        let pairs = ours.iter().zip(drawn.values());
        let difference =
            pairs.map(|((metric, ours), theirs)| (*metric, ours.less(theirs).interval()));
        let entry = unimse_run::Baseline {
            metrics: theirs.metrics,
            undefined: theirs.undefined,
            chosen: b.chosen,
            difference: difference.collect(),
        };
        entries.push((b.name.to_owned(), entry));
    }
    let not_fitted = baselines.not_fitted.iter();
    scores.resampled = Some(task.clusters());
    scores.clusters = Some(draws.clusters.count);
    scores.baselines = entries.into_iter().collect();
    scores.not_fitted = not_fitted
        .map(|(name, why)| ((*name).to_owned(), why.clone()))
        .collect();
    Ok(())
}
