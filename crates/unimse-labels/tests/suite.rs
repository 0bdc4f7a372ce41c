//! All tests of the crate: one program, for each is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

mod agreement;
mod controls;
mod donors;
mod grammar;
mod labeller;
mod search;
mod unify;
