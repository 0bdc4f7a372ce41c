//! One module a subcommand: arguments in, library call, exit code out.

pub(crate) mod columns;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod extract;
pub(crate) mod fetch;
pub(crate) mod ingest;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod rows;
pub(crate) mod score;
pub(crate) mod serve;
pub(crate) mod threads;
pub(crate) mod train;
pub(crate) mod unify;
pub(crate) mod version;

use std::io::Write;

/// Prints to standard output; a closed pipe ends the program quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
