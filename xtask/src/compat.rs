//! What those who use the library crates count on: that the oldest compiler they name compiles them (`cargo xtask msrv`), and that their interfaces
//! changed as the version says (`cargo xtask semver`).

use std::process::Command;

use anyhow::{Result, bail};

use crate::checkout::Checkout;
use crate::{child, provenance};

/// The oldest Rust that the crates name, `rust-version` of the workspace.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The library crates that need no LibTorch, and so compile in a minute.
const LIGHT: [&str; 6] = [
    "unimse-labels",
    "unimse-formats",
    "unimse-eval",
    "unimse-run",
    "unimse-media",
    "unimse-corpus",
];

/// Checks [`LIGHT`] with Rust [`OLDEST`], which rustup fetches. Where it cannot, it says so and does nothing; with `complete` that is a failure.
pub(crate) fn msrv(checkout: &Checkout, complete: bool) -> Result<()> {
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", OLDEST, "--profile", "minimal"]);
    let fetched = install.args(["--no-self-update"]).output();
    if !fetched.as_ref().is_ok_and(|done| done.status.success()) {
        let cause = fetched.map_or_else(
            |error| error.to_string(),
            |done| String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        );
        let what = format!("needs rustup and Rust {OLDEST}: {cause}");
        if complete {
            bail!("msrv: {what}");
        }
        eprintln!("msrv: SKIPPED: {what}");
        return Ok(());
    }
    let mut check = checkout.command("rustup");
    check.args(["run", OLDEST, "cargo", "check", "--locked", "--quiet"]);
    check.args(LIGHT.map(|name| format!("--package={name}")));
    check.env("CARGO_TARGET_DIR", checkout.target().join("msrv"));
    child::run("cargo check", &mut check)
}

/// Compares the interfaces of the library crates with those of the last tag, by cargo-semver-checks, which it installs where it is not there. Without
/// a tag there is nothing to compare with.
pub(crate) fn semver(checkout: &Checkout) -> Result<()> {
    let mut last = Command::new("git");
    last.args(["describe", "--tags", "--abbrev=0"]);
    let Some(tag) = provenance::said(last.current_dir(&checkout.root)) else {
        eprintln!("semver: no version is tagged yet, so there is none to compare with");
        return Ok(());
    };
    let there = Command::new("cargo-semver-checks")
        .arg("--version")
        .output();
    if there.is_err() {
        let mut install = checkout.cargo();
        install.args(["install", "--locked", "--quiet", "cargo-semver-checks"]);
        child::run("cargo install", &mut install)?;
    }
    let mut compare = checkout.cargo();
    compare.args(["semver-checks", "--baseline-rev", &tag]);
    compare.args(LIGHT.map(|name| format!("--package={name}")));
    child::run("cargo semver-checks", &mut compare)
}
