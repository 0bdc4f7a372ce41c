//! Fetching wheels: pip is the only way out to the network, whatever its own Python's version.

use super::wheel::Wheel;
use crate::{child, tree};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use unimse_run::artefact;

const WITHOUT: &str = "or set LIBTORCH to a LibTorch 2.11.0 of your own";

/// The wheels are those of CPython 3.12 on 64-bit Linux with glibc 2.28 or later; nothing of them is run by Python. Each glibc has a tag
/// of its own, and pip takes no tag to mean an older one.
fn platforms() -> impl Iterator<Item = String> {
    let named = [
        "manylinux2014_x86_64",
        "manylinux2010_x86_64",
        "manylinux1_x86_64",
        "any",
    ];
    let numbered = (5..=28).map(|minor| format!("manylinux_2_{minor}_x86_64"));
    numbered
        .chain(named.map(str::to_owned))
        .map(|tag| format!("--platform={tag}"))
}

/// A Python whose pip answers.
#[derive(Debug)]
pub(crate) struct Pip {
    python: OsString,
}

impl Pip {
    /// The first of `python3` and `python` on the path that has pip.
    pub(crate) fn find() -> Result<Self> {
        let mut seen = None;
        for python in ["python3", "python"] {
            match Command::new(python)
                .args(["-m", "pip", "--version"])
                .stdin(Stdio::null())
                .output()
            {
                Ok(output) if output.status.success() => {
                    return Ok(Self {
                        python: python.into(),
                    });
                }
                Ok(_) => seen = seen.or(Some(python)),
                Err(_) => {}
            }
        }
        match seen {
            Some(python) => bail!(
                "{python} has no pip: install it (`{python} -m ensurepip`, or the package python3-pip), {WITHOUT}"
            ),
            None => bail!("no python3 on the PATH: install Python 3 with pip, {WITHOUT}"),
        }
    }

    #[cfg(test)]
    pub(crate) fn at(python: &Path) -> Self {
        Self {
            python: python.into(),
        }
    }

    /// The wheel in `downloads`, fetched unless it is there already and right.
    pub(crate) fn fetch(&self, wheel: &Wheel, dependencies: bool, downloads: &Path) -> Result<()> {
        let path = downloads.join(&wheel.file);
        if path.exists() && artefact::sha256(&path)? != wheel.sha256 {
            tree::remove(&path)?;
        }
        if dependencies || !path.exists() {
            self.download(wheel, dependencies, downloads)?;
        }
        if !path.exists() {
            bail!(
                "pip fetched {} but not as {}; check the index pip uses",
                wheel.requirement,
                wheel.file
            );
        }
        let found = artefact::sha256(&path)?;
        if found != wheel.sha256 {
            tree::remove(&path)?;
            bail!(
                "{}: wrong checksum: expected SHA-256 {}, found {found}; the file is deleted, run `cargo xtask setup` again",
                wheel.file,
                wheel.sha256
            );
        }
        Ok(())
    }

    /// Fetches one wheel into `dir`; with `dependencies`, all that it asks for as well.
    fn download(&self, wheel: &Wheel, dependencies: bool, dir: &Path) -> Result<()> {
        let scratch = dir.join("scratch");
        tree::remove(&scratch)?;
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot write {}", scratch.display()))?;
        let mut pip = self.command(wheel, dir, &scratch, dependencies)?;
        let bar = progress(if dependencies {
            None
        } else {
            Some(wheel.bytes)
        });
        bar.set_message(wheel.requirement.clone());
        let (status, said) = watched(&mut pip, dir, &bar)?;
        bar.finish_and_clear();
        tree::remove(&scratch)?;
        child::check_interrupted("set-up")?;
        if !status.success() {
            bail!("{}", explain(&wheel.requirement, &said));
        }
        Ok(())
    }

