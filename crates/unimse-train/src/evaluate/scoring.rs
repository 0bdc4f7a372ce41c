//! Predictions against gold labels, corpus by corpus; the dev score that selects a checkpoint; the readouts that dev chooses.

use unimse_corpus::Task as CorpusTask;
use unimse_eval::{Convention, Metric, Scores, emotion, sentiment};
use unimse_model::batch::Prediction;
use unimse_run::{EmotionReadout, IntensityReadout, Readout, Task};

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::readout::{class, score};

/// Gold and predicted values of the labelled rows of one corpus.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// Corpus name.
    pub corpus: String,
    /// Examples of the dataset these rows are, in order.
    pub examples: Vec<usize>,
    /// The values.
    pub values: Values,
}

/// By task.
#[derive(Debug, Clone)]
pub enum Values {
    /// Scores in [-3, 3].
    Sentiment {
        /// What the model says.
        prediction: Vec<f32>,
        /// Gold.
        truth: Vec<f32>,
    },
    /// Classes of one taxonomy.
    Emotion {
        /// What the model says.
        prediction: Vec<usize>,
        /// Gold.
        truth: Vec<usize>,
        /// Class names.
        labels: Vec<String>,
    },
}

/// Joins predictions with the gold labels of the corpora; rows without gold in their task are left out.
#[must_use]
pub fn pairs(dataset: &Dataset, predictions: &[Prediction], readout: Readout) -> Vec<Pairs> {
    let mut out = Vec::new();
    for (c, corpus) in dataset.corpora.iter().enumerate() {
        let rows = dataset
            .examples
            .iter()
            .zip(predictions)
            .enumerate()
            .filter(|(_, (e, _))| e.corpus == c);
        let mut examples = Vec::new();
        let values = match corpus.task() {
            CorpusTask::Sentiment => {
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for (i, (e, p)) in rows {
                    if let Some(gold) = corpus.utterances[e.utterance].score {
                        examples.push(i);
                        prediction.push(score(readout.intensity, p));
                        truth.push(gold);
                    }
                }
                Values::Sentiment { prediction, truth }
            }
            CorpusTask::Emotion(taxonomy) => {
                let labels: Vec<String> = taxonomy.labels().iter().map(|&l| l.to_owned()).collect();
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for (i, (e, p)) in rows {
                    let gold = corpus.utterances[e.utterance].emotion.as_deref();
                    if let Some(gold) = gold.and_then(|g| labels.iter().position(|l| l == g)) {
                        examples.push(i);
                        prediction.push(class(readout.emotion, taxonomy.field(), p));
                        truth.push(gold);
                    }
                }
                Values::Emotion {
                    prediction,
                    truth,
                    labels,
                }
            }
        };
        if !examples.is_empty() {
            out.push(Pairs {
                corpus: corpus.name.clone(),
                examples,
                values,
            });
        }
    }
    out
}

impl Pairs {
    /// The task of the corpus.
    #[must_use]
    pub fn task(&self) -> Task {
        match self.values {
            Values::Sentiment { .. } => Task::Sentiment,
            Values::Emotion { .. } => Task::Emotion,
        }
    }

    /// Metrics in the default convention.
    ///
    /// # Errors
    /// [`TrainError::Eval`].
    pub fn score(&self) -> Result<Scores, TrainError> {
        Ok(match &self.values {
            Values::Sentiment { prediction, truth } => {
                sentiment(prediction, truth, Convention::Mmsa)?
            }
            Values::Emotion {
                prediction,
                truth,
                labels,
            } => emotion(prediction, truth, labels)?.scores,
        })
    }
}

/// The metric of a corpus that selects checkpoints: Corr (MSA) or weighted F1 (ERC).
const fn selecting(task: Task) -> Metric {
    match task {
        Task::Sentiment => Metric::Corr,
        Task::Emotion => Metric::WeightedF1,
    }
}

