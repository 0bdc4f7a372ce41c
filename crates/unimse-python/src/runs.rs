//! Run folders: what their `results.json` says.

use std::path::PathBuf;

use pyo3::prelude::*;
use unimse_run::{Results, RunFolder};

use crate::metrics::to_python;
use unimse_python_call::errors::{of_file, of_results};

/// The `results.json` of a run folder.
#[pyfunction]
pub(crate) fn results(py: Python<'_>, run: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let results = Results::read(&RunFolder::new(&run).results());
    to_python(py, &results.map_err(|error| of_results(&error))?)
}

/// The run folders of the seeds below a folder, by seed.
#[pyfunction]
pub(crate) fn seeds(run: PathBuf) -> PyResult<Vec<(u64, PathBuf)>> {
    let seeds = RunFolder::seeds(&run).map_err(|error| of_file(&error))?;
    Ok(seeds
        .into_iter()
        .map(|(seed, folder)| (seed, folder.run))
        .collect())
}
