//! Further questions to the predictions of a test split, each with intervals: classes that the main metrics do not ask for, and what the
//! stated probabilities are worth. `docs/protocol.md` lists them.

use unimse_corpus::{INTENSITIES, Task, Utterance};
use unimse_eval::{Central, Metric, calibration_measure, coverage_measure, emotion_measure};
use unimse_labels::{BasicEmotion, Field, IemocapEmotion, Polarity, Taxonomy};
use unimse_model::batch::Prediction;
use unimse_run::{ByName, View};

use crate::TrainError;
use crate::config::EvaluateConfig;
use crate::data::dataset::Dataset;
use crate::evaluate::comparison::{Grouping, Resamples};
use crate::evaluate::readout::half_step;

/// Metrics of the most probable class.
const CLASSES: [Metric; 3] = [Metric::Accuracy, Metric::WeightedF1, Metric::MacroF1];
/// Metrics of the presence of an emotion: the mean of the recalls of present and absent, which MOSEI's authors call weighted accuracy (Zadeh
/// et al., ACL 2018), and the F1 of both weighted by their rows.
const PRESENCE: [Metric; 2] = [Metric::UnweightedAverageRecall, Metric::WeightedF1];
/// Probabilities from which an emotion may be called present; dev chooses.
const THRESHOLDS: [f64; 10] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5];
/// IEMOCAP's four usual classes in canonical order; excited counts as joy.
const FOUR_WAY: [IemocapEmotion; 4] = [
    IemocapEmotion::Joy,
    IemocapEmotion::Sadness,
    IemocapEmotion::Neutral,
    IemocapEmotion::Anger,
];

/// Rows of one corpus in one split, each with what the model says of it.
pub(crate) struct Rows<'a>(Vec<(&'a Utterance, &'a Prediction)>);

impl<'a> Rows<'a> {
    /// Those of the corpus at `corpus`; one prediction an example.
    pub(crate) fn new(dataset: &'a Dataset, predictions: &'a [Prediction], corpus: usize) -> Self {
        let pairs = dataset.examples.iter().zip(predictions);
        let own = pairs.filter(|(e, _)| e.corpus == corpus);
        Self(own.map(|(e, p)| (dataset.utterance(e), p)).collect())
    }
}

/// Every view that the labels of `test` and the fields of the model allow. `dev` chooses the thresholds of MOSEI's emotions.
///
/// # Errors
/// [`TrainError::Eval`] where a prediction is no distribution.
pub(crate) fn views(
    task: Task,
    test: &Rows<'_>,
    dev: &Rows<'_>,
    c: &EvaluateConfig,
) -> Result<ByName<View>, TrainError> {
    let mut views = vec![("polarity".to_owned(), polarity(task, test, c)?)];
    match task {
        Task::Sentiment => {
            views.push(("intensity".to_owned(), intensity(test, c)?));
            for (at, name) in INTENSITIES.into_iter().enumerate() {
                views.push((format!("presence_of_{name}"), presence(at, test, dev, c)?));
            }
        }
        Task::Emotion(taxonomy) => {
            views.push(("emotion".to_owned(), emotions(taxonomy, test, c)?));
            if taxonomy == Taxonomy::Iemocap {
                views.push(("four_way".to_owned(), four_way(test, c)?));
            }
        }
    }
    let known = views
        .into_iter()
        .filter_map(|(name, view)| Some((name, view?)));
    Ok(known.collect())
}

/// Rows with a distribution over classes and a true one.
#[derive(Default)]
struct Classified<'a> {
    dialogues: Vec<&'a str>,
    probabilities: Vec<Vec<f64>>,
    truth: Vec<usize>,
}

impl<'a> Classified<'a> {
    /// The rows of which `row` knows both.
    fn new(
        rows: &Rows<'a>,
        row: impl Fn(&Utterance, &Prediction) -> Option<(Vec<f64>, usize)>,
    ) -> Self {
        let mut all = Self::default();
        for &(u, p) in &rows.0 {
            if let Some((probabilities, truth)) = row(u, p) {
                all.dialogues.push(&u.dialogue_id);
                all.probabilities.push(scaled(&probabilities));
                all.truth.push(truth);
            }
        }
        all
    }

