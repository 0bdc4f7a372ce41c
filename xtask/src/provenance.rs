//! `provenance.json`: where a run's numbers come from: command, code, versions, class of machine, stages and sources. No name of a host or user.

use crate::checkout::Checkout;
use crate::stage::{Record, Source};
use crate::tree;
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The data sets' folders, and the mark of synthetic data.
const DATA: [&str; 5] = ["mosi", "mosei", "meld", "iemocap", "SYNTHETIC"];
/// What makes any other folder of a data folder a corpus.
const OWN: [&str; 3] = ["utterances.csv", "utterances.jsonl", "utterances.parquet"];

/// The whole of `provenance.json`.
#[derive(Serialize)]
pub(crate) struct Provenance<'a> {
    pub(crate) schema: u32,
    pub(crate) command: Vec<String>,
    pub(crate) preset: &'a str,
    pub(crate) seeds: &'a [u64],
    pub(crate) git: Git,
    pub(crate) versions: BTreeMap<&'a str, String>,
    pub(crate) host: Host,
    pub(crate) stages: BTreeMap<&'a str, StageEntry<'a>>,
    pub(crate) sources: BTreeMap<&'a str, &'a Source>,
}

/// The state of the checkout; null where it is no git checkout.
#[derive(Serialize)]
pub(crate) struct Git {
    hash: Option<String>,
    dirty: Option<bool>,
}

/// What kind of machine it was.
#[derive(Serialize)]
pub(crate) struct Host {
    os: &'static str,
    architecture: &'static str,
    cpu: Option<String>,
    cores: Option<usize>,
    memory_gib: Option<f64>,
}

/// A stage's record in short.
#[derive(Serialize)]
pub(crate) struct StageEntry<'a> {
    fingerprint: &'a str,
    inputs: &'a BTreeMap<String, String>,
    seconds: Option<f64>,
}

impl<'a> Provenance<'a> {
    /// Gathers all of it; `unimse` is the built binary.
    pub(crate) fn gather(
        checkout: &Checkout,
        unimse: &Path,
        preset: &'a str,
        seeds: &'a [u64],
        records: &'a [Record],
    ) -> Self {
        let stage = |record: &'a Record| {
            (
                record.stage.as_str(),
                StageEntry {
                    fingerprint: &record.fingerprint,
                    inputs: &record.inputs,
                    seconds: record.seconds,
                },
            )
        };
        let version = |program: &str| said(Command::new(program).arg("--version"));
        let versions = [
            ("unimse", version(&unimse.to_string_lossy())),
            ("rustc", version("rustc")),
        ];
        Self {
            schema: 1,
            command: ["cargo", "xtask"]
                .map(str::to_owned)
                .into_iter()
                .chain(std::env::args().skip(1))
                .collect(),
            preset,
            seeds,
            git: Git::of(&checkout.root),
            versions: versions
                .into_iter()
                .filter_map(|(name, version)| Some((name, version?)))
                .collect(),
            host: Host::this(),
            stages: records.iter().map(stage).collect(),
            sources: records
                .iter()
                .flat_map(|record| &record.sources)
                .map(|(path, source)| (path.as_str(), source))
                .collect(),
        }
    }

    /// Writes it into the run folder.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        tree::write_atomically(
            &run.join("provenance.json"),
            &serde_json::to_vec_pretty(self)?,
        )
    }
}

impl Git {
    fn of(root: &Path) -> Self {
        let git =
            |arguments: &[&str]| said(Command::new("git").arg("-C").arg(root).args(arguments));
        Self {
            hash: git(&["rev-parse", "HEAD"]),
            dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
        }
    }
}

impl Host {
    fn this() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib: Option<f64> = field("/proc/meminfo", "MemTotal")
            .and_then(|value| value.split_whitespace().next()?.parse().ok());
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().ok().map(usize::from),
            memory_gib: kib.map(|kib| (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0),
        }
    }
}

/// Every regular file of the corpora in the data folder.
pub(crate) fn sources(data: &Path) -> Result<BTreeMap<String, Source>> {
    if !data.is_dir() {
        bail!("--data {} is not a folder", data.display());
    }
    let mut names: BTreeSet<String> = DATA.map(str::to_owned).into();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && OWN.iter().any(|table| entry.path().join(table).is_file())
        {
            names.insert(name);
        }
    }
    let mut sources = BTreeMap::new();
    for name in names {
        let path = data.join(&name);
        if path.is_file() {
            sources.insert(
                name,
                Source {
                    bytes: fs::metadata(&path)?.len(),
                    sha256: tree::sha256_file(&path)?,
                },
            );
        } else if path.is_dir() {
            for (file, bytes) in tree::files(&path)? {
                let sha256 = tree::sha256_file(&path.join(&file))?;
                sources.insert(format!("{name}/{file}"), Source { bytes, sha256 });
            }
        }
    }
    Ok(sources)
}

/// Standard output of a command that succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_of_ones_own_is_a_source_and_another_folder_is_not() -> Result<()> {
        let data = tempfile::tempdir()?;
        for file in [
            "meld/a.csv",
            "chats/utterances.csv",
            "chats/taxonomy.toml",
            "notes/read.me",
            ".old/utterances.csv",
        ] {
            let path = data.path().join(file);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, file)?;
        }
        let found = sources(data.path())?;
        let found: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            found,
            ["chats/taxonomy.toml", "chats/utterances.csv", "meld/a.csv"]
        );
        Ok(())
    }
}
