//! The checkout this program was started in, and the user cache.

use anyhow::{Context, Result};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the sources lie and where cargo builds them.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// The workspace root.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// The workspace of the running `cargo xtask` (cargo names the manifest at run time), else the one xtask was built in.
    pub(crate) fn find() -> Result<Self> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .context("xtask has no parent folder")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) if !dir.is_empty() => std::path::absolute(dir)?,
            _ => root.join("target"),
        };
        Ok(Self { root, target })
    }

    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            target: root.join("target"),
        }
    }

    /// `cargo` in the workspace root, building into the same folder as this program was.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// A program that calls cargo, likewise.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // Cargo describes xtask itself in these; a build script below would take them for its own.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            }) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The built binary `unimse`.
    pub(crate) fn unimse(&self) -> PathBuf {
        self.target
            .join("release")
            .join(format!("unimse{}", env::consts::EXE_SUFFIX))
    }
}

/// [`unimse_run::cache_folder`].
pub(crate) fn cache_dir() -> Result<PathBuf> {
    unimse_run::cache_folder().context(
        "no folder for the cache: neither XDG_CACHE_HOME nor HOME is an absolute path; set XDG_CACHE_HOME",
    )
}
