//! Pages in a headless Chromium, and what serves them: apart from `suite`, so that no training runs beside what is measured on a screen.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the tests of fixtures use it all")]
#[path = "../../unimse-report/tests/chromium/mod.rs"]
mod chromium;
#[path = "../../unimse-media/tests/common/mod.rs"]
mod media;
#[allow(dead_code, reason = "the tests of predict use it all")]
#[path = "predict/run.rs"]
mod run;
mod runs;
#[path = "../../unimse-model/tests/tiny/mod.rs"]
mod tiny;
mod waves;

mod clip;
mod report;
mod serve;
