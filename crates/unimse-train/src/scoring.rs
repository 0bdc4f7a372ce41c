//! Predictions against gold labels, corpus by corpus; the dev score that selects a checkpoint; the readouts that dev chooses.

use serde::Serialize;
use unimse_corpus::Task;
use unimse_eval::{Convention, EmotionScores, Scores, emotion, sentiment};
use unimse_labels::Taxonomy;
use unimse_model::batch::Prediction;

use crate::TrainError;
use crate::dataset::Dataset;
use crate::readout::{EmotionReadout, IntensityReadout, Readout};

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

/// Metrics of one corpus.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum CorpusScores {
    /// Sentiment.
    Sentiment(Scores),
    /// Emotion.
    Emotion(EmotionScores),
}

impl CorpusScores {
    /// The plain metrics.
    #[must_use]
    pub fn scores(&self) -> &Scores {
        match self {
            Self::Sentiment(s) => s,
            Self::Emotion(e) => &e.scores,
        }
    }
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
            Task::Sentiment => {
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for (i, (e, p)) in rows {
                    if let Some(score) = corpus.utterances[e.utterance].score {
                        examples.push(i);
                        prediction.push(readout.intensity.score(p));
                        truth.push(score);
                    }
                }
                Values::Sentiment { prediction, truth }
            }
            Task::Emotion(taxonomy) => {
                let labels: Vec<String> = taxonomy.labels().iter().map(|&l| l.to_owned()).collect();
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for (i, (e, p)) in rows {
                    let gold = corpus.utterances[e.utterance].emotion.as_deref();
                    if let Some(class) = gold.and_then(|g| labels.iter().position(|l| l == g)) {
                        examples.push(i);
                        prediction.push(if taxonomy == Taxonomy::Meld {
                            readout.emotion.meld(p)
                        } else {
                            readout.emotion.iemocap(p)
                        });
                        truth.push(class);
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
    /// Metrics in the default convention.
    ///
    /// # Errors
    /// [`TrainError::Eval`].
    pub fn score(&self) -> Result<CorpusScores, TrainError> {
        Ok(match &self.values {
            Values::Sentiment { prediction, truth } => {
                CorpusScores::Sentiment(sentiment(prediction, truth, Convention::Mmsa)?)
            }
            Values::Emotion {
                prediction,
                truth,
                labels,
            } => CorpusScores::Emotion(emotion(prediction, truth, labels)?),
        })
    }
}

/// The dev score: mean over corpora of Corr (MSA) and weighted F1 (ERC); an undefined value counts 0.
///
/// # Errors
/// [`TrainError::Eval`]; [`TrainError::Data`] where no row has gold.
pub fn selection(pairs: &[Pairs]) -> Result<(f64, Vec<(String, CorpusScores)>), TrainError> {
    if pairs.is_empty() {
        return Err(TrainError::Data(
            "the dev split has no gold label: no checkpoint can be selected".to_owned(),
        ));
    }
    let mut scores = Vec::with_capacity(pairs.len());
    let mut sum = 0.0;
    for p in pairs {
        let s = p.score()?;
        let key = if matches!(p.values, Values::Sentiment { .. }) {
            "corr"
        } else {
            "weighted_f1"
        };
        sum += s.scores().get(key).unwrap_or(0.0);
        scores.push((p.corpus.clone(), s));
    }
    Ok((sum / pairs.len() as f64, scores))
}

/// The readouts that dev likes best: intensity by mean MAE over corpora, emotion by mean weighted F1; ties go to the published one.
///
/// # Errors
/// [`TrainError::Eval`].
pub fn choose_readout(dataset: &Dataset, dev: &[Prediction]) -> Result<Readout, TrainError> {
    let mean = |readout: Readout, key: &str| -> Result<Option<f64>, TrainError> {
        let mut values = Vec::new();
        for p in pairs(dataset, dev, readout) {
            values.extend(p.score()?.scores().get(key));
        }
        Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
    };
    let mut best = Readout {
        intensity: IntensityReadout::Text,
        emotion: EmotionReadout::Text,
    };
    let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
    for intensity in IntensityReadout::ALL {
        if let Some(mae) = mean(Readout { intensity, ..best }, "mae")?.filter(|m| *m < lowest) {
            lowest = mae;
            best.intensity = intensity;
        }
    }
    for emotion in EmotionReadout::ALL {
        if let Some(f1) = mean(Readout { emotion, ..best }, "weighted_f1")?.filter(|f| *f > highest)
        {
            highest = f1;
            best.emotion = emotion;
        }
    }
    Ok(best)
}
