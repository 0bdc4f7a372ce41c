//! All tests of the crate in one program, for every program is linked alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../unimse-model/tests/golden/mod.rs"]
mod golden;
#[path = "../../unimse-c10d/tests/processes/mod.rs"]
mod processes;
#[path = "../../unimse-model/tests/tiny/mod.rs"]
mod tiny;
mod written;

mod accumulation;
mod compare;
mod evaluation;
mod golden_optimizer;
mod gradient_sums;
mod readout_choice;
mod resume;
mod robustness;
mod unify_stage;
