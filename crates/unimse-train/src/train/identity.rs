//! What makes two trainings the same one, part by part. A checkpoint is gone on with only where every part is as it was, so that the
//! resumed training gives the bytes of the uninterrupted one; where one is not, the error says which, and both values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unimse_run::artefact;

use crate::config::RunConfig;
use crate::processes::difference;
use crate::{TrainError, model::session};
use unimse_model::cpu;
use unimse_run::RunFolder;

/// The release of LibTorch that this program is built for; the build refuses any other.
pub const LIBTORCH: &str = "2.11.0";

/// Everything that decides the numbers of a training. Digests are SHA-256 in hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Every key of the merged configuration (`train.epochs`) and its value as TOML.
    pub config: BTreeMap<String, String>,
    /// Seed of weights, order and dropout.
    pub seed: u64,
    /// Threads of LibTorch: they decide the order of sums.
    pub threads: u64,
    /// Processes that train together, which decide it too. Their number may change between two of a training's parts, and threads with it.
    #[serde(default = "one")]
    pub processes: u64,
    /// Digest of each table, by `corpus/mosi-train.parquet` or `labels/mosi.parquet`.
    pub tables: BTreeMap<String, String>,
    /// Digest of each file of the checkpoint that the model is built around: weights, `config.json`, `tokenizer.json`.
    pub backbone: BTreeMap<String, String>,
    /// What the model computes in, `fp32` or `bf16`, as `train.precision` means it on this machine.
    pub precision: String,
    /// `cpu` or `cuda`.
    pub device: String,
    /// Class of the CPU; see [`unimse_model::cpu::kernels`].
    pub kernels: String,
    /// Release of LibTorch.
    pub libtorch: String,
    /// 64-bit digest of the sources of unimse that stand between tables and checkpoint, and of `Cargo.lock`.
    pub code: String,
}

impl Identity {
    /// That of a training of `config` on the tables of `paths` around the checkpoint in `backbone`, here and now.
    ///
    /// # Errors
    /// [`TrainError::Io`] where a table or a file of the checkpoint cannot be read.
    pub fn of(
        config: &RunConfig,
        paths: &RunFolder,
        backbone: &Path,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let mut tables = BTreeMap::new();
        for (name, folder) in [("corpus", &paths.corpus), ("labels", &paths.labels)] {
            let found = digests(&parquet_files(folder)?)?.into_iter();
            tables.extend(found.map(|(file, digest)| (format!("{name}/{file}"), digest)));
        }
        let mut parts = unimse_model::checkpoint::checkpoint_files(backbone)?;
        parts.extend(["config.json", "tokenizer.json"].map(|name| backbone.join(name)));
        let precision = session::precision(config.train.precision, session::device());
        Ok(Self {
            config: keys(config)?,
            seed,
            tables,
            backbone: digests(&parts)?,
            precision: precision.name().to_owned(),
            ..Self::here()
        })
    }

    /// That of no training: what machine, build and `--threads` decide.
    pub(crate) fn here() -> Self {
        let device = session::device();
        Self {
            threads: tch::get_num_threads().unsigned_abs().into(),
            processes: one(),
            device: if device.is_cuda() { "cuda" } else { "cpu" }.to_owned(),
            kernels: cpu::kernels(),
            libtorch: LIBTORCH.to_owned(),
            code: env!("UNIMSE_SOURCES").to_owned(),
            ..Self::default()
        }
    }

    /// What differs between this identity and that of `here`, in words: `train.epochs is 3 there, 5 here`; `None` where nothing does.
    #[must_use]
    pub fn difference(&self, here: &Self) -> Option<String> {
        let other_processes = self.processes != here.processes;
        let (mut there, mut here) = (self.parts(), here.parts());
        if other_processes {
            there.remove("threads");
            here.remove("threads");
        }
        difference(&there, &here)
    }