/// What dev says of a model: the mean over corpora of Corr (MSA) and weighted F1 (ERC).
///
/// Corr of constant predictions has no value. Such a corpus is left out of the mean, and a model that has a value on more corpora is
/// the better one, whatever the means: else a model that says the same of every video would win by hiding that corpus.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The mean over the corpora that have a value; `None` where none has.
    pub score: Option<f64>,
    /// How many corpora have one.
    pub defined: usize,
    /// The corpora without one, with the reason.
    pub undefined: Vec<(String, String)>,
    /// The metrics of every corpus.
    pub corpora: Vec<(String, Task, Scores)>,
}

impl Selection {
    /// Whether this model is selected over the best so far, given as (corpora with a value, mean over them). A tie keeps the
    /// earlier; a model without a score is never selected.
    #[must_use]
    pub fn beats(&self, best: Option<(usize, f64)>) -> bool {
        let Some(score) = self.score else {
            return false;
        };
        best.is_none_or(|(defined, mean)| {
            self.defined > defined || (self.defined == defined && score > mean)
        })
    }
}

/// Scores dev for [`Selection`].
///
/// # Errors
/// [`TrainError::Eval`]; [`TrainError::Data`] where no row has gold.
pub fn selection(pairs: &[Pairs]) -> Result<Selection, TrainError> {
    if pairs.is_empty() {
        return Err(TrainError::Data(
            "the dev split has no gold label: no checkpoint can be selected".to_owned(),
        ));
    }
    let (mut values, mut undefined, mut corpora) = (Vec::new(), Vec::new(), Vec::new());
    for p in pairs {
        let (scores, metric) = (p.score()?, selecting(p.task()));
        match scores.get(metric) {
            Some(value) => values.push(value),
            None => {
                let reason = scores.undefined.get(&metric).map_or("no value", |r| r);
                undefined.push((p.corpus.clone(), format!("{metric}: {reason}")));
            }
        }
        corpora.push((p.corpus.clone(), p.task(), scores));
    }
    let defined = values.len();
    Ok(Selection {
        score: (defined > 0).then(|| values.iter().sum::<f64>() / defined as f64),
        defined,
        undefined,
        corpora,
    })
}

/// Checks before training that some corpus of `dev` can select a checkpoint: a sentiment corpus with two different gold scores, or
/// an emotion corpus with a gold class.
///
/// # Errors
/// [`TrainError::Data`] that says of every corpus why it cannot.
pub fn check_selectable(dev: &Dataset) -> Result<(), TrainError> {
    let mut reasons = Vec::new();
    for (index, corpus) in dev.corpora.iter().enumerate() {
        let utterances = || dev.utterances_of(index);
        let problem = match corpus.task() {
            CorpusTask::Sentiment => {
                let mut scores = utterances().filter_map(|u| u.score);
                match scores.next() {
                    None => "no gold score".to_owned(),
                    Some(first) if scores.all(|score| score == first) => {
                        format!("every gold score is {first}, so no correlation is defined")
                    }
                    Some(_) => return Ok(()),
                }
            }
            CorpusTask::Emotion(_) => match utterances().any(|u| u.emotion.is_some()) {
                false => "no gold emotion".to_owned(),
                true => return Ok(()),
            },
        };
        reasons.push(format!("{}: {problem}", corpus.name));
    }
    Err(TrainError::Data(format!(
        "the dev split cannot select a checkpoint: {}",
        reasons.join("; ")
    )))
}

/// Checks what scoring reads of the gold labels, with a name instead of a row number, and counts the rows that have some.
///
/// # Errors
/// [`TrainError::Data`] with corpus and utterance for a score outside [-3, 3] or an emotion outside the taxonomy.
pub fn check_gold(dataset: &Dataset) -> Result<usize, TrainError> {
    let mut count = 0;
    for (index, corpus) in dataset.corpora.iter().enumerate() {
        for u in dataset.utterances_of(index) {
            let wrong = |expected: String, found: String| {
                Err(TrainError::Data(format!(
                    "corpus {}: utterance {}: expected {expected}, found {found}; run `unimse ingest` again",
                    corpus.name, u.utterance_id
                )))
            };
            match (corpus.task(), u.score, u.emotion.as_deref()) {
                (CorpusTask::Sentiment, Some(score), _) => {
                    if !(-3.0..=3.0).contains(&score) {
                        return wrong("a gold score in [-3, 3]".to_owned(), score.to_string());
                    }
                    count += 1;
                }
                (CorpusTask::Emotion(taxonomy), _, Some(emotion)) => {
                    if !taxonomy.labels().contains(&emotion) {
                        let labels = taxonomy.labels().join(", ");
                        return wrong(format!("an emotion of {labels}"), format!("{emotion:?}"));
                    }
                    count += 1;
                }
                _ => {}
            }
        }
    }
    Ok(count)
}

