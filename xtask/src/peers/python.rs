//! A Python with the peers, made once for each list of packages and kept in the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::checkout::{Checkout, cache_dir};
use crate::lock::Lock;
use crate::{child, tree};
use unimse_run::artefact;

/// The list, and the one that it includes.
const LISTS: [&str; 2] = ["benches/peers/requirements.txt", ".ci/requirements.txt"];

/// The interpreter, with every package of the list; fetches them (more than 2 GB, 4.5 GB on disk) where they are not there.
pub(crate) fn ensure(checkout: &Checkout) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let place = cache.join(format!("peers-{}", key(checkout)?));
    let python = place.join("bin/python");
    let _lock = Lock::wait(&cache.join("peers.lock"))?;
    let complete = place.join("complete");
    if complete.is_file() {
        return Ok(python);
    }
    eprintln!("bench: Python packages of the peers (more than 2 GB, 4.5 GB on disk, once)");
    tree::remove(&place)?;
    child::run(
        "python3 -m venv",
        Command::new("python3").args(["-m", "venv"]).arg(&place),
    )?;
    // Compiled, as every installation is: what a peer needs to start counts.
    child::run(
        "pip install",
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
            ])
            .args([
                "--no-cache-dir",
                "--no-deps",
                "--only-binary=:all:",
                "--requirement",
            ])
            .arg(LISTS[0])
            .current_dir(&checkout.root),
    )?;
    artefact::write(&complete, b"")?;
    Ok(python)
}

/// Changes with the version of Python and with the lists.
fn key(checkout: &Checkout) -> Result<String> {
    let version = Command::new("python3")
        .arg("-VV")
        .output()
        .context("cannot start python3: the peers are Python packages; install Python 3.11 with venv and pip")?;
    if !version.status.success() {
        bail!("python3 -VV failed: {}", version.status);
    }
    let mut hash = Sha256::new_with_prefix(&version.stdout);
    for list in LISTS {
        hash.update(read(&checkout.root.join(list))?);
    }
    let digest = hash.finalize();
    Ok(digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
