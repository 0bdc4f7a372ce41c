//! Tests of set-up, packages and the crate graph: one program, for each is linked alone.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod crate_graph;
mod packages;
mod setup;
mod signals;
