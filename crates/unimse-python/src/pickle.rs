//! Pickles of numpy arrays as Python's values, without running what they say.

use std::collections::HashMap;
use std::path::PathBuf;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PySet, PyString, PyTuple};
use unimse_formats::{Array, Item, ItemId, Kind, Object, Pickle};

use unimse_python_call::errors::{input, of_format};
use unimse_python_call::work;

/// Objects between two looks at Python's signals.
const OBJECTS: usize = 1 << 16;

#[pyfunction]
#[pyo3(signature = (path, *, bytes_as_text = false))]
pub(crate) fn read_pickle(
    py: Python<'_>,
    path: PathBuf,
    bytes_as_text: bool,
) -> PyResult<Bound<'_, PyAny>> {
    let pickle = work::run(py, |_| Pickle::open(&path))?;
    let pickle = pickle.map_err(|error| of_format(&error))?;
    let mut reader = Reader {
        py,
        pickle: &pickle,
        numpy: py.import("numpy")?,
        bytes_as_text,
        known: HashMap::new(),
        payloads: HashMap::new(),
        objects: 0,
    };
    reader.object(pickle.root())
}

/// Makes objects, each once: one that a pickle names many times is one in Python too, so that a small file cannot fill the memory.
struct Reader<'a, 'py> {
    py: Python<'py>,
    pickle: &'a Pickle,
    numpy: Bound<'py, PyModule>,
    bytes_as_text: bool,
    known: HashMap<ItemId, Bound<'py, PyAny>>,
    payloads: HashMap<ItemId, Bound<'py, PyByteArray>>,
    objects: usize,
}

impl<'py> Reader<'_, 'py> {
    fn object(&mut self, item: Item<'_>) -> PyResult<Bound<'py, PyAny>> {
        self.objects += 1;
        if self.objects.is_multiple_of(OBJECTS) {
            self.py.check_signals()?;
        }
        let id = item.id();
        if let Some(known) = id.and_then(|id| self.known.get(&id)) {
            return Ok(known.clone());
        }
        // nothing contains itself, and nesting is bounded: the reader has seen to both
        let object = self.new_object(item)?;
        self.known.extend(id.map(|id| (id, object.clone())));
        Ok(object)
    }

    fn new_object(&mut self, item: Item<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        match item.object() {
            Object::None => Ok(py.None().into_bound(py)),
            Object::Bool(value) => value.into_bound_py_any(py),
            Object::Int(value) => value.into_bound_py_any(py),
            Object::Float(value) => value.into_bound_py_any(py),
            Object::Text(text) => Ok(PyString::new(py, &text).into_any()),
            Object::Bytes(_) if self.bytes_as_text => {
                let text = item.as_str().unwrap_or_default();
                Ok(PyString::new(py, &text).into_any())
            }
            Object::Bytes(bytes) => Ok(PyBytes::new(py, &bytes).into_any()),
            Object::List => Ok(PyList::new(py, self.items(item)?)?.into_any()),
            Object::Tuple => Ok(PyTuple::new(py, self.items(item)?)?.into_any()),
            Object::Set => {
                let items = self.items(item)?;
                let set = PySet::new(py, items).map_err(|error| self.refuse(error))?;
                Ok(set.into_any())
            }
            Object::Dict => self.dict(item),
            Object::Array(array) => self.array(array),
            Object::DType(dtype) => self.numpy.call_method1("dtype", (dtype.to_string(),)),
            Object::BigInt => Err(self.refuse("an integer of more than 64 bits")),
            _ => Err(self.refuse(format_args!("a {}", item.type_name()))),
        }
    }

    fn items(&mut self, item: Item<'_>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let items = item.items().into_iter().flatten();
        items.map(|item| self.object(item)).collect()
    }

    fn dict(&mut self, item: Item<'_>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(self.py);
        for (key, value) in item.entries().into_iter().flatten() {
            let (key, value) = (self.object(key)?, self.object(value)?);
            dict.set_item(key, value)
                .map_err(|error| self.refuse(error))?;
        }
        Ok(dict.into_any())
    }

    /// An array of its own type and order, which can be written to.
    fn array(&mut self, array: Array<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let (shape, dtype) = (PyTuple::new(py, array.shape())?, array.dtype());
        let empty = |kind: &str| self.numpy.call_method1("empty", (&shape, kind));
        match dtype.kind {
            Kind::Object => {
                let flat = self.numpy.call_method1("empty", (array.len(), "object"))?;
                for (at, item) in (0..array.len()).map_while(|at| Some((at, array.item(at)?))) {
                    flat.set_item(at, self.object(item)?)?;
                }
                flat.call_method1("reshape", (&shape,))
            }
            Kind::Other(_) => Err(self.refuse(format_args!("an array of {dtype}"))),
            _ if array.is_empty() => empty(&dtype.to_string()),
            _ => {
                let bytes = self.payload(array)?;
                let flat = self
                    .numpy
                    .call_method1("frombuffer", (bytes, dtype.to_string()))?;
                let options = PyDict::new(py);
                options.set_item("order", if array.is_fortran() { "F" } else { "C" })?;
                flat.call_method("reshape", (&shape,), Some(&options))
            }
        }
    }

    /// The bytes of an array, copied once, however many arrays share them.
    fn payload(&mut self, array: Array<'_>) -> PyResult<Bound<'py, PyByteArray>> {
        let id = array.payload_id();
        if let Some(known) = id.and_then(|id| self.payloads.get(&id)) {
            return Ok(known.clone());
        }
        let raw = array.raw().map_err(|error| of_format(&error))?;
        let bytes = PyByteArray::new(self.py, raw);
        self.payloads.extend(id.map(|id| (id, bytes.clone())));
        Ok(bytes)
    }

    /// What the file holds cannot be a value of Python.
    fn refuse(&self, found: impl std::fmt::Display) -> PyErr {
        input(format_args!(
            "{}: pickle: {found}: expected dicts, lists and numpy arrays of numbers, text and objects",
            self.pickle.path().display()
        ))
    }
}
