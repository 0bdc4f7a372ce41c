//! Arguments: matrices of numpy, columns of numbers and words in whatever holds them, names of choices.

use std::fmt::Display;
use std::str::FromStr;

use numpy::{
    AllowTypeChange, PyArray2, PyArrayLike1, PyArrayMethods, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use unimse_python_call::errors::input;

/// A matrix of float32 `[rows, dim]`, read where it lies.
pub(crate) struct Matrix<'py>(PyReadonlyArray2<'py, f32>);

impl<'py> Matrix<'py> {
    /// `name` names the argument in errors.
    pub(crate) fn new(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let matrix = object.cast::<PyArray2<f32>>();
        let matrix = matrix.ok().filter(|matrix| matrix.is_c_contiguous());
        let Some(matrix) = matrix else {
            let expected = "a numpy array of float32 [rows, dim], rows one after the other in memory (numpy.ascontiguousarray(x, dtype=\"float32\"))";
            return Err(PyTypeError::new_err(format!(
                "{name}: expected {expected}, found {}",
                in_words(object)?
            )));
        };
        Ok(Self(matrix.try_readonly().map_err(input)?))
    }

    /// Row-major `[rows, dim]`.
    pub(crate) fn values(&self) -> PyResult<&[f32]> {
        self.0.as_slice().map_err(input)
    }

    pub(crate) fn rows(&self) -> usize {
        self.0.shape()[0]
    }

    pub(crate) fn dim(&self) -> usize {
        self.0.shape()[1]
    }
}

/// The type of an object; of an array also its elements, shape and order.
fn in_words(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let name = object.get_type().name()?;
    let (Ok(dtype), Ok(shape)) = (object.getattr("dtype"), object.getattr("shape")) else {
        return Ok(name.to_string());
    };
    let contiguous = object
        .getattr("flags")
        .and_then(|flags| flags.getattr("c_contiguous"));
    let strided = contiguous.is_ok_and(|c| c.is_truthy().is_ok_and(|c| !c));
    let order = if strided { ", not contiguous" } else { "" };
    Ok(format!("{name} of {dtype} {shape}{order}"))
}

/// Numbers of a list, a numpy array, a column of pandas, polars or pyarrow, as float64.
pub(crate) fn numbers(object: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let values: PyArrayLike1<'_, f64, AllowTypeChange> = object.extract()?;
    Ok(values.as_array().to_vec())
}

/// Words of any iterable of text.
pub(crate) fn words(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut words = Vec::new();
    for item in listed(object)?.try_iter()? {
        let item = item?;
        words.push(item.extract().map_err(|_| {
            let (row, found) = (words.len() + 1, item.get_type());
            PyTypeError::new_err(format!("{name} in row {row}: expected text, found {found}"))
        })?);
    }
    Ok(words)
}

/// A column of pyarrow iterates over scalars that are no values of Python: as a list they are.
fn listed<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match object.hasattr("to_pylist")? {
        true => object.call_method0("to_pylist"),
        false => Ok(object.clone()),
    }
}

/// A choice by its name.
pub(crate) fn choice<T: FromStr<Err: Display>>(text: &str) -> PyResult<T> {
    text.parse().map_err(input)
}

/// Numbers for names of any hashable kind: equal ones have one number.
#[derive(Default)]
pub(crate) struct Numbering(Option<Py<PyDict>>);

impl Numbering {
    /// The numbers of the names in `object`, new ones in their order.
    pub(crate) fn number(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
        let py = object.py();
        let known = self
            .0
            .get_or_insert_with(|| PyDict::new(py).unbind())
            .bind(py);
        let mut numbers = Vec::new();
        for name in listed(object)?.try_iter()? {
            let name = name?;
            let number = match known.get_item(&name)? {
                Some(number) => number.extract()?,
                None => {
                    let next = known.len();
                    known.set_item(name, next)?;
                    next
                }
            };
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// The numbers of the names in `object`; `None` for one that was never numbered.
    pub(crate) fn find(&self, object: &Bound<'_, PyAny>) -> PyResult<Vec<Option<usize>>> {
        let known = self.0.as_ref().map(|known| known.bind(object.py()));
        let mut numbers = Vec::new();
        for name in listed(object)?.try_iter()? {
            let number = known.map(|known| known.get_item(name?)).transpose()?;
            numbers.push(
                number
                    .flatten()
                    .map(|number| number.extract())
                    .transpose()?,
            );
        }
        Ok(numbers)
    }
}

/// As many of one as of the other.
pub(crate) fn same_length(name: &str, found: usize, expected: usize) -> PyResult<()> {
    match found == expected {
        true => Ok(()),
        false => Err(input(format_args!(
            "{name}: expected {expected}, one a row, found {found}"
        ))),
    }
}
