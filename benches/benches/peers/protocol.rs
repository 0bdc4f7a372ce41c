//! A side of a contest as a process: it works when it is told to and tells its seconds. `benches/peers/protocol.py` says the same in Python.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub(crate) type Failure = Box<dyn Error>;

/// What every side is told first, one line of JSON.
#[derive(Deserialize)]
pub(crate) struct Job {
    /// Which of the contest's sides.
    pub(crate) side: String,
    pub(crate) threads: usize,
    /// Whether the work is small: to see that it works, not how fast.
    pub(crate) quick: bool,
    /// What the sides of the contest share.
    pub(crate) folder: PathBuf,
    /// Folders of models by name.
    models: BTreeMap<String, PathBuf>,
    /// The built binary.
    pub(crate) unimse: PathBuf,
}

impl Job {
    /// The folder of a model that the contest needs.
    pub(crate) fn model(&self, name: &str) -> Result<&Path, Failure> {
        let folder = self.models.get(name).map(PathBuf::as_path);
        folder.ok_or_else(|| format!("the job names no model {name}").into())
    }

    /// The full size, or the one of a quick run.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// An error for a side that the contest does not have.
    pub(crate) fn no_side<T>(&self) -> Result<T, Failure> {
        Err(format!("no side is called {}", self.side).into())
    }
}

/// What is timed.
pub(crate) type Work = Box<dyn FnMut() -> Result<(), Failure>>;

/// A side that is ready.
pub(crate) struct Side {
    /// Numbers that the other sides must come to as well.
    pub(crate) check: Vec<f64>,
    /// A round.
    pub(crate) work: Work,
    /// What its seconds are multiplied by: above 1 where it does a part of the work only.
    pub(crate) scale: f64,
    /// Whether the work is done by processes that it starts.
    pub(crate) spawns: bool,
}

impl Side {
    pub(crate) fn new(
        check: Vec<f64>,
        work: impl FnMut() -> Result<(), Failure> + 'static,
    ) -> Self {
        Self {
            check,
            work: Box::new(work),
            scale: 1.0,
            spawns: false,
        }
    }

    /// The side that only prepares what the others share.
    pub(crate) fn prepared() -> Self {
        Self::new(Vec::new(), || Ok(()))
    }
}

#[derive(Serialize)]
struct Ready {
    check: Vec<f64>,
    versions: BTreeMap<&'static str, String>,
    spawns: bool,
}

#[derive(Serialize)]
struct Round {
    seconds: f64,
}

fn reply(message: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Reads the job, makes the side ready, and does a round for every further line of standard input.
pub(crate) fn serve(side: impl FnOnce(&Job) -> Result<Side, Failure>) -> Result<(), Failure> {
    let mut lines = std::io::stdin().lock().lines();
    let job: Job = serde_json::from_str(&lines.next().ok_or("no job on standard input")??)?;
    tch::set_num_threads(i32::try_from(job.threads)?);
    rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build_global()?;
    let mut side = side(&job)?;
    reply(&Ready {
        check: std::mem::take(&mut side.check),
        versions: [("unimse", env!("CARGO_PKG_VERSION").to_owned())].into(),
        spawns: side.spawns,
    })?;
    for line in lines {
        line?;
        let start = Instant::now();
        (side.work)()?;
        let seconds = start.elapsed().as_secs_f64() * side.scale;
        reply(&Round { seconds })?;
    }
    Ok(())
}
