//! A run as it lies on disk: what its seeds were scored on, and what they said.

use std::path::Path;

use unimse_labels::{Field, Grammar, Split};
use unimse_run::{ComparedRun, PredictedRow, Results, RunFolder};

use super::answers::{Answers, Missing, Reading};
use super::table;
use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset::grammar;

/// One run as it lies on disk.
pub(super) struct Run {
    /// Its folder as it was given.
    pub(super) name: String,
    pub(super) seeds: Vec<Seed>,
}

/// One seed of a run.
pub(super) struct Seed {
    pub(super) folder: RunFolder,
    pub(super) results: Results,
    /// Its test rows.
    rows: Vec<PredictedRow>,
}

impl Run {
    pub(super) fn read(path: &Path) -> Result<Self, TrainError> {
        let mut folders: Vec<RunFolder> = RunFolder::seeds(path)?
            .into_iter()
            .map(|(_, folder)| folder)
            .collect();
        if folders.is_empty() {
            let own = RunFolder::new(path);
            if !own.results().exists() {
                return Err(TrainError::Data(format!(
                    "{}: expected an evaluated run (results.json) or seed-<n> folders of some, found neither",
                    path.display()
                )));
            }
            folders.push(own);
        }
        let read = |folder: RunFolder| {
            let results = folder.results();
            Ok(Seed {
                results: Results::read(&results)?,
                rows: table::predicted_rows(&folder.predictions(), &[Split::Test])?,
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
    pub(super) fn described(&self) -> ComparedRun {
        let results = || self.seeds.iter().map(|seed| &seed.results);
        let mut trained_on: Vec<String> = Vec::new();
        for name in results().flat_map(|r| &r.trained_on) {
            if !trained_on.contains(name) {
                trained_on.push(name.clone());
            }
        }
        ComparedRun {
            run: self.name.clone(),
            preset: results().find_map(|r| r.preset.clone()),
            trained_on,
            seeds: results().flat_map(|r| r.seeds.iter().copied()).collect(),
            leaky: results().any(|r| r.leaky == Some(true)),
            synthetic: results().any(|r| r.synthetic),
            test_openings: results().filter_map(|r| r.protocol.test_openings).sum(),
            ..ComparedRun::default()
        }
    }

    /// The corpora that all seeds were tested on, in the order of the first.
    pub(super) fn corpora(&self) -> Vec<&str> {
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
    pub(super) fn answers(&self, corpus: &str, reading: Reading<'_>) -> Result<Answers, Missing> {
        let Some(results) = self.results.corpora.get(corpus) else {
            return Err(Missing::Unanswered("not tested in this run".to_owned()));
        };
        let rows: Vec<&PredictedRow> = self.rows.iter().filter(|r| r.corpus == corpus).collect();
        Answers::new(&rows, results, reading)
    }

    /// An error of its answers to `corpus`.
    pub(super) fn failed(&self, corpus: &str, why: &str) -> TrainError {
        let folder = self.folder.run.display();
        TrainError::Data(format!("{folder}: corpus {corpus}: {why}"))
    }

    /// The labels that it writes.
    pub(super) fn grammar(&self) -> Result<Grammar, TrainError> {
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
