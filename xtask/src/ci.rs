//! `cargo xtask ci`: the checks, cheapest first, each timed.

use crate::checkout::Checkout;
use crate::stage::in_words;
use crate::{bench, child, compat, licences, reproduce, setup, tests_run, wheel};
use anyhow::{Context, Result};
use std::time::Instant;

/// The files of source that a build script makes modules of, so that `cargo fmt` does not see them by itself.
fn backbones(checkout: &Checkout) -> Result<Vec<String>> {
    let folder = checkout.root.join("crates/unimse-model/src/backbones");
    let failed = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(failed)? {
        files.push(entry.with_context(failed)?.path().display().to_string());
    }
    files.sort();
    Ok(files)
}

/// Makes what others would get of each library crate; nothing is compiled. Without the lock file, for which the crates would have to be
/// found in a registry.
fn packages(checkout: &Checkout) -> Result<()> {
    let mut cargo = checkout.cargo();
    cargo.args([
        "package",
        "--workspace",
        "--no-verify",
        "--exclude-lockfile",
    ]);
    cargo.args(["--allow-dirty", "--locked", "--quiet"]);
    for ours in [
        "xtask",
        "unimse-benches",
        "unimse-python",
        "unimse-python-torch",
    ] {
        cargo.args(["--exclude", ours]);
    }
    child::run("cargo package", &mut cargo)
}

/// Everything that must hold for a change to be taken. Stops at the first failure; with `complete` a skipped test is one.
pub(crate) fn run(checkout: &Checkout, complete: bool) -> Result<()> {
    let mut times = Vec::new();
    let mut step = |name: &str, work: &dyn Fn() -> Result<()>| {
        eprintln!("ci: {name}");
        let start = Instant::now();
        let result = work();
        times.push(format!(
            "{name} {}",
            in_words(start.elapsed().as_secs_f64())
        ));
        result.inspect_err(|_| eprintln!("ci: {name} failed ({})", times.join(", ")))
    };
    // One profile for all of them: build scripts, LibTorch's bindings among them, are compiled once.
    let cargo = |arguments: &[&str]| {
        child::run(
            &format!("cargo {}", arguments[0]),
            checkout.cargo().args(arguments),
        )
    };
    step("format", &|| {
        let files = backbones(checkout)?;
        let files = files.iter().map(String::as_str);
        let whole = ["fmt", "--all", "--", "--check"].into_iter();
        cargo(&whole.chain(files).collect::<Vec<_>>())
    })?;
    step("licences", &|| licences::check(checkout))?;
    step("packages", &|| packages(checkout))?;
    step("oldest Rust", &|| compat::msrv(checkout, complete))?;
    step("set-up", &|| setup::ensure(checkout))?;
    step("clippy", &|| {
        cargo(&[
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    step("documentation", &|| {
        child::run(
            "cargo doc",
            checkout
                .cargo()
                .args(["doc", "--release", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    step("test", &|| tests_run::run(checkout, complete))?;
    step("wheel", &|| wheel::run(checkout, complete))?;
    step("benchmarks", &|| bench::check_all(checkout))?;
    step("demo", &|| {
        let dir = tempfile::tempdir().context("cannot make a temporary folder")?;
        reproduce::run(checkout, &reproduce::Options::demo(dir.path().join("demo")))
    })?;
    eprintln!("ci: all passed: {}", times.join(", "));
    Ok(())
}
