//! The tests of the crate that share a process in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod parity;
#[path = "../../unimse-c10d/tests/processes/mod.rs"]
mod processes;
mod python;
mod tiny;

mod backbones;
mod checkpointing;
mod constrained;
mod fusion;
mod golden_modules;
mod golden_mpnet;
mod golden_roberta;
mod golden_t5;
mod golden_text;
mod hub;
mod labels;
mod levers;
mod sentence;
mod share;
mod t5_precision;
mod task_loss;
mod transformers;
mod unimodel;
mod weights;
