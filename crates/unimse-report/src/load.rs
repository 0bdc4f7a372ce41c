//! A run folder -> what the report needs.

use std::fs;
use std::path::{Path, PathBuf};

use unimse_run::{Provenance, Results, RunFolder};

use crate::ReportError;
use crate::events::{self, Curves};

/// A run folder: one seed, or the aggregate of several.
pub(crate) struct Run {
    /// The folder's own name.
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) config: String,
    /// One entry a seed: the run itself, or its `seed-<n>` children in order of n.
    pub(crate) seeds: Vec<SeedRun>,
    pub(crate) aggregate: bool,
}

/// What one seed left.
pub(crate) struct SeedRun {
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) curves: Curves,
}

impl Run {
    fn all_results(&self) -> impl Iterator<Item = &Results> {
        std::iter::once(&self.results).chain(self.seeds.iter().map(|s| &s.results))
    }

    /// Whether the corpora of the run, or of any of its seeds, came from a generator.
    pub(crate) fn synthetic(&self) -> bool {
        self.all_results().any(|r| r.synthetic)
    }

    /// Whether test rows donated labels, in the run or any of its seeds; `None` where nothing says.
    pub(crate) fn leaky(&self) -> Option<bool> {
        self.all_results()
            .filter_map(|r| r.leaky)
            .reduce(|a, b| a || b)
    }
}

/// Reads a run folder.
///
/// # Errors
/// `results.json` must be there; `events.jsonl` and `config.toml` too, in an aggregate in each `seed-<n>` (its `config.toml` may
/// stand in the first of them). `provenance.json` may be absent.
pub(crate) fn run(folder: &Path) -> Result<Run, ReportError> {
    let own = RunFolder::new(folder);
    let results = Results::read(&own.results())?;
    let children = RunFolder::seeds(folder).map_err(ReportError::from)?;
    let seeds = if children.is_empty() {
        vec![SeedRun {
            name: seed_name(&results),
            curves: events::read(&own.events())?,
            results: results.clone(),
        }]
    } else {
        let mut seeds = Vec::new();
        for (n, seed) in &children {
            seeds.push(SeedRun {
                name: format!("seed {n}"),
                results: Results::read(&seed.results())?,
                curves: events::read(&seed.events())?,
            });
        }
        seeds
    };
    let first_with = |file: fn(&RunFolder) -> PathBuf| {
        std::iter::once(&own)
            .chain(children.iter().map(|(_, seed)| seed))
            .map(file)
            .find(|path| path.exists())
    };
    let config = first_with(RunFolder::config).unwrap_or_else(|| own.config());
    let provenance = first_with(RunFolder::provenance);
    let name = folder
        .canonicalize()
        .ok()
        .and_then(|path| path.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_default();
    Ok(Run {
        name,
        results,
        provenance: provenance.map(|path| self::provenance(&path)).transpose()?,
        config: text(&config)?,
        seeds,
        aggregate: !children.is_empty(),
    })
}

fn seed_name(results: &Results) -> String {
    match results.seeds.first() {
        Some(seed) => format!("seed {seed}"),
        None => "this run".to_owned(),
    }
}

fn provenance(path: &Path) -> Result<Provenance, ReportError> {
    let bytes = fs::read(path).map_err(|e| ReportError::read(path, e))?;
    serde_json::from_slice(&bytes).map_err(|source| ReportError::Json {
        path: path.to_owned(),
        source,
    })
}

fn text(path: &Path) -> Result<String, ReportError> {
    let bytes = fs::read(path).map_err(|e| ReportError::read(path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
