//! What several processes do together: one program, for each is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod processes;

mod collectives;
mod gradients;
mod nccl;
