//! Data folders: what they hold, and their tables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use serde::Serialize;
use unimse_corpus::{CorpusError, Finding, Summary, ingest_while};

use crate::metrics::to_python;
use unimse_python_call::errors::{of_corpus, of_demo};
use unimse_python_call::work;

#[pyfunction]
#[pyo3(signature = (data, out, *, features = None, progress = None))]
pub(crate) fn ingest<'py>(
    py: Python<'py>,
    data: PathBuf,
    out: PathBuf,
    features: Option<BTreeMap<String, PathBuf>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let features: Vec<(String, PathBuf)> = features.unwrap_or_default().into_iter().collect();
    let mut raised = None;
    let summaries = work::run(py, |wanted| {
        let mut tell = |line: &str| {
            let told = progress.as_ref().map_or(Ok(()), |progress| {
                Python::attach(|py| progress.call1(py, (line,)).map(drop))
            });
            if let Err(error) = told {
                raised.get_or_insert(error);
                wanted.end();
            }
        };
        ingest_while(&data, &out, &features, &mut tell, &|| wanted.is())
    })?;
    match (summaries, raised) {
        (Err(CorpusError::Interrupted), Some(raised)) => Err(raised),
        (summaries, _) => {
            let summaries = summaries.map_err(|error| of_corpus(&error))?;
            let summaries: Vec<_> = summaries.iter().map(Written::new).collect();
            to_python(py, &summaries)
        }
    }
}

/// A [`Summary`] as Python sees it.
#[derive(Serialize)]
struct Written<'a> {
    corpus: &'a str,
    split: &'a str,
    utterances: usize,
    dialogues: usize,
    audio: usize,
    video: usize,
    audio_dim: Option<usize>,
    video_dim: Option<usize>,
    labels: &'a BTreeMap<String, usize>,
    notes: &'a [String],
    synthetic: bool,
}

impl<'a> Written<'a> {
    fn new(summary: &'a Summary) -> Self {
        Self {
            corpus: &summary.corpus,
            split: summary.split.name(),
            utterances: summary.utterances,
            dialogues: summary.dialogues,
            audio: summary.audio,
            video: summary.video,
            audio_dim: summary.audio_dim,
            video_dim: summary.video_dim,
            labels: &summary.labels,
            notes: &summary.notes,
            synthetic: summary.synthetic,
        }
    }
}

#[pyfunction]
pub(crate) fn doctor(py: Python<'_>, data: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let findings = work::run(py, |_| unimse_corpus::doctor(&data))?;
    let findings = findings.map_err(|error| of_corpus(&error))?;
    let findings: Vec<_> = findings.iter().map(Advised::new).collect();
    to_python(py, &findings)
}

/// A [`Finding`] with what to do about it.
#[derive(Serialize)]
struct Advised<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    advice: &'static str,
}

impl<'a> Advised<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            finding,
            advice: finding.advice(),
        }
    }
}

#[pyfunction]
pub(crate) fn demo(py: Python<'_>, out: PathBuf) -> PyResult<()> {
    let written = py.detach(|| unimse_corpus::demo::write(&out));
    written.map_err(|error| of_demo(&error))
}
