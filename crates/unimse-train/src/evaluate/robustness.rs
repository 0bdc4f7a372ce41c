//! How the scores hold when inputs are missing or spoiled: the same weights and readout answer the same rows under each [`Condition`]. Rates of
//! missing words and frames are those of LNLN (Zhang et al., NeurIPS 2024).

use std::sync::atomic::AtomicBool;

use indicatif::ProgressBar;
use unimse_corpus::Task;
use unimse_eval::{Convention, Metric, Scores, emotion, sentiment};
use unimse_model::Modality;
use unimse_model::batch::Prediction;
use unimse_run::{
    ConditionScores, MissingScores, NoiseScores, Readout, Robustness, ShuffledScores, SubsetScores,
};

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::data::row::Row;
use crate::evaluate::draw::draw;
use crate::evaluate::readout::{class, score};
use crate::evaluate::scoring::{Pairs, Values};
use crate::evaluate::spoil::{Condition, FEATURES, OwnRow, Spoiler};
use crate::model::session::{Session, answering_plan};
use crate::processes::Processes;

/// Tenths of the missing rates: 0, 0.1 ... 0.9.
const RATES: std::ops::Range<u32> = 0..10;
/// Deviations of the noise.
const NOISE: [f64; 3] = [0.5, 1.0, 2.0];
/// Metrics of a sentiment corpus under each condition.
const SENTIMENT: [Metric; 3] = [Metric::Mae, Metric::Corr, Metric::Acc2Non0];
/// The same of an emotion corpus.
const EMOTION: [Metric; 2] = [Metric::Accuracy, Metric::WeightedF1];

/// A split of the run with the plain answers, and the model that gave them.
#[derive(Clone, Copy)]
pub(super) struct Plain<'a> {
    pub(super) session: &'a Session,
    pub(super) config: &'a RunConfig,
    pub(super) readout: Readout,
    pub(super) dataset: &'a Dataset,
    pub(super) predictions: &'a [Prediction],
    pub(super) interrupt: &'a AtomicBool,
    pub(super) processes: &'a Processes,
}

/// Answers at most [`MOST_ROWS`](crate::evaluate::draw::MOST_ROWS) of the rows of `pairs`, one corpus of the split, under every condition that can change
/// an answer: the grid costs about 20 passes over them.
///
/// # Errors
/// [`TrainError::Stopped`] after an interruption; what the model says.
pub(super) fn robustness(plain: Plain<'_>, pairs: &Pairs) -> Result<Robustness, TrainError> {
    let Some(&first) = pairs.examples.first() else {
        return Ok(Robustness::default());
    };
    let seed = plain.config.evaluate.seed;
    let places = draw(pairs.examples.len(), seed);
    let rows: Vec<usize> = places.iter().map(|&at| pairs.examples[at]).collect();
    let (corpus, reader) = (plain.dataset.examples[first].corpus, plain.session.reader());
    let asked = Asked {
        plain,
        task: plain.dataset.task(corpus),
        truth: pairs,
        places: &places,
        rows: &rows,
        spoiler: Spoiler::new(plain.dataset, reader, plain.config, corpus, &rows),
    };
    let modalities = asked.spoiler.modalities();
    let has_features = modalities.len() > 1;
    let bar = match plain.processes.leads() {
        true => ProgressBar::new((8 + RATES.len() + FEATURES.len() + NOISE.len()) as u64),
        false => ProgressBar::hidden(),
    };
    bar.set_message(pairs.corpus.clone());
    let scores = |condition: Condition| {
        let scores = asked.scores(&condition);
        bar.inc(1);
        scores
    };
    let mut found = Robustness {
        n: rows.len(),
        seed,
        modalities: names(&modalities),
        left_out: (!has_features).then(|| LEFT_OUT.to_owned()),
        ..Robustness::default()
    };
    for kept in subsets(&modalities).filter(|_| has_features) {
        found.subsets.push(SubsetScores {
            modalities: names(&kept),
            metrics: scores(Condition::Only(kept))?,
        });
    }
    for rate in RATES.map(|tenth| f64::from(tenth) / 10.0) {
        let metrics = scores(Condition::Missing(rate))?;
        found.missing.push(MissingScores { rate, metrics });
    }
    for modality in FEATURES.into_iter().filter(|m| modalities.contains(m)) {
        found.shuffled.push(ShuffledScores {
            modality: modality.name().to_owned(),
            metrics: scores(Condition::Shuffled(modality))?,
        });
    }
    for sd in NOISE.into_iter().filter(|_| has_features) {
        let metrics = scores(Condition::Noise(sd))?;
        found.noise.push(NoiseScores { sd, metrics });
    }
    bar.finish_and_clear();
    Ok(found)
}

