//! Runs beside a reference: the main metrics of each over its seeds, and the difference to the reference on the same test rows, with the
//! interval and the p-value of a bootstrap that draws whole videos or dialogues, the same for all seeds of both.
//!
//! Nothing is predicted and no test split is opened: what is read are `results.json` and `predictions.parquet`, which an opening left.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use unimse_eval::{Difference, Metric, OverSeeds, resample};
use unimse_labels::{Field, Form, Grammar};
use unimse_run::{
    ByName, COMPARISON_SCHEMA, ComparedCorpus, ComparedMetric, ComparedRun, Comparison,
    EmotionReadout, IntensityReadout, PredictedRow, Readout, Results, RunFolder, Task,
};

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset::grammar;

mod answers;
mod table;

use answers::{Answers, Missing, Reading};

/// Compares runs, the first of which is the reference; with `readouts` also the reference with itself, its answers read in every way.
///
/// A run is a run folder, or the folder of several seeds (`seed-<n>`). Resamples and their seed are those of the reference's section
/// `evaluate`. A corpus that a run was not tested on, or in whose task it answers nothing, is left out by name.
///
/// # Errors
/// [`TrainError`] with the file that cannot be used; [`TrainError::Data`] where runs do not hold the same test rows of a corpus, with the
/// run that lacks a row and the row.
pub fn compare(runs: &[PathBuf], readouts: bool) -> Result<Comparison, TrainError> {
    let runs: Vec<Run> = runs
        .iter()
        .map(|path| Run::read(path))
        .collect::<Result<_, _>>()?;
    let Some(reference) = runs.first() else {
        return Err(TrainError::Data("no run to compare".to_owned()));
    };
    let reference = Reference::new(reference)?;
    let mut compared = vec![reference.own()?];
    for run in runs.iter().skip(1) {
        compared.push(reference.beside(run)?);
    }
    if readouts {
        compared.extend(reference.readouts()?);
    }
    Ok(Comparison {
        schema: COMPARISON_SCHEMA,
        resamples: reference.resamples,
        seed: reference.seed,
        runs: compared,
    })
}

/// One run as it lies on disk.
struct Run {
    /// Its folder as it was given.
    name: String,
    seeds: Vec<Seed>,
}

/// One seed of a run.
struct Seed {
    folder: RunFolder,
    results: Results,
    /// Its test rows.
    rows: Vec<PredictedRow>,
}

impl Run {
    fn read(path: &Path) -> Result<Self, TrainError> {
        let mut folders: Vec<RunFolder> = RunFolder::seeds(path)?
            .into_iter()
            .map(|(_, folder)| folder)
            .collect();
        if folders.is_empty() {
            folders.push(RunFolder::new(path));
        }
        let read = |folder: RunFolder| {
            let results = folder.results();
            Ok(Seed {
                results: Results::read(&results).map_err(|e| TrainError::Data(e.to_string()))?,
                rows: table::test_rows(&folder.predictions())?,
                folder,
            })
        };
        Ok(Self {
            name: path.display().to_string(),
            seeds: folders
                .into_iter()
                .map(read)
                .collect::<Result<_, TrainError>>()?,
        })
    }

    /// What is said of the run itself.
    fn described(&self) -> ComparedRun {
        let results = || self.seeds.iter().map(|seed| &seed.results);
        ComparedRun {
            run: self.name.clone(),
            seeds: results().flat_map(|r| r.seeds.iter().copied()).collect(),
            leaky: results().any(|r| r.leaky == Some(true)),
            synthetic: results().any(|r| r.synthetic),
            test_openings: results().filter_map(|r| r.protocol.test_openings).sum(),
            ..ComparedRun::default()
        }
    }

    /// The corpora that all seeds were tested on, in the order of the first.
    fn corpora(&self) -> Vec<&str> {
        let tested =
            |name: &str| (self.seeds.iter()).all(|s| s.results.corpora.get(name).is_some());
        let first = self.seeds.first();
        let names = first
            .into_iter()
            .flat_map(|seed| seed.results.corpora.iter());
        names
            .map(|(name, _)| name)
            .filter(|name| tested(name))
            .collect()
    }
}

impl Seed {
    /// Its answers to the test rows of `corpus`.
    fn answers(&self, corpus: &str, reading: Reading<'_>) -> Result<Answers, Missing> {
        let Some(results) = self.results.corpora.get(corpus) else {
            return Err(Missing::Unanswered("not tested in this run".to_owned()));
        };
        let rows: Vec<&PredictedRow> = self.rows.iter().filter(|r| r.corpus == corpus).collect();
        Answers::new(&rows, results, reading)
    }

