//! What a run says of the test rows of one corpus, as values that metrics take: as the run read them, or read in another way.

use unimse_eval::{Convention, EvalError, Measure, Metric, emotion_measure, sentiment_measure};
use unimse_labels::{Grammar, PlainLabel, Polarity, Taxonomy};
use unimse_model::batch::Prediction;
use unimse_run::{CorpusResults, PredictedRow, Readout, Task};

use crate::evaluate::readout::{class, score};
use crate::evaluate::scoring::Values;

/// The scored test rows of one corpus.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    /// Utterances with gold.
    pub(crate) ids: Vec<String>,
    /// Gold and answers of them.
    pub(crate) values: Values,
}

/// Why a run has no values to compare.
#[derive(Debug, PartialEq)]
pub(crate) enum Missing {
    /// It was not tested on the corpus, or answers nothing in its task: the corpus is left out.
    Unanswered(String),
    /// A file does not hold what it should.
    Broken(String),
}

impl From<String> for Missing {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// How rows are read.
#[derive(Clone, Copy)]
pub(crate) enum Reading<'a> {
    /// As the run read them.
    AsChosen,
    /// From their probabilities and their text, in labels of this grammar.
    Anew(Readout, &'a Grammar),
}

impl Answers {
    /// Of `rows`, all of one corpus with these `results`.
    ///
    /// # Errors
    /// [`Missing`].
    pub(crate) fn new(
        rows: &[&PredictedRow],
        results: &CorpusResults,
        reading: Reading<'_>,
    ) -> Result<Self, Missing> {
        let mut ids = Vec::new();
        let values = match results.task {
            Task::Sentiment => {
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for row in rows {
                    let Some(gold) = row.truth_score else {
                        continue;
                    };
                    prediction.push(intensity(row, reading)?);
                    truth.push(gold);
                    ids.push(row.utterance_id.clone());
                }
                Values::Sentiment { prediction, truth }
            }
            Task::Emotion => {
                let taxonomy = taxonomy(results)?;
                let place = |name: &str| taxonomy.labels().iter().position(|label| *label == name);
                let (mut prediction, mut truth) = (Vec::new(), Vec::new());
                for row in rows {
                    let Some(gold) = row.truth_emotion.as_deref().and_then(place) else {
                        continue;
                    };
                    prediction.push(emotion(row, taxonomy, reading)?);
                    truth.push(gold);
                    ids.push(row.utterance_id.clone());
                }
                Values::Emotion {
                    prediction,
                    truth,
                    labels: taxonomy.labels().iter().map(|&l| l.to_owned()).collect(),
                }
            }
        };
        Ok(Self { ids, values })
    }

    /// The rows in the order of `places`, which are rows of these answers.
    pub(crate) fn at(&self, places: &[usize]) -> Self {
        fn pick<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&at| values[at].clone()).collect()
        }
        let values = match &self.values {
            Values::Sentiment { prediction, truth } => Values::Sentiment {
                prediction: pick(prediction, places),
                truth: pick(truth, places),
            },
            Values::Emotion {
                prediction,
                truth,
                labels,
            } => Values::Emotion {
                prediction: pick(prediction, places),
                truth: pick(truth, places),
                labels: labels.clone(),
            },
        };
        Self {
            ids: pick(&self.ids, places),
            values,
        }
    }

    /// The gold label of a row, for messages.
    pub(crate) fn gold(&self, row: usize) -> String {
        match &self.values {
            Values::Sentiment { truth, .. } => truth[row].to_string(),
            Values::Emotion { truth, labels, .. } => labels[truth[row]].clone(),
        }
    }

    /// Some metrics of the answers, in their order.
    ///
    /// # Errors
    /// As [`sentiment_measure`] and [`emotion_measure`].
    pub(crate) fn measure(&self, metrics: &[Metric]) -> Result<Measure<'_>, EvalError> {
        match &self.values {
            Values::Sentiment { prediction, truth } => {
                sentiment_measure(prediction, truth, Convention::Mmsa, metrics)
            }
            Values::Emotion {
                prediction,
                truth,
                labels,
            } => emotion_measure(prediction, truth, labels, metrics),
        }
    }
}

/// The taxonomy in which a corpus was scored: that of its confusion matrix.
fn taxonomy(results: &CorpusResults) -> Result<Taxonomy, String> {
    let confusion = results.test.confusion.as_ref();
    let labels = confusion.map_or(&[][..], |confusion| &confusion.labels);
    let known = Taxonomy::ALL
        .into_iter()
        .find(|taxonomy| taxonomy.labels() == labels);
    known.ok_or_else(|| {
        format!(
            "results.json: test.confusion.labels: expected the emotions of MELD or IEMOCAP, found {labels:?}"
        )
    })
}

fn intensity(row: &PredictedRow, reading: Reading<'_>) -> Result<f32, Missing> {
    let unanswered = || Missing::Unanswered("the run answers no intensities".to_owned());
    let found = row.intensity.ok_or_else(unanswered)?;
    match reading {
        Reading::AsChosen => Ok(found),
        Reading::Anew(readout, grammar) => Ok(score(readout.intensity, &prediction(row, grammar)?)),
    }
}

