//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

mod agreement;
mod controls;
mod donors;
mod grammar;
mod labeller;
mod search;
mod unify;
