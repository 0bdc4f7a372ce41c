//! Our sides of the contests of `cargo xtask bench --peers`, and what the sides of a contest share (`prepare`).
//!
//! `peers CONTEST` reads the job from standard input and serves one side ([`protocol`]); what the other sides do is in `benches/peers/*.py`,
//! what they are measured for in `xtask/src/peers/contests.rs`. Run by hand or by `cargo bench` it does nothing.

#[path = "../shared/donor_rows.rs"]
mod donor_rows;
#[path = "../shared/tables.rs"]
mod tables;

mod bootstrap;
mod donors;
mod encoder;
mod mel;
mod metrics;
mod mmsa;
mod predict;
mod prosody;
mod protocol;
mod random;
mod sentences;
mod t5;
mod texts;
mod waves;

use protocol::{Failure, Job, Side};

/// As in the binary `unimse`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The side of a contest that the job names.
fn side(contest: &str, job: &Job) -> Result<Side, Failure> {
    match contest {
        "donors" => donors::side(job),
        "t5_step" | "t5_epoch" | "t5_generate" | "t5_generate_by_length" => t5::side(contest, job),
        "minilm_step" => encoder::side("all-MiniLM-L6-v2", job),
        "mpnet_step" => encoder::side("all-mpnet-base-v2", job),
        "sentences" => sentences::side(job),
        "metrics" => metrics::scores(job),
        "emotions" => metrics::emotions(job),
        "bootstrap" => bootstrap::side(job),
        "pickle" => mmsa::load(job),
        "ingest" => mmsa::ingest(job),
        "mel" => mel::side(job),
        "prosody" => prosody::side(job),
        "predict_one" | "predict_rows" => predict::side(contest, job),
        _ => Err(format!("no contest is called {contest}").into()),
    }
}

fn main() -> Result<(), Failure> {
    let Some(contest) = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'))
    else {
        eprintln!("peers: sides of `cargo xtask bench --peers`; nothing to do here");
        return Ok(());
    };
    protocol::serve(|job| side(&contest, job))
}
