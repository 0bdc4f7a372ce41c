//! The checkout this program was started in, and the user cache.

use crate::tree;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the sources lie and where cargo builds them.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// The workspace root.
    pub(crate) root: PathBuf,
    target: PathBuf,
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
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // Cargo describes xtask itself in these; a build script below would take them for its own.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            }) {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    /// The version of the code: a digest over what `unimse` is built from. Tests and golden values are not part of it, nor is the commit:
    /// a change of the documentation redoes no training.
    pub(crate) fn code(&self) -> Result<String> {
        let folders = ["build", "crates", "data"];
        let tests = |path: &str| {
            path.split('/')
                .any(|part| part == "tests" || part == "golden")
        };
        let mut paths = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
        for folder in folders {
            let files = tree::files(&self.root.join(folder))?.into_iter();
            let built = files.filter(|(path, _)| !tests(path));
            paths.extend(built.map(|(path, _)| format!("{folder}/{path}")));
        }
        let mut lines = String::new();
        for path in paths {
            let digest = tree::sha256_file(&self.root.join(&path))?;
            lines.push_str(&format!("{digest} {path}\n"));
        }
        Ok(tree::sha256(lines.as_bytes()))
    }

    /// The built binary `unimse`.
    pub(crate) fn unimse(&self) -> PathBuf {
        self.target
            .join("release")
            .join(format!("unimse{}", env::consts::EXE_SUFFIX))
    }
}

/// `$XDG_CACHE_HOME/unimse`, else `~/.cache/unimse`. A relative `XDG_CACHE_HOME` is ignored, as its specification asks.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
        (Some(cache), _) => Ok(cache.join("unimse")),
        (None, Some(home)) => Ok(home.join(".cache").join("unimse")),
        (None, None) => bail!(
            "no folder for the cache: neither XDG_CACHE_HOME nor HOME is an absolute path; set XDG_CACHE_HOME"
        ),
    }
}
