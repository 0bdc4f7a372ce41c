//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../unimse-run/tests/python/mod.rs"]
mod python;

mod cards;
mod clip_length;
mod clips;
mod context;
mod croissant;
mod demo;
mod demo_faults;
mod extracted;
mod folders;
#[cfg(feature = "frame")]
mod frame;
mod hints;
#[cfg(feature = "frame")]
mod join;
mod layouts;
mod own_tables;
mod own_taxonomy;
mod pyarrow;
mod real;
mod values;
