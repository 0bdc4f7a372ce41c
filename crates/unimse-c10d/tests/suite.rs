//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod processes;

mod collectives;
mod gradients;
mod nccl;
