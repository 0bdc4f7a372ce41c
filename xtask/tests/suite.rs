//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod crate_graph;
mod packages;
mod setup;
mod signals;
mod test_files;
