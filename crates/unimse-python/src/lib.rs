//! The native half of the Python package `unimse`.
//!
//! Every function here only translates: Python's values to the types of the library crates, their results and errors back. What a
//! function does is documented once, in the stub `python/unimse/_native.pyi`, which type checkers and editors read. The package's other
//! half, `python/unimse`, names things as Python does. One of its modules decides something: `ray`, what of an interrupted run is done already.
//!
//! In one file each: tables by Arrow's PyCapsule interface (`table`), arrays and sequences as arguments (`arguments`), labels (`labels`),
//! those of a stream (`labeller`), the donor search (`donors`), the text form (`grammar`), metrics (`metrics`), pickles (`pickle`), data folders (`corpora`), run folders
//! (`runs`), rows for a model and its answers (`answers`).
//!
//! It links neither LibTorch nor polars: what needs a model is `unimse-python-torch`. Errors as exceptions and long work without the
//! interpreter's lock are `unimse-python-call`.

mod answers;
mod arguments;
mod corpora;
mod donors;
mod grammar;
mod labeller;
mod labels;
mod metrics;
mod pickle;
mod runs;
mod table;

/// `unimse._native`; users import `unimse`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::answers::{answer_table, json_lines};
    #[pymodule_export]
    use crate::corpora::{demo, doctor, ingest};
    #[pymodule_export]
    use crate::donors::Donors;
    #[pymodule_export]
    use crate::grammar::{Grammar, Label};
    #[pymodule_export]
    use crate::labeller::Labeller;
    #[pymodule_export]
    use crate::labels::unify;
    #[pymodule_export]
    use crate::metrics::{bootstrap, emotion, sentiment};
    #[pymodule_export]
    use crate::pickle::read_pickle;
    #[pymodule_export]
    use crate::runs::{results, seeds};
    #[pymodule_export]
    use crate::table::Table;
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
