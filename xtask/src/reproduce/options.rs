//! What `cargo xtask reproduce` takes; `ablate` and `sweep` take it too.

use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use unimse_run::Plan;

use super::Setting;
use crate::checkout::Checkout;

/// Which configuration, data and seeds, and how they are run.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Which configuration to start from: demo, demo-media, minilm or paper, as `unimse config --help` has them.
    #[arg(long, default_value = "demo", value_name = "NAME")]
    pub(crate) preset: String,
    /// Folder with mosi/, mosei/, meld/, iemocap/, any of them. Default: the demo presets make synthetic data.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Where everything goes. Default: `runs/<preset>` in the checkout; of `ablate` and `sweep` with `-ablation` and `-sweep` behind it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Seeds to train with.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1",
        value_name = "N,N,..."
    )]
    pub(crate) seeds: Vec<u64>,
    /// Continue an unfinished training.
    #[arg(long)]
    pub(super) resume: bool,
    /// Do every stage again, with another configuration if need be.
    #[arg(long, conflicts_with = "resume")]
    pub(super) force: bool,
    /// Threads of every stage, and of each process of it. Default: all cores, shared by the processes.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Processes that unify, train and evaluate together; at most 64.
    #[arg(long, value_name = "N", default_value = "1", value_parser = processes)]
    pub(super) processes: NonZeroUsize,
    /// Configuration values over those of the preset, such as train.epochs=3.
    #[arg(value_name = "a.b=c", value_parser = assignment)]
    pub(crate) values: Vec<String>,
}

fn assignment(text: &str) -> Result<String, String> {
    if text.split_once('=').is_some_and(|(key, _)| !key.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("expected key=value, such as train.epochs=3".to_owned())
    }
}

/// More on one machine only wait for each other.
fn processes(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= 64);
    number.ok_or_else(|| "expected a number from 1 to 64".to_owned())
}

impl Options {
    /// The demo into `out`, as `cargo xtask ci` runs it.
    pub(crate) fn demo(out: PathBuf) -> Self {
        Self {
            preset: "demo".to_owned(),
            data: None,
            out: Some(out),
            seeds: vec![1],
            resume: false,
            force: false,
            threads: None,
            processes: NonZeroUsize::MIN,
            values: Vec::new(),
        }
    }

    /// What is trained.
    pub(crate) fn setting(&self) -> Setting {
        Setting {
            preset: self.preset.clone(),
            values: self.values.clone(),
            seeds: self.seeds.clone(),
        }
    }

    /// What can be said of the command line before anything is built: that takes minutes on a fresh machine.
    pub(super) fn check_early(&self, checkout: &Checkout) -> Result<(), Usage> {
        let presets = checkout.root.join("data/presets");
        let mut known: Vec<String> = std::fs::read_dir(&presets)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|file| Some(file.strip_suffix(".toml")?.to_owned()))
            .collect();
        known.sort();
        // Without that folder the binary, which has the presets in it, says so later.
        if known.is_empty() || known.contains(&self.preset) {
            return self.check_seeds();
        }
        Err(self.unknown_preset(known.iter().map(String::as_str)))
    }

    fn check_seeds(&self) -> Result<(), Usage> {
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() != self.seeds.len() {
            return Err(Usage(format!(
                "--seeds {:?} names a seed twice",
                self.seeds
            )));
        }
        Ok(())
    }

    fn unknown_preset<'a>(&self, known: impl Iterator<Item = &'a str>) -> Usage {
        let known = known.collect::<Vec<_>>().join(", ");
        Usage(format!("--preset {}: expected one of {known}", self.preset))
    }

    /// What clap cannot say, and what `plan` says of the preset.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), Usage> {
        self.check_seeds()?;
        let Some(preset) = plan.presets.get(&self.preset) else {
            return Err(self.unknown_preset(plan.presets.iter().map(|(name, _)| name)));
        };
        if self.data.is_none() && preset.needs_data {
            return Err(Usage(format!(
                "--preset {} needs --data DIR, a folder with mosi/, mosei/, meld/ or iemocap/",
                self.preset
            )));
        }
        Ok(())
    }
}

/// A command line that cannot be meant: the exit code is 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

#[cfg(test)]
mod tests {
    use super::processes;

    #[test]
    fn processes_are_few() {
        for good in ["1", "64"] {
            assert_eq!(processes(good).map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["0", "65", "-1", "two", "18446744073709551616"] {
            assert!(processes(bad).is_err(), "{bad}");
        }
    }
}
