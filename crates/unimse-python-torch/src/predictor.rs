//! Answers of a trained run.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Map, Value};
use unimse_python_call::errors::{input, of_corpus_as};
use unimse_train::predict;
use unimse_train::predict::rows::{Neighbours, Reason, Row, RowError, inputs};

use crate::loaded::{Loaded, Tick, of_train};

/// The trained model of a run, or those of several seeds together, loaded.
#[pyclass(module = "unimse_torch", frozen)]
pub(crate) struct Predictor {
    loaded: Loaded<predict::Predictor>,
    neighbours: Neighbours,
    context: (usize, usize),
}

#[pymethods]
impl Predictor {
    #[new]
    #[pyo3(signature = (run, context = None))]
    fn new(py: Python<'_>, run: PathBuf, context: Option<usize>) -> PyResult<Self> {
        let loaded = Loaded::new(py, || predict::Predictor::load(&run))?;
        let reads = loaded.compute(py, |model, _| Ok(model.context()))?;
        Ok(Self {
            loaded,
            neighbours: Neighbours::new(context, reads),
            context: reads,
        })
    }

    /// Utterances of context that the model reads, before and after the current one.
    #[getter]
    fn context(&self) -> (usize, usize) {
        self.context
    }

    /// JSON lines of rows to JSON lines of answers, those that `unimse predict --input FILE` prints of such a file; feature paths are
    /// relative to the working directory.
    fn answer<'py>(&self, py: Python<'py>, lines: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let answers = self.loaded.compute(py, |model, tick| {
            let mut answers = Vec::new();
            for chunk in inputs(rows(lines)?, self.neighbours, &model.senses()) {
                answer(
                    model,
                    chunk.map_err(|error| of_row(&error))?,
                    tick,
                    &mut answers,
                )?;
            }
            Ok(answers)
        })?;
        Ok(PyBytes::new(py, &answers))
    }
}

/// Writes the answers to the rows of one chunk behind those that are there.
fn answer(
    model: &predict::Predictor,
    rows: Vec<predict::Input>,
    tick: Tick<'_>,
    lines: &mut Vec<u8>,
) -> PyResult<()> {
    let answers = model.predict_while(rows, tick);
    for answer in answers.map_err(|error| of_train(&error))? {
        serde_json::to_writer(&mut *lines, &answer).map_err(input)?;
        lines.push(b'\n');
    }
    Ok(())
}

/// Every line is a row.
fn rows(lines: &[u8]) -> PyResult<Vec<Row>> {
    let lines = lines.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let row = |(at, line): (usize, &[u8])| {
        let place = format!("row {}", at + 1);
        let object: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| input(format_args!("{place}: expected a JSON object: {error}")))?;
        Row::parse(object, place, Some(Path::new("."))).map_err(|error| of_row(&error))
    };
    lines.enumerate().map(row).collect()
}

fn of_row(error: &RowError) -> PyErr {
    match &error.reason {
        Reason::Value(_) => input(error),
        Reason::Features(features) => of_corpus_as(features, error),
    }
}
