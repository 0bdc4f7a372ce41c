//! The run that others are compared with: the rows that all of them hold, and the resamples that all share.

use std::collections::{BTreeMap, HashMap};

use unimse_eval::{Difference, Metric, Resampled, resample};
use unimse_run::{ByName, ComparedCorpus, ComparedMetric, ComparedRun, Task};

use super::answers::Answers;
use super::run::Run;
use super::shared::{Part, Shared, held, share};
use super::table;
use crate::TrainError;
use crate::config::RunConfig;

/// The run that all others are compared with.
pub(super) struct Reference<'a> {
    /// All runs, the reference first.
    runs: &'a [Run],
    pub(super) run: &'a Run,
    pub(super) resamples: usize,
    pub(super) seed: u64,
    pub(super) corpora: ByName<Rows>,
    left_out: ByName<String>,
}

/// The test rows of a corpus that all runs hold.
pub(super) struct Rows {
    pub(super) task: Task,
    /// Their ids, in the order of the reference.
    pub(super) ids: Vec<String>,
    /// What each run says of them, the reference first.
    parts: Vec<Shared>,
    /// The video or dialogue of each row, as numbers.
    clusters: Vec<usize>,
    /// How many there are of them.
    count: usize,
    /// The metrics of the reference, over its seeds.
    metrics: Vec<OverSeeds>,
}

/// A metric of each seed of a run, and their mean with its resamples.
struct OverSeeds {
    metric: Metric,
    own: Vec<Option<f64>>,
    mean: Resampled,
}

impl<'a> Reference<'a> {
    /// The first of `runs`, one or more.
    pub(super) fn new(runs: &'a [Run]) -> Result<Self, TrainError> {
        let run = &runs[0];
        let Some(first) = run.seeds.first() else {
            return Err(TrainError::Data(format!("{}: no seed", run.name)));
        };
        let evaluate = RunConfig::load(&first.folder.config())?.evaluate;
        let mut reference = Self {
            runs,
            run,
            resamples: evaluate.resamples.get(),
            seed: evaluate.seed,
            corpora: ByName::default(),
            left_out: ByName::default(),
        };
        let (mut corpora, mut left_out) = (Vec::new(), Vec::new());
        for name in run.corpora() {
            match reference.rows(name)? {
                Ok(rows) => corpora.push((name.to_owned(), rows)),
                Err(why) => left_out.push((name.to_owned(), why)),
            }
        }
        reference.corpora = corpora.into_iter().collect();
        reference.left_out = left_out.into_iter().collect();
        Ok(reference)
    }

    /// The rows of one corpus; the inner error is why the reference says nothing of it.
    fn rows(&self, corpus: &str) -> Result<Result<Rows, String>, TrainError> {
        let mut parts = Vec::new();
        for run in self.runs {
            let tested = run.corpora().contains(&corpus);
            parts.push(match tested {
                true => held(run, corpus)?,
                false => Err("not tested in this run".to_owned()),
            });
        }
        share(self.runs, corpus, &mut parts)?;
        let ids = match &parts[0] {
            Ok(reference) => reference.seeds[0].ids.clone(),
            Err(why) => return Ok(Err(why.clone())),
        };
        let (clusters, count) = self.clusters(corpus, &ids)?;
        let task = self.run.seeds[0].results.corpora.get(corpus);
        let mut rows = Rows {
            task: task.map_or(Task::Sentiment, |corpus| corpus.task),
            ids,
            parts,
            clusters,
            count,
            metrics: Vec::new(),
        };
        if let Ok(reference) = &rows.parts[0] {
            rows.metrics = self.over_seeds(&rows, &reference.seeds, corpus)?;
        }
        Ok(Ok(rows))
    }

    /// The video or dialogue of each row as a number, and how many there are.
    fn clusters(&self, corpus: &str, ids: &[String]) -> Result<(Vec<usize>, usize), TrainError> {
        let groups = table::groups(&self.run.seeds[0].folder.corpus, corpus)?;
        let (mut numbers, mut clusters) = (HashMap::new(), Vec::new());
        for id in ids {
            let group = groups.get(id).ok_or_else(|| {
                TrainError::Data(format!(
                    "{}: corpus {corpus}: utterance {id} is in predictions.parquet and not in the tables",
                    self.run.name
                ))
            })?;
            let next = numbers.len();
            clusters.push(*numbers.entry(group).or_insert(next));
        }
        Ok((clusters, numbers.len()))
    }

    /// The metrics of `seeds` on these rows.
    fn over_seeds(
        &self,
        rows: &Rows,
        seeds: &[Answers],
        corpus: &str,
    ) -> Result<Vec<OverSeeds>, TrainError> {
        let metrics = rows.task.compared();
        let mut drawn: Vec<Vec<Resampled>> = metrics.iter().map(|_| Vec::new()).collect();
        for seed in seeds {
            let measure = seed.measure(metrics);
            let measure = measure.map_err(|e| TrainError::Data(format!("corpus {corpus}: {e}")))?;
            let resampled = resample(&measure, &rows.clusters, self.resamples, self.seed);
            let each = drawn.iter_mut().zip(resampled);
            each.for_each(|(metric, resampled)| metric.push(resampled));
        }
        let over = |(&metric, seeds): (&Metric, Vec<Resampled>)| {
            let own = seeds.iter().map(|seed| seed.value);
            OverSeeds {
                metric,
                own: own
                    .map(|value| Some(value).filter(|v| v.is_finite()))
                    .collect(),
                mean: Resampled::mean(&seeds),
            }
        };
        Ok(metrics.iter().zip(drawn).map(over).collect())
    }

    /// What is said of the run at `at`: of the reference itself, or of another one beside it.
    pub(super) fn beside(&self, at: usize) -> Result<ComparedRun, TrainError> {
        let run = &self.runs[at];
        let (mut corpora, mut left_out) = (Vec::new(), Vec::new());
        for (name, rows) in self.corpora.iter() {
            match &rows.parts[at] {
                Ok(part) => {
                    corpora.push((name.to_owned(), self.corpus(name, rows, part, at > 0)?));
                }
                Err(why) => left_out.push((name.to_owned(), why.clone())),
            }
        }
        for name in run.corpora() {
            if self.corpora.get(name).is_none() {
                let why = self.left_out.get(name).filter(|_| at == 0).cloned();
                let why = why.unwrap_or_else(|| "not compared in the reference".to_owned());
                left_out.push((name.to_owned(), why));
            }
        }
        Ok(ComparedRun {
            corpora: corpora.into_iter().collect(),
            left_out: left_out.into_iter().collect(),
            ..run.described()
        })
    }

    /// The metrics of a corpus; the reference's own have no difference.
    pub(super) fn corpus(
        &self,
        name: &str,
        rows: &Rows,
        part: &Part,
        differs: bool,
    ) -> Result<ComparedCorpus, TrainError> {
        let mut metrics = BTreeMap::new();
        let all = self.over_seeds(rows, &part.seeds, name)?;
        for (ours, theirs) in all.into_iter().zip(&rows.metrics) {
            let mut compared = ComparedMetric::of_seeds(ours.own);
            compared.difference = differs.then(|| Difference::between(&ours.mean, &theirs.mean));
            metrics.insert(ours.metric, compared);
        }
        Ok(ComparedCorpus {
            task: rows.task,
            n: rows.clusters.len(),
            unshared: part.unshared.clone(),
            resampled: rows.task.clusters(),
            clusters: rows.count,
            metrics,
        })
    }
}
