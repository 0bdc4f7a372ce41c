//! The second extension module of the Python package `unimse`: what needs a model, on the torch that the user has installed.
//!
//! It links `libtorch_cpu.so` and `libc10.so` by name, without a path: the libraries are those that `import torch` has loaded, so there is one
//! LibTorch in the process, with one set of threads and one device. The Python module `unimse.torch` imports torch first, refuses another
//! release than the one that this is built for, and is what users import; tables become rows of JSON there, by `unimse-python`.
//!
//! In one file each: a model that is loaded, used by one thread at a time (`loaded`), answers (`predictor`), embeddings (`encoder`).

mod encoder;
mod loaded;
mod predictor;

/// `unimse_torch`; users import `unimse.torch`.
#[pyo3::pymodule]
mod unimse_torch {
    #[pymodule_export]
    use crate::encoder::Encoder;
    #[pymodule_export]
    use crate::predictor::Predictor;
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