    /// The view of `labels`, with the metrics of the most probable class where `classes` is true; `None` without rows.
    fn view(
        &self,
        labels: &[&str],
        classes: bool,
        c: &EvaluateConfig,
    ) -> Result<Option<View>, TrainError> {
        if self.truth.is_empty() {
            return Ok(None);
        }
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        let draws = draws(self.dialogues.iter().copied(), c);
        let calibration = Metric::CALIBRATION;
        let measure = calibration_measure(&self.probabilities, &self.truth, &calibration)?;
        let mut metrics = draws.intervals(&calibration, &measure);
        if classes {
            let top: Vec<usize> = self
                .probabilities
                .iter()
                .map(|p| first_largest(p))
                .collect();
            let measure = emotion_measure(&top, &self.truth, &labels, &CLASSES)?;
            metrics.extend(draws.intervals(&CLASSES, &measure));
        }
        Ok(Some(View {
            n: self.truth.len(),
            labels,
            threshold: None,
            metrics,
        }))
    }
}

/// Three classes from the predicted polarity. Truth: the sign of the score; in MELD's taxonomy the polarity that the corpus names. IEMOCAP has
/// none of its own.
fn polarity(task: Task, rows: &Rows<'_>, c: &EvaluateConfig) -> Result<Option<View>, TrainError> {
    let truth = |u: &Utterance| match task {
        Task::Sentiment => u.score.map(Polarity::from_score),
        Task::Emotion(Taxonomy::Meld) => u.polarity,
        Task::Emotion(Taxonomy::Iemocap) => None,
    };
    let row = |u: &Utterance, p: &Prediction| Some((p.polarity.to_vec(), truth(u)?.index()));
    Classified::new(rows, row).view(&Polarity::NAMES, true, c)
}

/// What the probabilities of the corpus' own emotions are worth; the metrics of its classes are the main ones.
fn emotions(
    taxonomy: Taxonomy,
    rows: &Rows<'_>,
    c: &EvaluateConfig,
) -> Result<Option<View>, TrainError> {
    let row = |u: &Utterance, p: &Prediction| {
        let probabilities = p.classes(taxonomy.field())?.to_vec();
        let truth = u.emotion.as_deref()?;
        let truth = taxonomy.labels().iter().position(|&l| l == truth)?;
        Some((probabilities, truth))
    };
    Classified::new(rows, row).view(taxonomy.labels(), false, c)
}

/// IEMOCAP's four-way classes: excited counts as joy, frustrated rows are left out, and so is the probability of frustrated.
fn four_way(rows: &Rows<'_>, c: &EvaluateConfig) -> Result<Option<View>, TrainError> {
    let labels = FOUR_WAY.map(IemocapEmotion::name);
    let row = |u: &Utterance, p: &Prediction| {
        let all = p.classes(Field::Iemocap)?;
        let of = |emotion: IemocapEmotion| all[emotion.index()];
        let merged = FOUR_WAY.map(|emotion| match emotion {
            IemocapEmotion::Joy => of(emotion) + of(IemocapEmotion::Excited),
            other => of(other),
        });
        let truth = u.four_way()?;
        Some((merged.to_vec(), labels.iter().position(|&l| l == truth)?))
    };
    Classified::new(rows, row).view(&labels, true, c)
}

