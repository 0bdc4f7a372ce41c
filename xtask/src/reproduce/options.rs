//! What `cargo xtask reproduce` takes.

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `cargo xtask reproduce`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Which configuration to start from.
    #[arg(long, value_enum, default_value_t = Preset::Demo)]
    pub(super) preset: Preset,
    /// Folder with mosi/, mosei/, meld/, iemocap/, any of them. Default: the demo preset makes synthetic data.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The run folder. Default: `runs/<preset>` in the checkout.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Seeds to train with.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1",
        value_name = "N,N,..."
    )]
    pub(super) seeds: Vec<u64>,
    /// Continue an unfinished training.
    #[arg(long)]
    pub(super) resume: bool,
    /// Do every stage again, with another configuration if need be.
    #[arg(long, conflicts_with = "resume")]
    pub(super) force: bool,
    /// Threads of every stage. Default: all cores.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<std::num::NonZeroUsize>,
    /// Configuration values over those of the preset, such as train.epochs=3.
    #[arg(value_name = "a.b=c", value_parser = assignment)]
    pub(super) values: Vec<String>,
}

/// The configurations that come with the code.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Preset {
    Demo,
    Minilm,
    Paper,
}

impl Preset {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Minilm => "minilm",
            Self::Paper => "paper",
        }
    }
}

fn assignment(text: &str) -> Result<String, String> {
    if text.split_once('=').is_some_and(|(key, _)| !key.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("expected key=value, such as train.epochs=3".to_owned())
    }
}

impl Options {
    /// The demo into `out`, as `cargo xtask ci` runs it.
    pub(crate) fn demo(out: PathBuf) -> Self {
        Self {
            preset: Preset::Demo,
            data: None,
            out: Some(out),
            seeds: vec![1],
            resume: false,
            force: false,
            threads: None,
            values: Vec::new(),
        }
    }

    /// What clap cannot say: exits with 2, as for every usage error.
    pub(super) fn validate(&self) {
        let usage = |kind, message: String| {
            clap::Command::new("cargo xtask reproduce")
                .error(kind, message)
                .exit()
        };
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() != self.seeds.len() {
            usage(
                ErrorKind::ValueValidation,
                format!("--seeds {:?} names a seed twice", self.seeds),
            );
        }
        if self.data.is_none() && !matches!(self.preset, Preset::Demo) {
            usage(
                ErrorKind::MissingRequiredArgument,
                format!(
                    "--preset {} needs --data DIR, a folder with mosi/, mosei/, meld/ or iemocap/",
                    self.preset.name()
                ),
            );
        }
    }
}
