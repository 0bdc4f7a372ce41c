//! Sentence embeddings.

use numpy::{PyArray2, PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use unimse_model::Pooling;
use unimse_python_call::errors::input;
use unimse_train::unify::{self, Embeddings, encoder_folder};

use crate::loaded::{Loaded, of_train};

/// The sentence encoder of the label unifier, loaded.
#[pyclass(module = "unimse_torch", frozen)]
pub(crate) struct Encoder {
    loaded: Loaded<unify::Encoder>,
    dim: usize,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (encoder, pooling = None))]
    fn new(py: Python<'_>, encoder: &str, pooling: Option<&str>) -> PyResult<Self> {
        let pooling: Option<Pooling> = pooling.map(str::parse).transpose().map_err(input)?;
        let loaded = Loaded::new(py, || {
            unify::Encoder::load(&encoder_folder(encoder, pooling)?, pooling)
        })?;
        let dim = loaded.compute(py, |encoder, _| Ok(encoder.dim()))?;
        Ok(Self { loaded, dim })
    }

    /// Width of an embedding.
    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    /// Unit rows, float32 `[texts, dim]`, equal texts once.
    fn embed<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<String>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let Embeddings { rows, dim } = self.loaded.compute(py, |encoder, tick| {
            let embedded = encoder.embed(&texts, &mut |_| tick());
            embedded.map_err(|error| of_train(&error))
        })?;
        rows.to_pyarray(py).reshape([texts.len(), dim])
    }
}
