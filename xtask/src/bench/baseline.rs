//! What `benches/baseline` says: `counts.json`, the same for every machine of an architecture because valgrind shows all programs one processor, and a
//! file of ratios for each class of machines.

use super::Measured;
use super::guard::median;
use crate::provenance;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::Command;
use unimse_run::artefact;

/// What a part costs, over all its repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Instructions.
    pub(crate) instructions: u64,
    /// Blocks that Rust code allocated or resized.
    pub(crate) blocks: u64,
    /// Bytes in them.
    pub(crate) bytes: u64,
}

/// What a kernel costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// Processor time, as a multiple of its reference's.
    pub(crate) ratio: f64,
    /// By which share it may grow.
    pub(crate) tolerance: f64,
}

/// Kernels whose ratio says something about another class of machines too: the donor search computes in f32 by the kernel of its reference, and was
/// found 1.02 times the product alone on a Xeon with AMX and on an EPYC without (docs/labels.md). In bf16 the units of classes differ.
const PORTABLE: [&str; 1] = ["donors"];

/// The least and the most that a ratio may grow: below, noise between processes would be called a change; above, 25 % would not.
const TOLERANCE: (f64, f64) = (0.15, 0.20);

/// What made the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    /// Architecture, maker of the processor and its widest unit for matrix products.
    pub(crate) class: String,
    /// Name of the processor.
    pub(crate) cpu: String,
    /// Compiler.
    pub(crate) rustc: String,
    /// Valgrind's version.
    pub(crate) valgrind: String,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    rustc: String,
    valgrind: String,
    parts: Measured<Count>,
}

#[derive(Serialize, Deserialize)]
struct Ratios {
    cpu: String,
    parts: Measured<Ratio>,
}

/// What the parts are compared with.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    pub(crate) counts: Measured<Count>,
    pub(crate) ratios: Measured<Ratio>,
    /// What could not be compared, and why.
    pub(crate) notes: Vec<String>,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Result<Self> {
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let version = |program: &str| provenance::said(Command::new(program).arg("--version"));
        let cpu = provenance::host()
            .cpu
            .unwrap_or_else(|| "unknown".to_owned());
        Ok(Self {
            class: class(&provenance::cpu_features(), &cpu),
            cpu,
            rustc: version(&rustc).with_context(|| format!("{rustc} --version failed"))?,
            valgrind: version("valgrind").context(
                "valgrind counts the instructions: install it (Debian and Ubuntu: apt install valgrind)",
            )?,
        })
    }
}

/// Architecture, maker, and the widest unit that a processor of this name with these features, the narrowest first, has for matrix products. With the same
/// features LibTorch's kernels take another course on processors of another maker: docs/benchmarks.md.
fn class(features: &[String], cpu: &str) -> String {
    let maker = match cpu {
        _ if cpu.contains("AMD") => "amd",
        _ if cpu.contains("Intel") => "intel",
        _ => "other",
    };
    let widest = match features.last().map(String::as_str) {
        Some("amx_bf16") => "amx",
        Some("avx512_bf16") => "avx512-bf16",
        Some("avx512f") => "avx512",
        Some(other) => other,
        None => "plain",
    };
    format!("{}-{maker}-{widest}", std::env::consts::ARCH)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| path.display().to_string())
            .map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

impl Baseline {
    /// What the folder holds for this machine.
    pub(crate) fn read(folder: &Path, machine: &Machine) -> Result<Self> {
        let mut known = Self::default();
        match read::<Counts>(&folder.join("counts.json"))? {
            Some(counts) if counts.rustc == machine.rustc => {
                if counts.valgrind != machine.valgrind {
                    let (then, now) = (&counts.valgrind, &machine.valgrind);
                    known
                        .notes
                        .push(format!("instructions were counted by {then}, now by {now}"));
                }
                known.counts = counts.parts;
            }
            Some(counts) => known.notes.push(format!(
                "instructions are not compared: counted for {}, this is {}",
                counts.rustc, machine.rustc
            )),
            None => known.notes.push("no baseline of instructions".to_owned()),
        }
        known.read_ratios(folder, machine)?;
        Ok(known)
    }

    fn read_ratios(&mut self, folder: &Path, machine: &Machine) -> Result<()> {
        let class = &machine.class;
        if let Some(ratios) = read::<Ratios>(&folder.join(format!("{class}.json")))? {
            self.ratios = ratios.parts;
            return Ok(());
        }
        let mut others = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") && name != "counts.json" {
                others.push(name);
            }
        }
        others.sort();
        let Some(other) = others.first() else {
            self.notes
                .push(format!("no baseline of ratios for {class}"));
            return Ok(());
        };
        if let Some(ratios) = read::<Ratios>(&folder.join(other))? {
            let portable = ratios.parts.into_iter();
            let portable = portable.filter(|(name, _)| PORTABLE.contains(&name.as_str()));
            let loose = |(name, ratio): (String, Ratio)| {
                let tolerance = TOLERANCE.1;
                (name, Ratio { tolerance, ..ratio })
            };
            self.ratios = portable.map(loose).collect();
        }
        self.notes.push(format!(
            "{class} is a class of machines without a baseline: of the ratios only {} is compared, with {other}; cargo xtask bench --bless makes one",
            PORTABLE.join(" and ")
        ));
        Ok(())
    }

    /// A baseline of what was just counted.
    pub(crate) fn of_counts(counts: &Measured<Count>) -> Self {
        Self {
            counts: counts.clone(),
            ..Self::default()
        }
    }

    /// A baseline of what was just timed, with the least tolerance that a baseline has.
    pub(crate) fn of_ratios(ratios: &Measured<f64>) -> Self {
        let line = |(name, ratio): (&String, &f64)| {
            let (ratio, tolerance) = (*ratio, TOLERANCE.0);
            (name.clone(), Ratio { ratio, tolerance })
        };
        Self {
            ratios: ratios.iter().map(line).collect(),
            ..Self::default()
        }
    }
}