/// Why a corpus of texts alone has few conditions.
const LEFT_OUT: &str = "the model reads neither audio nor video of these rows: modalities taken away, features exchanged and noise on them would change no answer";

fn names(modalities: &[Modality]) -> Vec<String> {
    let names = modalities.iter().map(|m| m.name().to_owned());
    names.collect()
}

/// Every subset of `modalities`: single ones first, then pairs, then all; last the empty one.
fn subsets(modalities: &[Modality]) -> impl Iterator<Item = Vec<Modality>> {
    let members = |bits: usize| -> Vec<Modality> {
        let all = modalities.iter().enumerate();
        all.filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, m)| *m)
            .collect()
    };
    let mut subsets: Vec<Vec<Modality>> = (1..1 << modalities.len()).map(members).collect();
    subsets.sort_by_key(Vec::len);
    subsets.push(Vec::new());
    subsets.into_iter()
}

/// The rows of one corpus with their gold.
struct Asked<'a> {
    plain: Plain<'a>,
    task: Task,
    truth: &'a Pairs,
    /// Places of the rows among those of `truth`.
    places: &'a [usize],
    /// The same rows as examples of the data set.
    rows: &'a [usize],
    spoiler: Spoiler<'a>,
}

impl Asked<'_> {
    /// The main metrics under a condition. A row whose inputs the condition leaves as they are keeps its plain answer, to the byte.
    fn scores(&self, condition: &Condition) -> Result<ConditionScores, TrainError> {
        let Plain {
            dataset,
            session,
            config,
            predictions,
            interrupt,
            processes,
            ..
        } = self.plain;
        let spoilt = self.spoiler.rows(condition)?;
        let changed = |at: &usize| !spoilt[*at].equals(&dataset.row(self.rows[*at]));
        let changed: Vec<usize> = (0..spoilt.len()).filter(changed).collect();
        let rows: Vec<Row<'_>> = changed.iter().map(|&at| OwnRow::row(&spoilt[at])).collect();
        let name = |at: usize| dataset.name(self.rows[changed[at]]);
        let tick = |_| super::unless(interrupt);
        let plan = answering_plan(&config.train);
        let anew = session.predict_rows_by(processes, &rows, &plan, &name, tick)?;
        let mut answers: Vec<&Prediction> = self.rows.iter().map(|&e| &predictions[e]).collect();
        for (&at, answer) in changed.iter().zip(&anew) {
            answers[at] = answer;
        }
        let (scores, kept) = self.compare(&answers)?;
        let kept = kept.iter().filter_map(|&m| Some((m, scores.get(m)?)));
        Ok(kept.collect())
    }

    /// Every metric of the answers, and which of them are told.
    fn compare(&self, answers: &[&Prediction]) -> Result<(Scores, &'static [Metric]), TrainError> {
        let readout = self.plain.readout;
        Ok(match (&self.truth.values, self.task) {
            (Values::Emotion { truth, labels, .. }, Task::Emotion(taxonomy)) => {
                let said = answers
                    .iter()
                    .map(|p| class(readout.emotion, taxonomy.field(), p));
                let truth: Vec<usize> = self.places.iter().map(|&at| truth[at]).collect();
                let said: Vec<usize> = said.collect();
                (emotion(&said, &truth, labels)?.scores, &EMOTION)
            }
            (Values::Sentiment { truth, .. }, _) => {
                let said = answers.iter().map(|p| score(readout.intensity, p));
                let truth: Vec<f32> = self.places.iter().map(|&at| truth[at]).collect();
                let said: Vec<f32> = said.collect();
                (sentiment(&said, &truth, Convention::Mmsa)?, &SENTIMENT)
            }
            _ => {
                let corpus = &self.truth.corpus;
                let message = format!("corpus {corpus}: gold of another task than the corpus'");
                return Err(TrainError::Data(message));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_modalities_have_seven_subsets_and_the_empty_one() {
        use Modality::{Audio, Text, Video};
        let all: Vec<Vec<Modality>> = subsets(&[Text, Audio, Video]).collect();
        let expected = [
            vec![Text],
            vec![Audio],
            vec![Video],
            vec![Text, Audio],
            vec![Text, Video],
            vec![Audio, Video],
            vec![Text, Audio, Video],
            vec![],
        ];
        assert_eq!(all, expected);
    }
}
