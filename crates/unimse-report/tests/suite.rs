//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chromium;
mod compared;
mod fixture;
#[path = "../../unimse-run/tests/python/mod.rs"]
mod python;

mod comparisons;
mod model_card;
mod page;
mod reports;
mod representations;
mod tables;