/// How often the gold score lies in the central part of its distribution. A printable score stands for all that round to it, so each end
/// reaches half a step further.
fn intensity(rows: &Rows<'_>, c: &EvaluateConfig) -> Result<Option<View>, TrainError> {
    let known = |&(u, p): &(&Utterance, &Prediction)| {
        let step = f64::from(half_step(p));
        let between = |low, high| {
            let (low, high) = (p.intensity_quantile(low), p.intensity_quantile(high));
            (low - step, high + step)
        };
        let central = Central {
            half: between(0.25, 0.75),
            most: between(0.05, 0.95),
        };
        (!p.intensity.is_empty()).then_some((central, u.score?))
    };
    let scored = rows.0.iter().filter(|row| known(row).is_some());
    let draws = draws(scored.map(|(u, _)| u.dialogue_id.as_str()), c);
    let (central, truth): (Vec<Central>, Vec<f32>) = rows.0.iter().filter_map(known).unzip();
    if truth.is_empty() {
        return Ok(None);
    }
    let measure = coverage_measure(&central, &truth, &Metric::COVERAGE)?;
    Ok(Some(View {
        n: truth.len(),
        metrics: draws.intervals(&Metric::COVERAGE, &measure),
        ..View::default()
    }))
}

/// Whether one of MOSEI's emotions (at `at` of [`INTENSITIES`]) is present, that is rated above 0, from the probability of the MELD emotion of
/// that name. MOSEI's ratings are never trained on: MELD's rows lent the emotions.
fn presence(
    at: usize,
    test: &Rows<'_>,
    dev: &Rows<'_>,
    c: &EvaluateConfig,
) -> Result<Option<View>, TrainError> {
    let labels = ["absent", "present"].map(str::to_owned);
    let Ok(emotion) = INTENSITIES[at].parse::<BasicEmotion>() else {
        return Ok(None);
    };
    let class = emotion.meld().index();
    let rated = |&(u, p): &(&Utterance, &Prediction)| {
        let present = u.intensities?[at] > 0.0;
        Some((p.meld.as_ref()?[class], usize::from(present)))
    };
    let called = |probabilities: &[f64], threshold: f64| -> Vec<usize> {
        let all = probabilities.iter();
        all.map(|&p| usize::from(p >= threshold)).collect()
    };
    let (dev_p, dev_y): (Vec<f64>, Vec<usize>) = dev.0.iter().filter_map(rated).unzip();
    let (test_p, test_y): (Vec<f64>, Vec<usize>) = test.0.iter().filter_map(rated).unzip();
    if dev_y.is_empty() || test_y.is_empty() {
        return Ok(None);
    }
    let mut best: Option<(f64, f64)> = None;
    for threshold in THRESHOLDS {
        let called = called(&dev_p, threshold);
        let measure = emotion_measure(&called, &dev_y, &labels, &PRESENCE[..1])?;
        for recall in measure.of_all().into_iter().flatten() {
            if best.is_none_or(|(b, _)| recall > b) {
                best = Some((recall, threshold));
            }
        }
    }
    let threshold = best.map_or(THRESHOLDS[0], |(_, threshold)| threshold);
    let prediction = called(&test_p, threshold);
    let scored = test.0.iter().filter(|row| rated(row).is_some());
    let draws = draws(scored.map(|(u, _)| u.dialogue_id.as_str()), c);
    let measure = emotion_measure(&prediction, &test_y, &labels, &PRESENCE)?;
    Ok(Some(View {
        n: test_y.len(),
        labels: labels.to_vec(),
        threshold: Some(threshold),
        metrics: draws.intervals(&PRESENCE, &measure),
    }))
}

/// Resamples of whole videos or dialogues.
fn draws<'c, 'd>(
    dialogues: impl Iterator<Item = &'d str>,
    config: &'c EvaluateConfig,
) -> Resamples<'c> {
    Resamples {
        clusters: Grouping::new(dialogues),
        config,
    }
}

/// Probabilities that sum to 1; equal ones where there is nothing to scale.
fn scaled(probabilities: &[f64]) -> Vec<f64> {
    let sum: f64 = probabilities.iter().sum();
    if sum > 0.0 {
        probabilities.iter().map(|p| p / sum).collect()
    } else {
        vec![1.0 / probabilities.len() as f64; probabilities.len()]
    }
}

fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, &v) in values.iter().enumerate() {
        if v > values[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
#[path = "views/tests.rs"]
mod tests;
