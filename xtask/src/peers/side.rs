//! A side of a contest as a process that works when it is told to; `benches/peers/protocol.py` has the other half.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::child;

/// What a side is told first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Job {
    pub(crate) side: String,
    pub(crate) threads: usize,
    pub(crate) quick: bool,
    /// What the sides of the contest share.
    pub(crate) folder: PathBuf,
    /// Folders of models by name.
    pub(crate) models: BTreeMap<String, PathBuf>,
    /// The built binary.
    pub(crate) unimse: PathBuf,
}

/// What a side answers when it is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    /// Numbers that the other sides must come to as well.
    pub(crate) check: Vec<f64>,
    /// Its packages.
    pub(crate) versions: BTreeMap<String, String>,
    /// Whether its work is done by processes that it starts.
    pub(crate) spawns: bool,
}

#[derive(Deserialize)]
struct Round {
    seconds: f64,
}

/// A side that is ready. It ends when it is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What it says besides.
    log: PathBuf,
}

impl Running {
    /// Starts `command`, tells it the job, and waits until it is ready.
    pub(crate) fn start(mut command: Command, job: &Job) -> Result<(Self, Ready)> {
        let name = job.side.clone();
        let log = job.folder.join(format!("{name}.log"));
        let stderr =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        for variable in ["OMP", "MKL", "OPENBLAS", "NUMBA", "RAYON"] {
            command.env(format!("{variable}_NUM_THREADS"), job.threads.to_string());
        }
        command
            .env("HF_HUB_OFFLINE", "1") // models come from folders
            .env_remove("LD_LIBRARY_PATH") // cargo's names folders of ours
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        child::die_with_parent(&mut command);
        let mut child = command.spawn().with_context(|| {
            format!(
                "{name}: cannot start {}",
                command.get_program().to_string_lossy()
            )
        })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name}: started without pipes");
        };
        let mut running = Self {
            name,
            child,
            stdin,
            stdout: BufReader::new(stdout),
            log,
        };
        let ready = running.ask(&serde_json::to_string(job)?)?;
        Ok((running, ready))
    }

    /// The seconds of one round.
    pub(crate) fn round(&mut self) -> Result<f64> {
        let round: Round = self.ask("round")?;
        if !(round.seconds.is_finite() && round.seconds > 0.0) {
            bail!(
                "{}: expected seconds above 0, found {}",
                self.name,
                round.seconds
            );
        }
        Ok(round.seconds)
    }

    /// Largest resident memory until now, where the system tells.
    pub(crate) fn peak_mib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib / 1024)
    }

    /// Says a line and reads the answer.
    fn ask<T: DeserializeOwned>(&mut self, line: &str) -> Result<T> {
        let said = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
        let mut answer = String::new();
        let heard = self.stdout.read_line(&mut answer);
        child::check_interrupted("the contest")?;
        if said.is_err() || !matches!(heard, Ok(n) if n > 0) {
            bail!("{}: {}", self.name, last_line(&self.log));
        }
        serde_json::from_str(&answer)
            .with_context(|| format!("{}: answered `{}`", self.name, answer.trim()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing that it could still do is wanted; it holds no file that others read.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The last thing that a side said before it ended.
fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    last.unwrap_or("ended without a word").to_owned()
}
