//! What all runs of one call share: the checkout, the built binary and what it says of itself, OUT and the data folder.

use super::place::{self, Scratch};
use super::{Options, Reproduction, Tables, processes};
use crate::checkout::Checkout;
use crate::child;
use crate::lock::Lock;
use crate::stage::Mode;
use anyhow::{Context, Result, bail};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use unimse_run::Plan;

/// What the binary says of its presets, of the versions of its stages, and of the data folder.
pub(super) fn ask(unimse: &Path, data: Option<&Path>) -> Result<Plan> {
    let mut command = Command::new(unimse);
    command.arg("plan");
    if let Some(data) = data {
        if !data.is_dir() {
            bail!("--data {} is not a folder", data.display());
        }
        command.arg("--data").arg(data);
    }
    let said = child::output("unimse plan", &mut command)?;
    serde_json::from_slice(&said).context("unimse plan: expected JSON of presets, code and data")
}

/// What all runs of one call share. OUT is locked while it lives.
pub(crate) struct Site<'a> {
    pub(crate) checkout: &'a Checkout,
    pub(super) unimse: &'a Path,
    pub(super) mode: Mode,
    threads: Option<NonZeroUsize>,
    processes: NonZeroUsize,
    /// What the binary says of its stages and of the data folder.
    pub(super) plan: Plan,
    pub(crate) out: PathBuf,
    pub(crate) data: Option<PathBuf>,
    _lock: Lock,
}

impl<'a> Site<'a> {
    /// Checks the options against what the binary says, and locks OUT: `runs/<preset><suffix>` where none is named.
    pub(crate) fn open(
        checkout: &'a Checkout,
        unimse: &'a Path,
        options: &Options,
        suffix: &str,
    ) -> Result<Self> {
        let default = || {
            checkout
                .root
                .join("runs")
                .join(options.preset.clone() + suffix)
        };
        let out = options.out.clone().unwrap_or_else(default);
        let out =
            std::path::absolute(&out).with_context(|| format!("bad --out {}", out.display()))?;
        let data = options.data.as_ref().map(std::path::absolute);
        let data = data.transpose().context("bad --data")?;
        let out = out.canonicalize().unwrap_or(out); // where it is a link: the folder meant
        let plan = ask(unimse, data.as_deref())?;
        options.check(&plan)?;
        Ok(Self {
            checkout,
            unimse,
            mode: Mode {
                resume: options.resume,
                force: options.force,
            },
            threads: options.threads,
            processes: options.processes,
            plan,
            _lock: place::lock(&out)?,
            out,
            data,
        })
    }

    /// A run in `out`; `title` stands before its progress lines.
    pub(crate) fn reproduction<'s>(
        &'s self,
        out: PathBuf,
        setting: Setting,
        title: String,
        tables: Tables<'s>,
    ) -> Result<Reproduction<'s>> {
        Ok(Reproduction {
            site: self,
            setting,
            title,
            tables,
            scratch: Scratch::for_run(&out)?,
            out,
        })
    }

    /// A call of the binary in the checkout's root, so that relative paths in a configuration mean the same wherever the user stands.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.unimse);
        command.current_dir(&self.checkout.root).arg(subcommand);
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command
    }

    /// Calls the binary.
    pub(super) fn unimse(
        &self,
        subcommand: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<()> {
        child::check_interrupted(subcommand)?;
        let mut command = self.command(subcommand);
        arguments(&mut command);
        child::run(&format!("unimse {subcommand}"), &mut command)
    }

    /// Calls the binary once for each process, for a stage that several do together.
    pub(super) fn together(
        &self,
        subcommand: &str,
        arguments: impl Fn(&mut Command) -> &mut Command,
    ) -> Result<()> {
        child::check_interrupted(subcommand)?;
        processes::run(&format!("unimse {subcommand}"), self.processes, || {
            let mut command = self.command(subcommand);
            arguments(&mut command);
            command
        })
    }

    /// The merged configuration of a preset with values over it; `unimse` checks every key.
    pub(crate) fn config(&self, preset: &str, values: &[String]) -> Result<String> {
        child::check_interrupted("config")?;
        let mut command = self.command("config");
        command.args(["--preset", preset]).args(values);
        let said = child::output("unimse config", &mut command)?;
        String::from_utf8(said).context("unimse config: expected text")
    }

    /// Version of a stage's code.
    pub(super) fn code(&self, stage: &str) -> String {
        self.plan.code.get(stage).cloned().unwrap_or_default()
    }
}

/// What is trained.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) preset: String,
    /// Configuration values over those of the preset, a later one over an earlier one.
    pub(crate) values: Vec<String>,
    pub(crate) seeds: Vec<u64>,
}
