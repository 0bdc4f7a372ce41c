//! A LibTorch of the user's own, by the variables that tch's build script reads: it wins, after a check of its version.

use super::VERSION;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the user named, in words; none where the set-up is to provide LibTorch. `link` is the checkout's own `.libtorch`, which cargo's
/// configuration puts into LIBTORCH for every process it starts, this one included.
pub(crate) fn find(link: &Path) -> Result<Option<String>> {
    // tch's build script asks only whether this is set.
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return pytorch().map(Some);
    }
    match env::var_os("LIBTORCH") {
        Some(folder) if Path::new(&folder) != link => libtorch(Path::new(&folder)).map(Some),
        _ => Ok(None),
    }
}

fn libtorch(folder: &Path) -> Result<String> {
    let unset = format!("set LIBTORCH to a LibTorch {VERSION}, or unset it to have one fetched");
    if !folder.is_absolute() {
        bail!(
            "LIBTORCH={} is not an absolute path; {unset}",
            folder.display()
        );
    }
    if !folder.join("lib").is_dir() || !folder.join("include").is_dir() {
        bail!(
            "LIBTORCH={} has no folders lib and include; {unset}",
            folder.display()
        );
    }
    let version = fs::read_to_string(folder.join("build-version"))
        .ok()
        .or_else(|| header_version(folder));
    let version = version.with_context(|| {
        format!(
            "LIBTORCH={} has neither build-version nor torch/version.h; {unset}",
            folder.display()
        )
    })?;
    check_version(&version).with_context(|| format!("LIBTORCH={}; {unset}", folder.display()))?;
    Ok(format!(
        "LibTorch {} of your own in {}",
        version.trim(),
        folder.display()
    ))
}

/// `#define TORCH_VERSION "2.11.0"`, in a folder that a package manager made.
fn header_version(folder: &Path) -> Option<String> {
    [
        "torch/headeronly/version.h",
        "torch/csrc/api/include/torch/version.h",
    ]
    .iter()
    .find_map(|header| {
        let text = fs::read_to_string(folder.join("include").join(header)).ok()?;
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with("#define TORCH_VERSION "))?;
        Some(line.split('"').nth(1)?.to_owned())
    })
}

fn pytorch() -> Result<String> {
    // The same choice as tch's build script.
    let python = if env::var_os("VIRTUAL_ENV").is_some() {
        "python"
    } else {
        "python3"
    };
    let advice = format!(
        "install PyTorch {VERSION} for {python}, or unset LIBTORCH_USE_PYTORCH to have LibTorch fetched"
    );
    let output = Command::new(python)
        .args(["-c", "import torch; print(torch.__version__)"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| {
            format!("LIBTORCH_USE_PYTORCH is set, but {python} does not start; {advice}")
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no word")
            .trim()
            .to_owned();
        bail!("LIBTORCH_USE_PYTORCH is set, but {python} cannot import torch ({last}); {advice}");
    }
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    check_version(&version).with_context(|| format!("LIBTORCH_USE_PYTORCH is set; {advice}"))?;
    Ok(format!("LibTorch {version} of {python}'s PyTorch"))
}

fn check_version(found: &str) -> Result<()> {
    let found = found.trim();
    if found.split('+').next() != Some(VERSION) {
        bail!("expected LibTorch {VERSION}, found {found}");
    }
    Ok(())
}