/// Checks that every answer of a model is made of numbers and not of nothing.
///
/// # Errors
/// [`TrainError::Data`] with corpus and utterance of the first that is not.
pub fn check_answers(dataset: &Dataset, predictions: &[Prediction]) -> Result<(), TrainError> {
    for (i, p) in predictions.iter().enumerate() {
        let scores = p.intensity.iter().map(|&(_, q)| q);
        let classes = p.meld.iter().chain(&p.iemocap).flatten().copied();
        let mut all = p.polarity.iter().copied().chain(scores).chain(classes);
        if !all.all(f64::is_finite) || p.polarity.iter().sum::<f64>() <= 0.0 {
            return Err(TrainError::Data(format!(
                "{}: the model's answer has no probabilities; its weights or these features are out of range",
                dataset.name(i)
            )));
        }
    }
    Ok(())
}

/// The readouts that dev likes best: intensity by mean MAE over corpora, emotion by mean weighted F1; ties go to the published one.
///
/// # Errors
/// [`TrainError::Eval`].
pub fn choose_readout(dataset: &Dataset, dev: &[Prediction]) -> Result<Readout, TrainError> {
    let mean = |readout: Readout, metric: Metric| -> Result<Option<f64>, TrainError> {
        let mut values = Vec::new();
        for p in pairs(dataset, dev, readout) {
            values.extend(p.score()?.get(metric));
        }
        Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
    };
    best_readout(mean)
}

