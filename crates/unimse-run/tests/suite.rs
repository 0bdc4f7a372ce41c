//! All tests of the crate: one program, for each is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod python;

mod metadata;
mod readme;
mod schema;
mod tensorboard;
