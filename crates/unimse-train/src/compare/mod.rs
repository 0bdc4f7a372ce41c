//! Runs beside a reference: the main metrics of each over its seeds, and the difference to the reference on the same test rows, with the
//! interval and the p-value of a bootstrap that draws whole videos or dialogues, the same for all seeds of both.
//!
//! Nothing is predicted and no test split is opened: what is read are `results.json` and `predictions.parquet`, which an opening left.

use std::path::PathBuf;

use unimse_run::{COMPARISON_SCHEMA, Comparison};

use crate::TrainError;

mod answers;
mod readouts;
mod reference;
mod run;
mod table;

use reference::Reference;
use run::Run;
pub use table::predicted_rows;

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