    /// Every part by the name that a message gives it.
    pub(crate) fn parts(&self) -> BTreeMap<String, String> {
        let mut parts = self.config.clone();
        parts.extend(self.tables.iter().map(|(k, v)| (k.clone(), v.clone())));
        let backbone = self.backbone.iter();
        parts.extend(backbone.map(|(k, v)| (format!("the backbone's {k}"), v.clone())));
        for (name, value) in [
            ("seed", self.seed.to_string()),
            ("threads", self.threads.to_string()),
            ("the precision", self.precision.clone()),
            ("the device", self.device.clone()),
            ("the CPU", self.kernels.clone()),
            ("LibTorch", self.libtorch.clone()),
            ("the code of unimse", self.code.clone()),
        ] {
            parts.insert(name.to_owned(), value);
        }
        parts
    }
}

fn one() -> u64 {
    1
}

fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(TrainError::io(folder, "listing"))? {
        let path = entry.map_err(TrainError::io(folder, "listing"))?.path();
        if path.extension().is_some_and(|kind| kind == "parquet") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Digest of each file by its name.
fn digests(files: &[PathBuf]) -> Result<BTreeMap<String, String>, TrainError> {
    let digest = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok((name.into_owned(), artefact::sha256(path)?))
    };
    files.iter().map(digest).collect()
}

/// Every key of the configuration with its sections before it.
fn keys(config: &RunConfig) -> Result<BTreeMap<String, String>, TrainError> {
    fn flat(table: &toml::Table, prefix: &str, found: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => flat(inner, &format!("{prefix}{key}."), found),
                other => drop(found.insert(format!("{prefix}{key}"), other.to_string())),
            }
        }
    }
    let text = config.to_toml()?;
    let table = text
        .parse()
        .map_err(|e: toml::de::Error| TrainError::Config(e.to_string()))?;
    let mut found = BTreeMap::new();
    flat(&table, "", &mut found);
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn identity(overrides: &[&str]) -> Identity {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        let config = RunConfig::merge(None, None, &overrides).unwrap();
        Identity {
            config: keys(&config).unwrap(),
            seed: 1,
            threads: 2,
            tables: [("labels/mosi.parquet".to_owned(), "ab".repeat(32))].into(),
            backbone: [("model.safetensors".to_owned(), "cd".repeat(32))].into(),
            precision: "fp32".to_owned(),
            kernels: "x86_64 GenuineIntel avx2".to_owned(),
            ..Identity::default()
        }
    }

    #[test]
    fn a_difference_says_what_and_both_values() {
        let check = |change: &dyn Fn(&mut Identity), expect: Option<&str>| {
            let (there, mut here) = (identity(&["train.epochs=3"]), identity(&["train.epochs=3"]));
            change(&mut here);
            assert_eq!(there.difference(&here).as_deref(), expect);
        };
        check(&|_| {}, None);
        check(
            &|i| i.config = identity(&["train.epochs=5"]).config,
            Some("train.epochs is 3 there, 5 here"),
        );
        check(
            &|i| i.config = identity(&["train.epochs=3", "labels.min_similarity=0.5"]).config,
            Some("labels.min_similarity is absent there, 0.5 here"),
        );
        check(
            &|i| i.kernels = "x86_64 AuthenticAMD avx2".to_owned(),
            Some("the CPU is x86_64 GenuineIntel avx2 there, x86_64 AuthenticAMD avx2 here"),
        );
        check(
            &|i| i.precision = "bf16".to_owned(),
            Some("the precision is fp32 there, bf16 here"),
        );
        check(
            &|i| {
                i.backbone
                    .insert("model.safetensors".to_owned(), "ef".repeat(32));
            },
            Some("the backbone's model.safetensors is cdcdcdcdcdcd there, efefefefefef here"),
        );
        check(&|i| i.seed = 2, Some("seed is 1 there, 2 here"));
        check(&|i| i.threads = 1, Some("threads is 2 there, 1 here"));
        check(&|i| (i.threads, i.processes) = (1, 2), None);
        check(
            &|i| {
                i.config = identity(&["train.epochs=5", "train.batch=8"]).config;
                (i.seed, i.threads, i.tables) = (2, 1, BTreeMap::new());
            },
            Some(
                "labels/mosi.parquet is abababababab there, absent here; seed is 1 there, 2 here; threads is 2 there, 1 here; 2 more",
            ),
        );
    }
}
