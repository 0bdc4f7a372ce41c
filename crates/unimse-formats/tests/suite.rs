//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csd;
mod npy;
mod pickle;
mod wav;
mod weights;
