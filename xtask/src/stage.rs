//! One stage of a run: whether it is to be done, and the record of what it was done from.
//!
//! `RUN/.stages/<stage>.json` holds the digests of a stage's inputs. A stage is skipped while they are unchanged and its outputs are there.

use crate::{child, tree};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;
use unimse_run::{Source, artefact};

/// Digests of what a stage depends on, by name: `code`, `config`, `corpus` ...
pub(crate) type Inputs = BTreeMap<String, String>;

/// What `.stages/<stage>.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) stage: String,
    state: State,
    /// SHA-256 over `inputs`.
    pub(crate) fingerprint: String,
    pub(crate) inputs: Inputs,
    /// Time taken by the last try that ended well.
    pub(crate) seconds: Option<f64>,
    /// Largest resident memory, in bytes, of any process that this try started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak_bytes: Option<u64>,
    /// Of ingest alone: the files read, with size and SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sources: BTreeMap<String, Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    Finished,
}

/// How to begin a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Begin {
    Afresh,
    /// From the last checkpoint of a try that did not end.
    Resumed,
}

/// A stage of the run in the folder `run`.
pub(crate) struct Stage<'a> {
    pub(crate) name: &'a str,
    /// How progress lines call it: `train`, `seed 2: train`.
    pub(crate) title: String,
    pub(crate) run: &'a Path,
    pub(crate) inputs: Inputs,
    /// What must be there, relative to the run folder.
    pub(crate) outputs: &'a [&'a str],
    /// The folder whose content an unfinished try leaves for a resumption; none where a stage is quick enough to be done again.
    pub(crate) unfinished: Option<&'a str>,
}

/// What the caller asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    pub(crate) resume: bool,
    pub(crate) force: bool,
}

impl Stage<'_> {
    /// Runs `work` unless its result is there; the record of the last good run.
    pub(crate) fn run(
        &self,
        mode: Mode,
        work: impl FnOnce(Begin) -> Result<BTreeMap<String, Source>>,
    ) -> Result<Record> {
        let old = Record::read(self.run, self.name)?;
        let begin = match self.plan(old.as_ref(), mode)? {
            Plan::Skip(record) => {
                eprintln!("{}: unchanged, skipped", self.title);
                return Ok(record);
            }
            Plan::Do(begin) => begin,
        };
        let mut record = Record {
            stage: self.name.to_owned(),
            state: State::Running,
            fingerprint: fingerprint(&self.inputs)?,
            inputs: self.inputs.clone(),
            seconds: None,
            peak_bytes: None,
            sources: BTreeMap::new(),
        };
        if self.unfinished.is_some() {
            record.write(self.run)?;
        }
        child::take_peak();
        let start = Instant::now();
        record.sources = work(begin)?;
        if let Some(missing) = self
            .outputs
            .iter()
            .find(|output| !self.run.join(output).exists())
        {
            bail!(
                "{} ended well but wrote no {}",
                self.title,
                self.run.join(missing).display()
            );
        }
        let seconds = start.elapsed().as_secs_f64();
        record.state = State::Finished;
        record.peak_bytes = Some(child::take_peak()).filter(|&peak| peak > 0);
        record.seconds = Some((seconds * 1e3).round() / 1e3);
        record.write(self.run)?;
        eprintln!("{}: done in {}", self.title, in_words(seconds));
        Ok(record)
    }

    fn plan(&self, old: Option<&Record>, mode: Mode) -> Result<Plan> {
        let Some(old) = old.filter(|_| !mode.force) else {
            return Ok(Plan::Do(Begin::Afresh));
        };
        let changed: Vec<&str> = self
            .inputs
            .iter()
            .filter(|(name, digest)| old.inputs.get(*name) != Some(digest))
            .map(|(name, _)| name.as_str())
            .collect();
        if old.state == State::Running {
            let left = self
                .unfinished
                .map(|folder| self.run.join(folder))
                .filter(|folder| tree::files(folder).is_ok_and(|files| !files.is_empty()));
            let Some(folder) = left else {
                return Ok(Plan::Do(Begin::Afresh));
            };
            if !mode.resume {
                bail!(
                    "{} is unfinished in {}: continue it with --resume, or begin again with --force",
                    self.title,
                    folder.display()
                );
            }
            if let Some(other) = changed.iter().find(|name| **name != "code") {
                bail!(
                    "{} in {} cannot be resumed, because its {other} changed: begin again with --force",
                    self.title,
                    self.run.display()
                );
            }
            // Whether another build may go on is for `unimse` to say: it knows which of its code decides.
            return Ok(Plan::Do(Begin::Resumed));
        }
        if !changed.is_empty() {
            eprintln!(
                "{}: again, because {} changed",
                self.title,
                changed.join(", ")
            );
            return Ok(Plan::Do(Begin::Afresh));
        }
        let whole = self
            .outputs
            .iter()
            .all(|output| self.run.join(output).exists());
        Ok(if whole {
            Plan::Skip(old.clone())
        } else {
            Plan::Do(Begin::Afresh)
        })
    }
}

