//! Metrics and their intervals.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use serde::Serialize;
use unimse_eval::{
    Convention, Interval, Measure, Metric, Resampled, class_indices, emotion_measure, jackknife,
    resample_while, sentiment_measure,
};
use unimse_labels::{Taxonomy, UnknownName};

use crate::arguments::{Numbering, choice, numbers, same_length, words};
use unimse_python_call::errors::input;
use unimse_python_call::work;

/// Most resamples of an interval: more say no more, and each holds a value.
const MOST: usize = 1_000_000;

#[pyfunction]
#[pyo3(signature = (truth, prediction, *, convention = "mmsa"))]
pub(crate) fn sentiment<'py>(
    truth: &Bound<'py, PyAny>,
    prediction: &Bound<'py, PyAny>,
    convention: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let convention: Convention = choice(convention)?;
    let (truths, predictions) = (numbers(truth)?, numbers(prediction)?);
    let py = truth.py();
    let scores = py.detach(|| unimse_eval::sentiment(&predictions, &truths, convention));
    to_python(py, &scores.map_err(input)?)
}

#[pyfunction]
#[pyo3(signature = (truth, prediction, *, labels))]
pub(crate) fn emotion<'py>(
    truth: &Bound<'py, PyAny>,
    prediction: &Bound<'py, PyAny>,
    labels: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let classes = Classes::new(truth, prediction, labels)?;
    let py = truth.py();
    let scores =
        py.detach(|| unimse_eval::emotion(&classes.predictions, &classes.truths, &classes.labels));
    to_python(py, &scores.map_err(input)?)
}

#[pyfunction]
#[pyo3(signature = (truth, prediction, *, metric, groups = None, convention = "mmsa", labels = None, resamples = 1000, seed = 1, method = "percentile"))]
#[allow(clippy::too_many_arguments, reason = "named arguments of Python")]
pub(crate) fn bootstrap<'py>(
    truth: &Bound<'py, PyAny>,
    prediction: &Bound<'py, PyAny>,
    metric: &str,
    groups: Option<&Bound<'py, PyAny>>,
    convention: &str,
    labels: Option<&Bound<'py, PyAny>>,
    resamples: usize,
    seed: u64,
    method: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = truth.py();
    let (convention, metric) = (choice::<Convention>(convention)?, choice::<Metric>(metric)?);
    let drawing = |rows: usize| Drawing::new(groups, rows, resamples, seed, method);
    let interval = if Metric::EMOTION.contains(&metric) {
        let Some(labels) = labels else {
            return Err(PyTypeError::new_err(format!(
                "labels: expected meld, iemocap or a list of classes for the metric {metric}"
            )));
        };
        let classes = Classes::new(truth, prediction, labels)?;
        let (predictions, truths) = (&classes.predictions, &classes.truths);
        let measure = emotion_measure(predictions, truths, &classes.labels, &[metric]);
        drawing(truths.len())?.interval(py, &measure.map_err(input)?)?
    } else {
        let (truths, predictions) = (numbers(truth)?, numbers(prediction)?);
        let measure = sentiment_measure(&predictions, &truths, convention, &[metric]);
        drawing(truths.len())?.interval(py, &measure.map_err(input)?)?
    };
    to_python(py, &interval)
}

/// Truths and predictions as indices into the class list.
struct Classes {
    truths: Vec<usize>,
    predictions: Vec<usize>,
    labels: Vec<String>,
}

impl Classes {
    fn new(
        truth: &Bound<'_, PyAny>,
        prediction: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let labels = match labels.extract::<String>() {
            Ok(taxonomy) => {
                let names = choice::<Taxonomy>(&taxonomy)?.labels().iter();
                names.map(|&name| name.to_owned()).collect()
            }
            Err(_) => words("labels", labels)?,
        };
        let indices = |column: &'static str, object| {
            class_indices(column, &words(column, object)?, &labels).map_err(input)
        };
        Ok(Self {
            truths: indices("truth", truth)?,
            predictions: indices("prediction", prediction)?,
            labels,
        })
    }
}

/// How an interval is made of resamples.
#[derive(Clone, Copy)]
enum Method {
    Percentile,
    Bca,
}

/// What is drawn, and how often.
struct Drawing {
    clusters: Vec<usize>,
    resamples: usize,
    seed: u64,
    method: Method,
}

impl Drawing {
    fn new(
        groups: Option<&Bound<'_, PyAny>>,
        rows: usize,
        resamples: usize,
        seed: u64,
        method: &str,
    ) -> PyResult<Self> {
        if resamples == 0 || resamples > MOST {
            return Err(input(format_args!(
                "resamples: {resamples}, expected 1 to {MOST}"
            )));
        }
        let method = match method {
            "percentile" => Method::Percentile,
            "bca" => Method::Bca,
            other => {
                let names = ["percentile", "bca"];
                return Err(input(UnknownName::new("method", other, &names)));
            }
        };
        let clusters = match groups {
            Some(groups) => Numbering::default().number(groups)?,
            None => (0..rows).collect(),
        };
        same_length("groups", clusters.len(), rows)?;
        Ok(Self {
            clusters,
            resamples,
            seed,
            method,
        })
    }

    /// Of a measure with one metric.
    fn interval(&self, py: Python<'_>, measure: &Measure<'_>) -> PyResult<Interval> {
        let interval = work::run(py, |wanted| {
            let (clusters, wanted) = (&self.clusters, || wanted.is());
            let drawn = resample_while(measure, clusters, self.resamples, self.seed, wanted)?;
            let Resampled { value, draws } = &drawn[0];
            Some(match self.method {
                Method::Percentile => drawn[0].interval(),
                Method::Bca => {
                    Interval::bca(*value, *value, draws, &jackknife(measure, clusters)[0])
                }
            })
        })?;
        // what is wanted no more ends with the exception that made it so
        interval.ok_or_else(|| input("interrupted"))
    }
}

/// A result as dicts, lists and numbers, as in the JSON of the command line.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    result: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(result).map_err(input)?;
    py.import("json")?.call_method1("loads", (text,))
}
