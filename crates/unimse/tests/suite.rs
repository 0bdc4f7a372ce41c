//! The tests of the crate in one program, for every program is linked alone; those of pages are in `pages`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../unimse-media/tests/common/mod.rs"]
mod media;
#[path = "../../unimse-c10d/tests/processes/mod.rs"]
mod processes;
#[allow(dead_code, reason = "one function of two")]
#[path = "../../unimse-model/tests/python/mod.rs"]
mod python;
#[allow(dead_code, reason = "the tests of pages use it all")]
#[path = "predict/run.rs"]
mod run;
mod runs;
#[path = "../../unimse-model/tests/tiny/mod.rs"]
mod tiny;
mod waves;
#[path = "../../unimse-train/tests/written/mod.rs"]
mod written;

mod cli;
mod compare;
mod dealt;
mod demo_media;
mod doctor;
mod extract;
mod full_disk;
mod ingest;
mod kill;
mod parts;
mod predict;
mod presets;
mod run_folder;
mod score;
mod score_peers;
mod test_labels;
mod together;
mod voice;
