//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod python;

mod metadata;
mod readme;
mod schema;
mod tensorboard;
