//! `provenance.json`: where a run's numbers come from. No name of a host or user.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of `provenance.json`.
pub const PROVENANCE_SCHEMA: u32 = 1;

/// Command, code, versions, class of machine, stages and sources. What a file lacks was not recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Provenance {
    /// [`PROVENANCE_SCHEMA`].
    pub schema: u32,
    /// The command line.
    pub command: Vec<String>,
    /// The preset it started from.
    pub preset: String,
    /// The seeds trained with.
    pub seeds: Vec<u64>,
    /// The state of the checkout.
    pub git: Git,
    /// Versions by program.
    pub versions: BTreeMap<String, String>,
    /// What kind of machine it was.
    pub host: Host,
    /// The stages by name.
    pub stages: BTreeMap<String, StageRecord>,
    /// The files of the data that were read, by path below the data folder.
    pub sources: BTreeMap<String, Source>,
}

/// The state of the checkout; null where it is no git checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Git {
    /// The commit.
    pub hash: Option<String>,
    /// Whether files differed from it.
    pub dirty: Option<bool>,
}

/// A class of machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Host {
    /// Operating system.
    pub os: String,
    /// Instruction set.
    pub architecture: String,
    /// Name of the processor, where the system says it.
    pub cpu: Option<String>,
    /// Cores the process may use.
    pub cores: Option<usize>,
    /// Memory.
    pub memory_gib: Option<f64>,
}

/// What a stage was done from, and how long it took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StageRecord {
    /// SHA-256 over `inputs`.
    pub fingerprint: String,
    /// Digests of what the stage depends on, by name: `code`, `config`, `corpus` ...
    pub inputs: BTreeMap<String, String>,
    /// Time taken by the last try that ended well.
    pub seconds: Option<f64>,
    /// Largest resident memory, in bytes, of any process that this try started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

/// A file of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}