/// The median of the processes, and twice their spread as tolerance, within [`TOLERANCE`].
fn blessed(ratios: Vec<f64>) -> Option<Ratio> {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let ratio = median(ratios)?;
    let tolerance = (2.0 * (most - least) / ratio).clamp(TOLERANCE.0, TOLERANCE.1);
    Some(Ratio { ratio, tolerance })
}

/// Writes what was counted; parts that were not stay as they are.
pub(crate) fn bless_counts(
    folder: &Path,
    machine: &Machine,
    counted: Measured<Count>,
) -> Result<()> {
    let path = folder.join("counts.json");
    let old = read::<Counts>(&path)?.filter(|old| old.rustc == machine.rustc);
    let mut parts = old.map(|old| old.parts).unwrap_or_default();
    parts.extend(counted);
    let (rustc, valgrind) = (machine.rustc.clone(), machine.valgrind.clone());
    write(
        &path,
        &Counts {
            rustc,
            valgrind,
            parts,
        },
    )
}

/// Writes what processes timed; kernels that were not timed stay as they are.
pub(crate) fn bless_ratios(
    folder: &Path,
    machine: &Machine,
    timed: &[Measured<f64>],
) -> Result<()> {
    let path = folder.join(format!("{}.json", machine.class));
    let old = read::<Ratios>(&path)?;
    let mut parts = old.map(|old| old.parts).unwrap_or_default();
    for name in timed.first().into_iter().flat_map(Measured::keys) {
        let ratios = timed
            .iter()
            .filter_map(|process| process.get(name).copied());
        parts.extend(blessed(ratios.collect()).map(|ratio| (name.clone(), ratio)));
    }
    let cpu = machine.cpu.clone();
    write(&path, &Ratios { cpu, parts })
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let folder = path.parent().context("a baseline lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    artefact::write_json(path, value)?;
    eprintln!("bench: {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn machine(class: &str, rustc: &str) -> Machine {
        Machine {
            class: class.to_owned(),
            cpu: "some processor".to_owned(),
            rustc: rustc.to_owned(),
            valgrind: "valgrind-3".to_owned(),
        }
    }

    fn count(instructions: u64) -> Count {
        Count {
            instructions,
            blocks: 2,
            bytes: 3,
        }
    }

    fn one<T>(name: &str, value: T) -> Measured<T> {
        Measured::from([(name.to_owned(), value)])
    }

    #[test]
    fn the_class_is_the_widest_unit() {
        let class = |features: &str| {
            let features: Vec<String> = features.split_whitespace().map(str::to_owned).collect();
            super::class(&features, "Intel(R) Xeon(R) Processor")
        };
        assert!(class("avx2 avx512f avx512_bf16 amx_bf16").ends_with("-intel-amx"));
        assert!(class("avx2 avx512f avx512_bf16").ends_with("-intel-avx512-bf16"));
        assert!(class("avx2 avx512f").ends_with("-avx512"));
        assert!(class("avx2").ends_with("-avx2"));
        assert!(class("").ends_with("-plain"));
        assert!(super::class(&[], "AMD EPYC").ends_with("-amd-plain"));
        assert!(super::class(&[], "unknown").ends_with("-other-plain"));
    }

    #[test]
    fn what_is_blessed_is_read_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let here = machine("c", "rustc 1");
        let timed = [1.0, 1.2, 1.1].map(|ratio| one("k", ratio));
        bless_counts(folder.path(), &here, one("a", count(1))).unwrap();
        bless_counts(folder.path(), &here, one("b", count(2))).unwrap();
        bless_ratios(folder.path(), &here, &timed).unwrap();
        let known = Baseline::read(folder.path(), &here).unwrap();
        assert_eq!(known.counts.len(), 2);
        // twice the spread of 0.2 over 1.1, and never more than the most
        let expected = (2.0 * (1.2 - 1.0) / 1.1_f64).min(TOLERANCE.1);
        assert_eq!(known.ratios["k"].ratio, 1.1);
        assert!((known.ratios["k"].tolerance - expected).abs() < 1e-12);
        assert!(known.notes.is_empty());
    }

    #[test]
    fn another_compiler_or_class_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let timed = ["donors", "t5/step"].map(|name| (name.to_owned(), 2.0));
        let timed = [Measured::from(timed)];
        let there = machine("c", "rustc 1");
        bless_counts(folder.path(), &there, one("a", count(1))).unwrap();
        bless_ratios(folder.path(), &there, &timed).unwrap();
        let known = Baseline::read(folder.path(), &machine("d", "rustc 2")).unwrap();
        assert!(known.counts.is_empty());
        let names: Vec<&String> = known.ratios.keys().collect();
        assert_eq!(names, ["donors"]);
        assert_eq!(known.ratios["donors"].tolerance, TOLERANCE.1);
        assert!(known.notes[0].contains("rustc 1") && known.notes[1].contains("c.json"));
    }
}