enum Plan {
    Skip(Record),
    Do(Begin),
}

impl Record {
    fn path(run: &Path, stage: &str) -> PathBuf {
        run.join(".stages").join(format!("{stage}.json"))
    }

    fn read(run: &Path, stage: &str) -> Result<Option<Self>> {
        let path = Self::path(run, stage);
        match fs::read(&path) {
            // A record that cannot be read is as good as none: the stage is done again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Seconds that a stage of the run took; `None` where it is not finished there.
    pub(crate) fn seconds_in(run: &Path, stage: &str) -> Option<f64> {
        let record = Self::read(run, stage).ok().flatten()?;
        record.seconds.filter(|_| record.state == State::Finished)
    }

    /// Writes the record into `run`.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        Ok(artefact::write_json(&Self::path(run, &self.stage), self)?)
    }
}

fn fingerprint(inputs: &Inputs) -> Result<String> {
    Ok(artefact::sha256_of(&serde_json::to_vec(inputs)?))
}

/// A duration as people say it.
pub(crate) fn in_words(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn attempt(
        run: &Path,
        corpus: &str,
        code: &str,
        mode: Mode,
        succeed: bool,
    ) -> Result<Option<Begin>> {
        let inputs = Inputs::from([
            ("corpus".to_owned(), corpus.to_owned()),
            ("code".to_owned(), code.to_owned()),
        ]);
        let stage = Stage {
            name: "train",
            title: "train".to_owned(),
            run,
            inputs,
            outputs: &["checkpoints", "events.jsonl"],
            unfinished: Some("checkpoints"),
        };
        let mut begun = None;
        let result = stage.run(mode, |begin| {
            begun = Some(begin);
            artefact::write(&run.join("checkpoints/last"), b"weights")?;
            if !succeed {
                bail!("power cut");
            }
            artefact::write(&run.join("events.jsonl"), b"{}")?;
            Ok(BTreeMap::new())
        });
        result.map(|_| begun)
    }

    #[test]
    fn skipped_resumed_or_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let (none, resume, force) = (
            Mode::default(),
            Mode {
                resume: true,
                force: false,
            },
            Mode {
                resume: false,
                force: true,
            },
        );
        let run = |corpus, code, wish, succeed| attempt(dir.path(), corpus, code, wish, succeed);
        assert!(
            run("a", "1", none, false)
                .unwrap_err()
                .to_string()
                .contains("power cut")
        );
        assert!(
            run("a", "1", none, true)
                .unwrap_err()
                .to_string()
                .contains("--resume")
        );
        assert!(
            run("b", "1", resume, true)
                .unwrap_err()
                .to_string()
                .contains("its corpus changed")
        );
        assert_eq!(run("a", "2", resume, true).unwrap(), Some(Begin::Resumed));
        assert_eq!(run("a", "2", none, true).unwrap(), None);
        assert_eq!(run("a", "2", resume, true).unwrap(), None);
        assert_eq!(run("a", "3", none, true).unwrap(), Some(Begin::Afresh));
        assert_eq!(run("a", "3", force, true).unwrap(), Some(Begin::Afresh));
        fs::remove_file(dir.path().join("events.jsonl")).unwrap();
        assert_eq!(run("a", "3", none, true).unwrap(), Some(Begin::Afresh));
        fs::write(dir.path().join(".stages/train.json"), "{").unwrap();
        assert_eq!(run("a", "3", none, true).unwrap(), Some(Begin::Afresh));
    }

    #[test]
    fn a_try_that_left_nothing_needs_no_resumption() {
        let dir = tempfile::tempdir().unwrap();
        assert!(attempt(dir.path(), "a", "1", Mode::default(), false).is_err());
        fs::remove_dir_all(dir.path().join("checkpoints")).unwrap();
        assert_eq!(
            attempt(dir.path(), "a", "1", Mode::default(), true).unwrap(),
            Some(Begin::Afresh)
        );
    }

    #[test]
    fn durations() {
        assert_eq!(
            [
                in_words(1.25),
                in_words(59.6),
                in_words(125.0),
                in_words(5430.0)
            ],
            ["1.2 s", "1 min 00 s", "2 min 05 s", "1 h 30 min"]
        );
    }
}
