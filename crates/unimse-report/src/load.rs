//! A run folder -> what the report needs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use unimse_run::{
    ABLATION_SCHEMA, Ablation, LabelSummary, Provenance, Representations, Results, RunFolder,
};

use crate::ReportError;
use crate::events::{self, Curves};

/// A run folder: one seed, or the aggregate of several.
pub(crate) struct Run {
    /// The folder's own name.
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) provenance: Option<Provenance>,
    /// The ablation that the run is a row of, where it is one.
    pub(crate) ablation: Option<Ablation>,
    /// What is known of the labels, where the label tables were kept.
    pub(crate) labels: Option<LabelSummary>,
    pub(crate) config: String,
    /// How often intervals are resampled, and from which seed: `evaluate.resamples` and `evaluate.seed` of the configuration.
    pub(crate) resampling: (usize, u64),
    /// One entry a seed: the run itself, or its `seed-<n>` children in order of n.
    pub(crate) seeds: Vec<SeedRun>,
    pub(crate) aggregate: bool,
}

/// What one seed left.
pub(crate) struct SeedRun {
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) curves: Curves,
    /// Of one of several seeds.
    pub(crate) provenance: Option<Provenance>,
    pub(crate) representations: Option<Representations>,
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
/// stand in the first of them). `provenance.json`, `representations.json` and `labels/summary.json` may be absent.
pub(crate) fn run(folder: &Path) -> Result<Run, ReportError> {
    let own = RunFolder::new(folder);
    let results = Results::read(&own.results())?;
    let children = RunFolder::seeds(folder).map_err(ReportError::from)?;
    let seeds = if children.is_empty() {
        vec![SeedRun {
            name: seed_name(&results),
            curves: events::read(&own.events())?,
            results: results.clone(),
            provenance: None,
            representations: json(&own.representations())?,
        }]
    } else {
        let mut seeds = Vec::new();
        for (n, seed) in &children {
            seeds.push(SeedRun {
                name: format!("seed {n}"),
                results: Results::read(&seed.results())?,
                curves: events::read(&seed.events())?,
                provenance: json(&seed.provenance())?,
                representations: json(&seed.representations())?,
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
    let labels = first_with(RunFolder::label_summary);
    let name = folder
        .canonicalize()
        .ok()
        .and_then(|path| path.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let config = text(&config)?;
    Ok(Run {
        name,
        results,
        provenance: provenance.map_or(Ok(None), |path| json(&path))?,
        labels: labels.map_or(Ok(None), |path| json(&path))?,
        ablation: ablation(&own.ablation())?,
        resampling: resampling(&config),
        config,
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

/// Resamples without a configuration that says how many.
const RESAMPLES: i64 = 1000;
/// More resamples than this change no printed digit.
const MOST_RESAMPLES: i64 = 10_000;

fn resampling(config: &str) -> (usize, u64) {
    let table: toml::Table = config.parse().unwrap_or_default();
    let value = |key: &str| table.get("evaluate")?.get(key)?.as_integer();
    let resamples = value("resamples").unwrap_or(RESAMPLES);
    let seed = value("seed").unwrap_or_default();
    (resamples.clamp(0, MOST_RESAMPLES) as usize, seed as u64)
}

/// `None` where there is none, and of another version none that could be shown.
fn ablation(path: &Path) -> Result<Option<Ablation>, ReportError> {
    let found: Option<Ablation> = json(path)?;
    Ok(found.filter(|found| found.schema == ABLATION_SCHEMA))
}

/// A file of one value; `None` where it is absent.
fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReportError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| ReportError::read(path, e))?,
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|source| ReportError::Json {
        path: path.to_owned(),
        source,
    })
}

fn text(path: &Path) -> Result<String, ReportError> {
    let bytes = fs::read(path).map_err(|e| ReportError::read(path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
