//! Tests that share a process: one program, for each is linked alone.
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
