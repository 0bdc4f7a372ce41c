//! The bench `guard`, which does the work that is measured: built, asked what it has, run under callgrind or by itself.

use super::Measured;
use super::baseline::Count;
use crate::checkout::Checkout;
use crate::{built, child};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds of kernel and reference in one process; the ratio of a process is their median.
const ROUNDS: &str = "7";

/// The built bench.
pub(crate) struct Guard {
    program: PathBuf,
}

/// A part that is to do this many percent more work than it says.
#[derive(Clone, Copy)]
pub(crate) struct Slower<'a>(pub(crate) (&'a str, usize));

/// Names of what can be measured.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) counts: Vec<String>,
    pub(crate) ratios: Vec<String>,
}

impl Parts {
    /// Those that are named, or all where none is; or what is wrong with the names.
    pub(crate) fn only(mut self, names: &[String]) -> Result<Self, String> {
        let all = || self.counts.iter().chain(&self.ratios);
        if let Some(other) = names.iter().find(|name| !all().any(|part| part == *name)) {
            let known: Vec<&str> = all().map(String::as_str).collect();
            return Err(format!(
                "--only {other}: expected a part of {}",
                known.join(", ")
            ));
        }
        if !names.is_empty() {
            self.counts.retain(|part| names.contains(part));
            self.ratios.retain(|part| names.contains(part));
        }
        Ok(self)
    }
}

/// What the bench says of a part whose allocations it counted.
#[derive(Deserialize)]
struct Allocated {
    name: String,
    blocks: u64,
    bytes: u64,
}

/// What it says of a kernel.
#[derive(Deserialize)]
struct Timed {
    name: String,
    ratios: Vec<f64>,
}

impl Guard {
    /// Builds it with the features that every other build of the workspace has.
    pub(crate) fn build(checkout: &Checkout) -> Result<Self> {
        Ok(Self {
            program: built::bench(checkout, "guard", &[])?,
        })
    }

    /// All that it can measure.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let said = child::output("the bench guard", self.command(None, None).arg("list"))?;
        let mut parts = Parts::default();
        for line in String::from_utf8_lossy(&said).lines() {
            match line.split_once(' ') {
                Some(("count", name)) => parts.counts.push(name.to_owned()),
                Some(("ratio", name)) => parts.ratios.push(name.to_owned()),
                _ => bail!("the bench guard: expected a part, found {line:?}"),
            }
        }
        Ok(parts)
    }

    /// Instructions and allocations of parts, each in a process of its own.
    pub(crate) fn count(
        &self,
        names: &[String],
        slower: Option<Slower<'_>>,
    ) -> Result<Measured<Count>> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let file = folder.path().join("callgrind.out");
        let mut found = Measured::new();
        for (at, name) in names.iter().enumerate() {
            eprintln!("bench: instructions, {} of {}: {name}", at + 1, names.len());
            let mut command = self.command(slower, Some(&file));
            let said = child::output("valgrind", command.args(["count", name]))?;
            let allocated: Allocated = serde_json::from_slice(&said)
                .with_context(|| format!("the bench guard, {name}: expected a line of JSON"))?;
            let profile = std::fs::read_to_string(&file).context("valgrind left no profile")?;
            let count = Count {
                instructions: instructions(&profile)
                    .with_context(|| format!("valgrind, {name}: expected a sum in its profile"))?,
                blocks: allocated.blocks,
                bytes: allocated.bytes,
            };
            found.insert(allocated.name, count);
        }
        Ok(found)
    }

    /// Processor time of kernels, as a multiple of their references.
    pub(crate) fn ratios(
        &self,
        names: &[String],
        slower: Option<Slower<'_>>,
    ) -> Result<Measured<f64>> {
        if names.is_empty() {
            return Ok(Measured::new());
        }
        eprintln!("bench: ratios of {}", names.join(", "));
        let mut command = self.command(slower, None);
        let said = child::output(
            "the bench guard",
            command.args(["ratio", ROUNDS]).args(names),
        )?;
        let mut found = Measured::new();
        for line in String::from_utf8_lossy(&said).lines() {
            let timed: Timed = serde_json::from_str(line)
                .with_context(|| format!("the bench guard: expected JSON, found {line:?}"))?;
            let ratio = median(timed.ratios)
                .with_context(|| format!("the bench guard, {}: no round", timed.name))?;
            found.insert(timed.name, ratio);
        }
        Ok(found)
    }

    /// The bench, under callgrind where a file for its profile is named.
    fn command(&self, slower: Option<Slower<'_>>, profile: Option<&Path>) -> Command {
        let mut command = match profile {
            Some(file) => {
                let mut valgrind = Command::new("valgrind");
                // only what the function `counted` of the bench does, all it calls included
                valgrind.args([
                    "--quiet",
                    "--tool=callgrind",
                    "--toggle-collect=*guard*counted*",
                ]);
                valgrind.arg(format!("--callgrind-out-file={}", file.display()));
                valgrind.arg(&self.program);
                valgrind
            }
            None => Command::new(&self.program),
        };
        for pool in ["OMP_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS"] {
            command.env(pool, "1");
        }
        match slower {
            Some(Slower((part, percent))) => {
                command.env("UNIMSE_GUARD_SLOWER", format!("{part}={percent}"))
            }
            None => command.env_remove("UNIMSE_GUARD_SLOWER"),
        };
        command
    }
}

/// The sum in a profile of callgrind.
fn instructions(profile: &str) -> Option<u64> {
    let line = profile.lines().find_map(|l| l.strip_prefix("summary:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The middle value; of an even number the upper of the two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn the_profile_is_read() {
        let profile = "version: 1\nevents: Ir\nsummary: 1234\n\nfn=(1) main\n1 2\n";
        assert_eq!(instructions(profile), Some(1234));
        assert_eq!(instructions("events: Ir\n"), None);
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        assert_eq!(median(vec![1.0, 90.0, 1.5]), Some(1.5));
        assert_eq!(median(vec![2.0, 1.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn some_parts_or_a_name_that_is_none() {
        let parts = || Parts {
            counts: vec!["a".to_owned(), "b".to_owned()],
            ratios: vec!["c".to_owned()],
        };
        let some = parts().only(&["b".to_owned()]).unwrap();
        assert_eq!((some.counts, some.ratios.len()), (vec!["b".to_owned()], 0));
        assert_eq!(parts().only(&[]).unwrap().counts.len(), 2);
        assert_eq!(
            parts().only(&["d".to_owned()]).unwrap_err(),
            "--only d: expected a part of a, b, c"
        );
    }
}
