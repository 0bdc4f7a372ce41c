//! The tests of the crate that share a process in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

mod decode;
mod extract;
mod golden_faces;
mod golden_mel;
mod golden_prosody;
mod golden_voice_activity;
mod onnx;
mod parts;
mod prosody;
mod video;
