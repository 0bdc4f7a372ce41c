//! All tests of the crate: one program, for each is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csd;
mod npy;
mod pickle;
mod wav;
mod weights;
