//! Runs beside a reference: the main metrics of each over its seeds, and the difference to the reference on the same test rows, with the
//! interval and the p-value of a bootstrap that draws whole videos or dialogues, the same for all seeds of both.
//!
//! Nothing is predicted and no test split is opened: what is read are `results.json` and `predictions.parquet`, which an opening left.

use std::path::{Path, PathBuf};

use unimse_run::{COMPARISON_SCHEMA, ComparedRun, Comparison};

use crate::TrainError;

mod answers;
mod readouts;
mod reference;
mod run;
mod settings;
mod shared;
mod table;

use reference::Reference;
use run::Run;
pub use table::predicted_rows;

/// Compares runs, the first of which is the reference; with `readouts` also the reference with itself, its answers read in every way.
///
/// A run is a run folder, or the folder of several seeds (`seed-<n>`). Resamples and their seed are those of the reference's section
/// `evaluate`. A corpus that a run was not tested on, or in whose task it answers nothing, is left out by name. Numbers are of the test rows
/// that all runs hold; of each run the others are named.
///
/// # Errors
/// [`TrainError`] with the file that cannot be used; [`TrainError::Data`] where a folder holds no run or is given twice, the seeds of a run do not
/// hold the same rows, a row has different gold labels in two runs, or no run shares anything with the reference.
pub fn compare(runs: &[PathBuf], readouts: bool) -> Result<Comparison, TrainError> {
    each_once(runs)?;
    let runs: Vec<Run> = runs
        .iter()
        .map(|path| Run::read(path))
        .collect::<Result<_, _>>()?;
    if runs.is_empty() {
        return Err(TrainError::Data("no run to compare".to_owned()));
    }
    let reference = Reference::new(&runs)?;
    let mut compared = Vec::new();
    for at in 0..runs.len() {
        compared.push(reference.beside(at)?);
    }
    something_shared(&compared)?;
    if readouts {
        compared.extend(reference.readouts()?);
    }
    Ok(Comparison {
        schema: COMPARISON_SCHEMA,
        resamples: reference.resamples,
        seed: reference.seed,
        runs: compared,
        settings: settings::differing(&runs)?,
    })
}

/// No folder may be given twice, under whatever names.
fn each_once(runs: &[PathBuf]) -> Result<(), TrainError> {
    let mut seen: Vec<(PathBuf, &Path)> = Vec::new();
    for path in runs {
        // what cannot be found says so when it is read
        let Ok(place) = path.canonicalize() else {
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == place) {
            return Err(TrainError::Data(format!(
                "{}: the same folder as {}: expected each run once",
                path.display(),
                first.display()
            )));
        }
        seen.push((place, path));
    }
    Ok(())
}

/// Of several runs at least one must have a corpus in common with the reference.
fn something_shared(runs: &[ComparedRun]) -> Result<(), TrainError> {
    let Some((reference, others)) = runs.split_first() else {
        return Ok(());
    };
    if others.is_empty() || others.iter().any(|run| !run.corpora.is_empty()) {
        return Ok(());
    }
    let reasons = others.iter().map(|run| {
        let left_out = run.left_out.iter();
        let left_out: Vec<String> = left_out
            .map(|(corpus, why)| format!("{corpus} {why}"))
            .collect();
        format!("{}: {}", run.run, left_out.join(", "))
    });
    let reasons: Vec<String> = reasons.collect();
    Err(TrainError::Data(format!(
        "nothing to compare with {}: {}",
        reference.run,
        reasons.join("; ")
    )))
}