    /// `pip download` of a wheel into `dir`, with its temporary files in `scratch`.
    fn command(
        &self,
        wheel: &Wheel,
        dir: &Path,
        scratch: &Path,
        dependencies: bool,
    ) -> Result<Command> {
        let mut pip = Command::new(&self.python);
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-input",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "--progress-bar=off",
        ]);
        pip.args([
            "--retries=3",
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.12",
        ]);
        pip.args(platforms());
        pip.arg("--dest").arg(dir);
        if dependencies {
            pip.arg(&wheel.requirement);
        } else {
            // The hash makes pip pass over any other build of the same version that its configuration may offer.
            let requirements = scratch.join("requirements.txt");
            artefact::write(
                &requirements,
                format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256).as_bytes(),
            )?;
            pip.arg("--no-deps")
                .arg("--require-hashes")
                .arg("--requirement")
                .arg(requirements);
        }
        // pip fetches into a temporary folder first: keep it beside the wheel, on the disk whose space was checked.
        pip.env("TMPDIR", scratch)
            .env_remove("PIP_QUIET")
            .env_remove("PIP_VERBOSE");
        pip.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok(pip)
    }
}

/// Runs pip to its end while `bar` follows the size of `dir`: its status, and what it said on standard error.
fn watched(pip: &mut Command, dir: &Path, bar: &ProgressBar) -> Result<(ExitStatus, String)> {
    let already: u64 = size(dir);
    let done = AtomicBool::new(false);
    let mut said = String::new();
    let status = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let most = bar.length().unwrap_or(u64::MAX);
                bar.set_position(size(dir).saturating_sub(already).min(most));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let status = child::status_with("pip", pip, |child| {
            if let Some(stderr) = &mut child.stderr {
                let mut bytes = Vec::new();
                stderr.read_to_end(&mut bytes)?;
                said = String::from_utf8_lossy(&bytes).into_owned();
            }
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        status
    })?;
    Ok((status, said))
}

/// One line that says what to do, from what pip said.
fn explain(requirement: &str, said: &str) -> String {
    let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
    let last = said
        .lines()
        .rev()
        .find(|line| line.starts_with("ERROR"))
        .or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
    let last = last
        .unwrap_or("pip said nothing")
        .trim_start_matches("ERROR: ")
        .trim();
    if any(&["No space left on device", "Errno 28", "Disk quota exceeded"]) {
        format!(
            "the disk filled up while fetching {requirement}: free some space or point XDG_CACHE_HOME to another disk, then run `cargo xtask setup` again"
        )
    } else if any(&["DO NOT MATCH THE HASHES", "Hashes are required"]) {
        format!(
            "wrong checksum: what pip was given for {requirement} is not the pinned file; check the proxy or mirror pip uses, then run `cargo xtask setup` again"
        )
    } else if any(&[
        "establish a new connection",
        "name resolution",
        "ConnectionError",
        "Connection refused",
        "Read timed out",
        "ConnectTimeout",
        "Network is unreachable",
        "ProxyError",
        "SSLError",
        "Connection broken",
        "IncompleteRead",
    ]) {
        format!(
            "no network: pip cannot fetch {requirement}; connect (or set HTTPS_PROXY, PIP_INDEX_URL), then run `cargo xtask setup` again; what is complete is kept"
        )
    } else if any(&["No matching distribution"]) {
        format!(
            "pip finds no {requirement} for Linux x86-64 in its index ({last}); check PIP_INDEX_URL, update pip to 21 or later, {WITHOUT}"
        )
    } else {
        format!("pip cannot fetch {requirement}: {last}")
    }
}

fn size(dir: &Path) -> u64 {
    // Files come and go while pip works; a listing that fails is only a missing tick of the bar.
    tree::files(dir)
        .map(|files| files.iter().map(|(_, bytes)| bytes).sum())
        .unwrap_or(0)
}

/// A bar over `bytes`, or a counter where the size is not known, on standard error; silent where that is no terminal.
pub(crate) fn progress(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{msg} {spinner} {binary_bytes}, {binary_bytes_per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn what_pip_says_becomes_one_line_of_advice() {
        let check = |said: &str, expect: &str| {
            let line = explain("torch==2.11.0", said);
            assert!(
                line.contains(expect) && line.contains("torch==2.11.0") && !line.contains('\n'),
                "{line}"
            );
        };
        let offline = "WARNING: Retrying (...) after connection broken by 'NewConnectionError(...: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution)'\nERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: none)\nERROR: No matching distribution found for torch==2.11.0\n";
        check(offline, "no network");
        check(
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
            "disk filled up",
        );
        check(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    Expected sha256 0f\n         Got        1e\n",
            "wrong checksum",
        );
        check(
            "ERROR: No matching distribution found for torch==2.11.0\n",
            "No matching distribution",
        );
        check("Traceback:\nValueError: odd\n\n", "ValueError: odd");
        check("", "pip said nothing");
    }
}