fn emotion(row: &PredictedRow, taxonomy: Taxonomy, reading: Reading<'_>) -> Result<usize, Missing> {
    let name = match taxonomy {
        Taxonomy::Meld => &row.meld,
        Taxonomy::Iemocap => &row.iemocap,
    };
    let unanswered = || Missing::Unanswered(format!("the run answers no {taxonomy} emotions"));
    let name = name.as_deref().ok_or_else(unanswered)?;
    if let Reading::Anew(readout, grammar) = reading {
        let prediction = prediction(row, grammar)?;
        return Ok(class(readout.emotion, taxonomy.field(), &prediction));
    }
    let place = taxonomy.labels().iter().position(|label| *label == name);
    place.ok_or_else(|| {
        let labels = taxonomy.labels().join(", ");
        Missing::Broken(format!(
            "predictions.parquet: utterance {}: column {taxonomy}: expected one of {labels}, found {name:?}",
            row.utterance_id
        ))
    })
}

/// What the model said of a row, as far as readouts look at it. Probabilities are those of the file, in single precision.
fn prediction(row: &PredictedRow, grammar: &Grammar) -> Result<Prediction, String> {
    let wide = |values: &Vec<f32>| values.iter().map(|&q| f64::from(q)).collect::<Vec<f64>>();
    let wrong = |column: &str, expected: usize, found: usize| {
        format!(
            "predictions.parquet: utterance {}: column {column}: expected {expected} probabilities, found {found}",
            row.utterance_id
        )
    };
    let classes = |column: &str, values: &Option<Vec<f32>>, count: usize| match values {
        Some(values) if values.len() != count => Err(wrong(column, count, values.len())),
        values => Ok(values.as_ref().map(wide)),
    };
    let scores: Vec<f32> = Polarity::ALL
        .into_iter()
        .flat_map(|polarity| grammar.intensity_values(polarity))
        .collect();
    let intensity = row.intensity_probabilities.as_ref().map(wide);
    let intensity = intensity.unwrap_or_default();
    if intensity.len() != scores.len() {
        return Err(wrong(
            "intensity_probabilities",
            scores.len(),
            intensity.len(),
        ));
    }
    let polarity = classes(
        "polarity_probabilities",
        &row.polarity_probabilities,
        Polarity::ALL.len(),
    )?;
    let count = |taxonomy: Taxonomy| taxonomy.labels().len();
    let parsed = grammar.parse(&row.raw);
    Ok(Prediction {
        raw: row.raw.clone(),
        polarity: polarity
            .and_then(|values| values.try_into().ok())
            .unwrap_or_default(),
        intensity: scores.into_iter().zip(intensity).collect(),
        meld: classes(
            "meld_probabilities",
            &row.meld_probabilities,
            count(Taxonomy::Meld),
        )?,
        iemocap: classes(
            "iemocap_probabilities",
            &row.iemocap_probabilities,
            count(Taxonomy::Iemocap),
        )?,
        unexplored: 0.0,
        repairs: parsed.as_ref().map_or(0, |parsed| parsed.repairs.len()),
        parsable: parsed.is_ok(),
        text_label: parsed.map_or(PlainLabel::of_polarity(Polarity::Neutral), |parsed| {
            parsed.label
        }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use unimse_labels::Field;
    use unimse_run::{EmotionReadout, IntensityReadout};

    use super::*;

    #[test]
    fn a_row_is_read_anew_from_its_probabilities_and_its_text() {
        let grammar = Grammar::new(&[Field::Intensity, Field::Meld]);
        // 61 scores from -3 to 3: a quarter at -1, the rest at 2
        let mut scores = vec![0.0; 61];
        (scores[20], scores[50]) = (0.25, 0.75);
        let row = PredictedRow {
            corpus: "mosi".to_owned(),
            intensity: Some(1.25),
            meld: Some("joy".to_owned()),
            raw: "positive,0.4,joy".to_owned(),
            polarity_probabilities: Some(vec![0.25, 0.0, 0.75]),
            intensity_probabilities: Some(scores),
            meld_probabilities: Some(vec![0.0, 0.5, 0.0, 0.25, 0.25, 0.0, 0.0]),
            ..PredictedRow::default()
        };
        let read = |intensity_readout, emotion_readout| {
            let readout = Readout {
                intensity: intensity_readout,
                emotion: emotion_readout,
            };
            let reading = Reading::Anew(readout, &grammar);
            let taxonomy = Taxonomy::Meld;
            (
                intensity(&row, reading).unwrap(),
                taxonomy.labels()[emotion(&row, taxonomy, reading).unwrap()],
            )
        };
        use IntensityReadout as I;
        let text = read(I::Text, EmotionReadout::Text);
        assert_eq!(text, (0.4, "joy"));
        let mean = 0.75 * 2.0 - 0.25;
        let marginal = read(I::Expectation, EmotionReadout::Marginal);
        assert_eq!(marginal, (mean, "surprise"));
        assert_eq!(read(I::Median, EmotionReadout::Text).0, 2.0);
        assert_eq!(intensity(&row, Reading::AsChosen), Ok(1.25));
        let short = PredictedRow {
            intensity_probabilities: Some(vec![1.0]),
            ..row
        };
        let error = prediction(&short, &grammar).unwrap_err();
        assert!(
            error.contains("expected 61 probabilities, found 1"),
            "{error}"
        );
    }
}
