//! Where a run's numbers come from: gathers `provenance.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use unimse_run::{Git, Host, PROVENANCE_SCHEMA, Provenance, Source, StageRecord, artefact};

use crate::checkout::Checkout;
use crate::stage::Record;
use crate::tree;

/// Gathers all of it; `unimse` is the built binary.
pub(crate) fn gather(
    checkout: &Checkout,
    unimse: &Path,
    preset: &str,
    seeds: &[u64],
    records: &[Record],
) -> Provenance {
    let command = ["cargo", "xtask"].map(str::to_owned).into_iter();
    let version = |program: &str| said(Command::new(program).arg("--version"));
    let versions = [
        ("unimse", version(&unimse.to_string_lossy())),
        ("rustc", version("rustc")),
    ];
    let stages = records.iter().map(|record| {
        let short = StageRecord {
            fingerprint: record.fingerprint.clone(),
            inputs: record.inputs.clone(),
            seconds: record.seconds,
            peak_bytes: record.peak_bytes,
        };
        (record.stage.clone(), short)
    });
    let sources = records.iter().flat_map(|record| record.sources.clone());
    Provenance {
        schema: PROVENANCE_SCHEMA,
        command: command.chain(std::env::args().skip(1)).collect(),
        preset: preset.to_owned(),
        seeds: seeds.to_vec(),
        git: git(&checkout.root),
        versions: versions
            .into_iter()
            .filter_map(|(name, version)| Some((name.to_owned(), version?)))
            .collect(),
        host: host(),
        stages: stages.collect(),
        sources: sources.collect(),
    }
}

/// The state of the checkout.
pub(crate) fn git(root: &Path) -> Git {
    let git = |arguments: &[&str]| said(Command::new("git").arg("-C").arg(root).args(arguments));
    Git {
        hash: git(&["rev-parse", "HEAD"]),
        dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
    }
}

/// The class of machine.
pub(crate) fn host() -> Host {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kib: Option<f64> = field("/proc/meminfo", "MemTotal")
        .and_then(|value| value.split_whitespace().next()?.parse().ok());
    Host {
        os: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        cpu: field("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().ok().map(usize::from),
        memory_gib: kib.map(|kib| (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0),
    }
}

/// Those of the processor's instruction sets that decide which kernels of LibTorch, GEMM and faiss run, the narrowest first.
pub(crate) fn cpu_features() -> Vec<String> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags"));
    let has = |name: &&str| flags.is_some_and(|flags| flags.split_whitespace().any(|f| f == *name));
    let known = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];
    let own = known.iter().filter(|name| has(name));
    own.map(|name| (*name).to_owned()).collect()
}

/// Every regular file of these entries of the data folder, with its digest.
pub(crate) fn sources(data: &Path, entries: &[String]) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    for name in entries {
        let path = data.join(name);
        if path.is_file() {
            let source = Source {
                bytes: fs::metadata(&path)?.len(),
                sha256: artefact::sha256(&path)?,
            };
            sources.insert(name.clone(), source);
            continue;
        }
        for (file, bytes) in tree::files(&path)? {
            let sha256 = artefact::sha256(&path.join(&file))?;
            sources.insert(format!("{name}/{file}"), Source { bytes, sha256 });
        }
    }
    Ok(sources)
}

/// Standard output of a command that succeeds.
pub(crate) fn said(command: &mut Command) -> Option<String> {
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
