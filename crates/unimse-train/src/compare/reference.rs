//! The run that others are compared with: the rows that all must hold, and the resamples that all share.

use std::collections::{BTreeMap, HashMap};

use unimse_eval::{Difference, Metric, OverSeeds, resample};
use unimse_run::{ByName, ComparedCorpus, ComparedMetric, ComparedRun, Task};

use super::answers::{Answers, Missing, Reading};
use super::run::{Run, Seed};
use super::table;
use crate::TrainError;
use crate::config::RunConfig;

/// The run that all others are compared with.
pub(super) struct Reference<'a> {
    pub(super) run: &'a Run,
    pub(super) resamples: usize,
    pub(super) seed: u64,
    pub(super) corpora: ByName<Rows>,
    left_out: ByName<String>,
}

/// The test rows of a corpus, as all runs must hold them.
pub(super) struct Rows {
    pub(super) task: Task,
    answers: Vec<Answers>,
    /// Place of each row, by utterance.
    places: HashMap<String, usize>,
    /// The video or dialogue of each row, as numbers.
    clusters: Vec<usize>,
    /// How many there are of them.
    count: usize,
    /// The metrics of the reference, over its seeds.
    metrics: Vec<(Metric, OverSeeds)>,
}

impl<'a> Reference<'a> {
    pub(super) fn new(run: &'a Run) -> Result<Self, TrainError> {
        let Some(first) = run.seeds.first() else {
            return Err(TrainError::Data(format!("{}: no seed", run.name)));
        };
        let evaluate = RunConfig::load(&first.folder.config())?.evaluate;
        let mut reference = Self {
            run,
            resamples: evaluate.resamples.get(),
            seed: evaluate.seed,
            corpora: ByName::default(),
            left_out: ByName::default(),
        };
        let (mut corpora, mut left_out) = (Vec::new(), Vec::new());
        for name in run.corpora() {
            match first.answers(name, Reading::AsChosen) {
                Ok(answers) => corpora.push((name.to_owned(), reference.rows(name, &answers)?)),
                Err(Missing::Unanswered(why)) => left_out.push((name.to_owned(), why)),
                Err(Missing::Broken(why)) => return Err(reference.unlike(first, name, &why)),
            }
        }
        reference.corpora = corpora.into_iter().collect();
        reference.left_out = left_out.into_iter().collect();
        Ok(reference)
    }

    /// The rows of one corpus, with `answers` those of the first seed.
    fn rows(&self, corpus: &str, answers: &Answers) -> Result<Rows, TrainError> {
        let first = &self.run.seeds[0];
        let groups = table::groups(&first.folder.corpus, corpus)?;
        let (mut numbers, mut clusters) = (HashMap::new(), Vec::new());
        for id in &answers.ids {
            let group = groups.get(id).ok_or_else(|| {
                TrainError::Data(format!(
                    "{}: corpus {corpus}: utterance {id} is in predictions.parquet and not in the tables",
                    self.run.name
                ))
            })?;
            let next = numbers.len();
            clusters.push(*numbers.entry(group).or_insert(next));
        }
        let ids = answers.ids.iter().cloned();
        let task = first.results.corpora.get(corpus).map(|c| c.task);
        let mut rows = Rows {
            task: task.unwrap_or(Task::Sentiment),
            answers: Vec::new(),
            places: ids.zip(0..).collect(),
            count: numbers.len(),
            clusters,
            metrics: Vec::new(),
        };
        if rows.places.len() != rows.clusters.len() {
            return Err(TrainError::Data(format!(
                "{}: corpus {corpus}: an utterance occurs twice in predictions.parquet",
                self.run.name
            )));
        }
        rows.answers.push(answers.clone());
        for seed in &self.run.seeds[1..] {
            let answers = seed.answers(corpus, Reading::AsChosen);
            let answers = answers.map_err(|missing| self.missing(seed, corpus, missing))?;
            rows.answers
                .push(self.aligned(&rows, answers, seed, corpus)?);
        }
        for &metric in rows.task.compared() {
            let over = self.over_seeds(&rows, &rows.answers, metric, corpus)?;
            rows.metrics.push((metric, over.1));
        }
        Ok(rows)
    }

    /// Of a seed of the reference, which must answer as its first one does.
    pub(super) fn missing(&self, seed: &Seed, corpus: &str, missing: Missing) -> TrainError {
        let (Missing::Unanswered(why) | Missing::Broken(why)) = missing;
        self.unlike(seed, corpus, &why)
    }

    fn unlike(&self, seed: &Seed, corpus: &str, why: &str) -> TrainError {
        let folder = seed.folder.run.display();
        TrainError::Data(format!("{folder}: corpus {corpus}: {why}"))
    }