    /// The labels that it writes.
    fn grammar(&self) -> Result<Grammar, TrainError> {
        let config = RunConfig::load(&self.folder.config())?;
        let mut fields = Vec::new();
        for name in &self.results.fields {
            let field: Result<Field, _> = name.parse();
            fields.push(field.map_err(|e| {
                TrainError::artefact(self.folder.results(), format!("field `fields`: {e}"))
            })?);
        }
        Ok(grammar(&config, &fields))
    }
}

/// The run that all others are compared with.
struct Reference<'a> {
    run: &'a Run,
    resamples: usize,
    seed: u64,
    corpora: ByName<Rows>,
    left_out: ByName<String>,
}

/// The test rows of a corpus, as all runs must hold them.
struct Rows {
    task: Task,
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
    fn new(run: &'a Run) -> Result<Self, TrainError> {
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
            let answers = answers.map_err(|why| self.unlike(seed, corpus, &why))?;
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
    fn missing(&self, seed: &Seed, corpus: &str, missing: Missing) -> TrainError {
        let (Missing::Unanswered(why) | Missing::Broken(why)) = missing;
        self.unlike(seed, corpus, &why)
    }

    fn unlike(&self, seed: &Seed, corpus: &str, why: &str) -> TrainError {
        let folder = seed.folder.run.display();
        TrainError::Data(format!("{folder}: corpus {corpus}: {why}"))
    }

    /// `answers` in the order of the reference's rows, which they must hold, with the same gold.
    fn aligned(
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
    fn own(&self) -> Result<ComparedRun, TrainError> {
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
    fn beside(&self, run: &Run) -> Result<ComparedRun, TrainError> {
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
    fn corpus(
        &self,
        name: &str,
        rows: &Rows,
        seeds: &[Answers],
        differs: bool,
    ) -> Result<ComparedCorpus, TrainError> {
        let mut metrics = std::collections::BTreeMap::new();
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

    /// The reference with its answers read in every way, each with the corpora in whose task that makes a difference.
    fn readouts(&self) -> Result<Vec<ComparedRun>, TrainError> {
        let mut grammars = Vec::new();
        for seed in &self.run.seeds {
            grammars.push(seed.grammar()?);
        }
        let mut out = Vec::new();
        for (task, name, readout) in every_readout() {
            // The text of a triple holds one emotion, a label of the closed vocabulary two: what was generated is not in the file.
            let lost = readout.emotion == EmotionReadout::Text
                && grammars.iter().any(|grammar| grammar.form == Form::Triple);
            if task == Task::Emotion && lost {
                continue;
            }
            let mut corpora = Vec::new();
            for (corpus, rows) in self.corpora.iter().filter(|(_, rows)| rows.task == task) {
                let mut seeds = Vec::new();
                for (seed, grammar) in self.run.seeds.iter().zip(&grammars) {
                    // What dev chose is in the file to the bit, and must not differ from itself by rounding.
                    let chosen = |own: &Readout| match task {
                        Task::Sentiment => own.intensity == readout.intensity,
                        Task::Emotion => own.emotion == readout.emotion,
                    };
                    let reading = match seed.results.readout.as_ref().filter(|own| chosen(own)) {
                        Some(_) => Reading::AsChosen,
                        None => Reading::Anew(readout, grammar),
                    };
                    let answers = seed.answers(corpus, reading);
                    let answers = answers.map_err(|missing| self.missing(seed, corpus, missing))?;
                    seeds.push(self.aligned(rows, answers, seed, corpus)?);
                }
                corpora.push((corpus.to_owned(), self.corpus(corpus, rows, &seeds, true)?));
            }
            if !corpora.is_empty() {
                out.push(ComparedRun {
                    readout: Some(name),
                    corpora: corpora.into_iter().collect(),
                    ..self.run.described()
                });
            }
        }
        Ok(out)
    }
}

/// Every way to read intensities, then every way to read emotions, with the task that looks at it and its name.
fn every_readout() -> Vec<(Task, String, Readout)> {
    let training = Readout::TRAINING;
    let intensities = IntensityReadout::ALL
        .into_iter()
        .chain([IntensityReadout::SignedMedian]);
    let intensities = intensities.map(|intensity| {
        let name = format!("intensity: {}", intensity.name());
        let readout = Readout {
            intensity,
            ..training
        };
        (Task::Sentiment, name, readout)
    });
    let emotions = EmotionReadout::ALL.into_iter().map(|emotion| {
        let name = format!("emotion: {}", emotion.name());
        let readout = Readout {
            emotion,
            ..training
        };
        (Task::Emotion, name, readout)
    });
    intensities.chain(emotions).collect()
}
