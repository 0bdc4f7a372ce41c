//! What a call from Python into Rust goes through, shared by the extension modules `unimse-python` and `unimse-python-torch`.
//!
//! [`errors`] makes the errors of the library crates Python's exceptions, with the same text; [`work`] runs long work without the
//! interpreter's lock, on threads that outlive no fork, ended by Ctrl-C.

pub mod errors;
pub mod work;