    /// `answers` in the order of the reference's rows, which they must hold, with the same gold.
    pub(super) fn aligned(
        &self,
        rows: &Rows,
        answers: Answers,
        seed: &Seed,
        corpus: &str,
    ) -> Result<Answers, TrainError> {
        let failed = |why: String| Err(self.unlike(seed, corpus, &why));
        let ours: HashMap<&String, usize> = answers.ids.iter().zip(0..).collect();
        let expected = &rows.answers[0];
        let mut places = Vec::with_capacity(expected.ids.len());
        for (row, id) in expected.ids.iter().enumerate() {
            let Some(&place) = ours.get(id) else {
                return failed(format!(
                    "it lacks the test row {id} of {}: expected the same rows in both",
                    self.run.name
                ));
            };
            let (there, here) = (expected.gold(row), answers.gold(place));
            if there != here {
                return failed(format!(
                    "utterance {id} has the gold label {here}, in {} it has {there}",
                    self.run.name
                ));
            }
            places.push(place);
        }
        let more = answers.ids.iter().find(|id| !rows.places.contains_key(*id));
        if let Some(id) = more {
            return failed(format!(
                "{} lacks its test row {id}: expected the same rows in both",
                self.run.name
            ));
        }
        if answers.ids.len() != places.len() {
            return failed("an utterance occurs twice in predictions.parquet".to_owned());
        }
        Ok(answers.at(&places))
    }

    /// A metric of `seeds` on these rows: each seed's own value, and their mean with its resamples.
    fn over_seeds(
        &self,
        rows: &Rows,
        seeds: &[Answers],
        metric: Metric,
        corpus: &str,
    ) -> Result<(Vec<Option<f64>>, OverSeeds), TrainError> {
        let all: Vec<usize> = (0..rows.clusters.len()).collect();
        let mut values = Vec::new();
        for seed in seeds {
            let measure = seed.measure(metric);
            let measure = measure.map_err(|e| TrainError::Data(format!("corpus {corpus}: {e}")))?;
            let resampled = resample(&rows.clusters, self.resamples, self.seed, &measure);
            values.push((measure(&all), resampled));
        }
        let own = values.iter().map(|(value, _)| *value);
        let own = own.map(|value| Some(value).filter(|v| v.is_finite()));
        Ok((own.collect(), OverSeeds::mean(&values)))
    }

    /// What is said of the reference itself.
    pub(super) fn own(&self) -> Result<ComparedRun, TrainError> {
        let mut corpora = Vec::new();
        for (name, rows) in self.corpora.iter() {
            corpora.push((
                name.to_owned(),
                self.corpus(name, rows, &rows.answers, false)?,
            ));
        }
        Ok(ComparedRun {
            corpora: corpora.into_iter().collect(),
            left_out: self.left_out.clone(),
            ..self.run.described()
        })
    }

    /// What is said of another run.
    pub(super) fn beside(&self, run: &Run) -> Result<ComparedRun, TrainError> {
        let (mut corpora, mut left_out) = (Vec::new(), Vec::new());
        let tested = run.corpora();
        for (name, rows) in self.corpora.iter() {
            if !tested.contains(&name) {
                left_out.push((name.to_owned(), "not tested in this run".to_owned()));
                continue;
            }
            match self.seeds(run, name, rows, Reading::AsChosen)? {
                Ok(answers) => {
                    corpora.push((name.to_owned(), self.corpus(name, rows, &answers, true)?));
                }
                Err(why) => left_out.push((name.to_owned(), why)),
            }
        }
        for name in tested {
            if self.corpora.get(name).is_none() {
                left_out.push((name.to_owned(), "not compared in the reference".to_owned()));
            }
        }
        Ok(ComparedRun {
            corpora: corpora.into_iter().collect(),
            left_out: left_out.into_iter().collect(),
            ..run.described()
        })
    }

    /// The answers of every seed of a run, in the order of the reference's rows. The inner error is why the corpus is left out.
    fn seeds(
        &self,
        run: &Run,
        corpus: &str,
        rows: &Rows,
        reading: Reading<'_>,
    ) -> Result<Result<Vec<Answers>, String>, TrainError> {
        let mut all = Vec::new();
        for seed in &run.seeds {
            match seed.answers(corpus, reading) {
                Ok(answers) => all.push(self.aligned(rows, answers, seed, corpus)?),
                Err(Missing::Unanswered(why)) => return Ok(Err(why)),
                Err(Missing::Broken(why)) => return Err(self.unlike(seed, corpus, &why)),
            }
        }
        Ok(Ok(all))
    }

    /// The metrics of a corpus; the reference's own have no difference.
    pub(super) fn corpus(
        &self,
        name: &str,
        rows: &Rows,
        seeds: &[Answers],
        differs: bool,
    ) -> Result<ComparedCorpus, TrainError> {
        let mut metrics = BTreeMap::new();
        for (metric, theirs) in &rows.metrics {
            let (own, ours) = self.over_seeds(rows, seeds, *metric, name)?;
            let mut compared = ComparedMetric::of_seeds(own);
            compared.difference = differs.then(|| Difference::between(&ours, theirs));
            metrics.insert(*metric, compared);
        }
        Ok(ComparedCorpus {
            task: rows.task,
            n: rows.clusters.len(),
            resampled: rows.task.clusters(),
            clusters: rows.count,
            metrics,
        })
    }
}
