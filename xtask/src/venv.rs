//! Pythons with packages, each made once for a list of packages and kept in the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::checkout::{Checkout, cache_dir};
use crate::lock::Lock;
use crate::{child, tree};
use unimse_run::artefact;

/// A virtual environment by the files that list its packages, every one pinned and with all that it needs.
pub(crate) struct Venv {
    /// What it is for: names its folder in the cache.
    pub(crate) name: &'static str,
    /// Requirements files below the checkout: the one that pip reads, then those that it includes.
    pub(crate) lists: &'static [&'static str],
    /// Said before the packages are fetched.
    pub(crate) notice: &'static str,
}

impl Venv {
    /// The interpreter, with every package of the list; fetches them where they are not there.
    pub(crate) fn ensure(&self, checkout: &Checkout) -> Result<PathBuf> {
        let cache = cache_dir()?;
        let place = cache.join(format!("{}-{}", self.name, self.key(checkout)?));
        let python = place.join("bin/python");
        let _lock = Lock::wait(&cache.join(format!("{}.lock", self.name)))?;
        let complete = place.join("complete");
        if complete.is_file() {
            return Ok(python);
        }
        eprintln!("{}", self.notice);
        tree::remove(&place)?;
        child::run(
            "python3 -m venv",
            Command::new("python3").args(["-m", "venv"]).arg(&place),
        )?;
        // Compiled, as every installation is: what a package needs to start counts.
        child::run(
            "pip install",
            pip(&python)
                .args(["install", "--no-cache-dir", "--no-deps"])
                .args(["--only-binary=:all:", "--requirement", self.lists[0]])
                .current_dir(&checkout.root),
        )?;
        artefact::write(&complete, b"")?;
        Ok(python)
    }

    /// Changes with the version of Python and with the lists.
    fn key(&self, checkout: &Checkout) -> Result<String> {
        let version = Command::new("python3")
            .arg("-VV")
            .output()
            .context("cannot start python3; install Python 3.11 or newer with venv and pip")?;
        if !version.status.success() {
            bail!("python3 -VV failed: {}", version.status);
        }
        let mut hash = Sha256::new_with_prefix(&version.stdout);
        for list in self.lists {
            hash.update(read(&checkout.root.join(list))?);
        }
        Ok(artefact::hex(&hash.finalize()[..8]))
    }
}

/// pip of an interpreter, without questions or advice.
pub(crate) fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--quiet", "--no-input"]);
    pip.arg("--disable-pip-version-check");
    pip
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