/// The readout with the lowest MAE and the highest weighted F1 that `mean` gives, `None` where dev has no such corpus. The median gets a sign
/// where it is 0 if that raises the accuracy of the sign (Acc-2 non0); its MAE moves by no more than half of the smallest score.
fn best_readout(
    mean: impl Fn(Readout, Metric) -> Result<Option<f64>, TrainError>,
) -> Result<Readout, TrainError> {
    let mut best = Readout {
        intensity: IntensityReadout::Text,
        emotion: EmotionReadout::Text,
    };
    let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
    for intensity in IntensityReadout::ALL {
        if let Some(mae) = mean(Readout { intensity, ..best }, Metric::Mae)?.filter(|m| *m < lowest)
        {
            lowest = mae;
            best.intensity = intensity;
        }
    }
    if best.intensity == IntensityReadout::Median {
        let intensity = IntensityReadout::SignedMedian;
        let sign = |readout| Ok::<_, TrainError>(mean(readout, Metric::Acc2Non0)?.unwrap_or(0.0));
        if sign(Readout { intensity, ..best })? > sign(best)? {
            best.intensity = intensity;
        }
    }
    for emotion in EmotionReadout::ALL {
        if let Some(f1) =
            mean(Readout { emotion, ..best }, Metric::WeightedF1)?.filter(|f| *f > highest)
        {
            highest = f1;
            best.emotion = emotion;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn pair(corpus: &str, values: Values) -> Pairs {
        Pairs {
            corpus: corpus.to_owned(),
            examples: Vec::new(),
            values,
        }
    }

    fn mosi(prediction: [f32; 3]) -> Pairs {
        let values = Values::Sentiment {
            prediction: prediction.to_vec(),
            truth: vec![-1.0, 0.0, 1.0],
        };
        pair("mosi", values)
    }

    fn meld(right: bool) -> Pairs {
        let values = Values::Emotion {
            prediction: vec![usize::from(!right)],
            truth: vec![0],
            labels: vec!["joy".to_owned(), "anger".to_owned()],
        };
        pair("meld", values)
    }

    #[test]
    fn dev_is_the_mean_over_the_corpora_that_have_a_value() {
        let both = selection(&[mosi([-2.0, 0.0, 2.0]), meld(false)]).unwrap();
        assert!((both.score.unwrap() - (1.0 + 0.0) / 2.0).abs() < 1e-12);
        assert_eq!((both.defined, both.undefined.len()), (2, 0));
        let one = selection(&[mosi([0.5; 3]), meld(true)]).unwrap();
        assert_eq!((one.score, one.defined), (Some(1.0), 1));
        let said = (
            "mosi".to_owned(),
            "corr: the predictions are constant".to_owned(),
        );
        assert_eq!(one.undefined, [said]);
        assert_eq!(one.corpora.len(), 2);
        let none = selection(&[mosi([0.5; 3])]).unwrap();
        assert_eq!((none.score, none.defined), (None, 0));
        assert!(selection(&[]).is_err());
    }

    #[test]
    fn each_readout_wins_where_it_is_better_and_ties_go_to_the_text() {
        use EmotionReadout as E;
        use IntensityReadout as I;
        // MAE of text, expectation, median; weighted F1 of text, marginal
        let choose = |mae: Option<[f64; 3]>, f1: Option<[f64; 2]>| {
            let mean = |readout: Readout, metric: Metric| {
                let intensity = I::ALL.iter().position(|r| *r == readout.intensity);
                let emotion = E::ALL.iter().position(|r| *r == readout.emotion);
                Ok(match metric {
                    Metric::Mae => mae.map(|values| values[intensity.unwrap()]),
                    _ => f1.map(|values| values[emotion.unwrap()]),
                })
            };
            let found = best_readout(mean).unwrap();
            (found.intensity, found.emotion)
        };
        let f1 = Some([0.5, 0.6]);
        assert_eq!(choose(Some([0.9, 0.8, 0.7]), f1), (I::Median, E::Marginal));
        assert_eq!(
            choose(Some([0.9, 0.7, 0.8]), f1),
            (I::Expectation, E::Marginal)
        );
        assert_eq!(
            choose(Some([0.6, 0.7, 0.8]), Some([0.6, 0.5])),
            (I::Text, E::Text)
        );
        assert_eq!(choose(Some([0.7; 3]), Some([0.5; 2])), (I::Text, E::Text));
        assert_eq!(
            choose(Some([0.8, 0.7, 0.7]), None),
            (I::Expectation, E::Text)
        );
        assert_eq!(choose(None, f1), (I::Text, E::Marginal));
    }

    #[test]
    fn the_median_gets_a_sign_where_that_is_right_more_often() {
        use IntensityReadout as I;
        let choose = |mae: [f64; 3], plain: f64, signed: f64| {
            let mean = |readout: Readout, metric: Metric| {
                Ok(match (metric, readout.intensity) {
                    (Metric::Mae, I::Text) => Some(mae[0]),
                    (Metric::Mae, I::Expectation) => Some(mae[1]),
                    (Metric::Mae, _) => Some(mae[2]),
                    (Metric::Acc2Non0, I::SignedMedian) => Some(signed),
                    (Metric::Acc2Non0, _) => Some(plain),
                    _ => None,
                })
            };
            best_readout(mean).unwrap().intensity
        };
        assert_eq!(choose([0.9, 0.8, 0.7], 0.80, 0.82), I::SignedMedian);
        assert_eq!(choose([0.9, 0.8, 0.7], 0.80, 0.80), I::Median);
        assert_eq!(choose([0.9, 0.6, 0.7], 0.80, 0.82), I::Expectation);
    }

    #[test]
    fn a_model_that_says_the_same_of_every_video_does_not_win_by_hiding_them() {
        let whole = selection(&[mosi([-2.0, 0.0, 2.0]), meld(false)]).unwrap();
        let part = selection(&[mosi([0.5; 3]), meld(true)]).unwrap();
        let none = selection(&[mosi([0.5; 3])]).unwrap();
        // 0.5 over two corpora against 1.0 over one
        assert!(whole.beats(Some((1, 1.0))) && !part.beats(Some((2, 0.5))));
        assert!(whole.beats(Some((2, 0.4))) && !whole.beats(Some((2, 0.5))));
        assert!(part.beats(None) && !none.beats(None));
    }
}
