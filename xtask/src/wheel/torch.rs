//! The wheel of what needs torch: built against the LibTorch of the set-up, tested with the torch of the Python that `UNIMSE_PYTHON` names, so that
//! none is fetched for it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Work, only};
use crate::{child, setup};

/// Prints where the packages of a Python lie that has a torch of the release which the extension is built for; else it fails with a line that
/// says what is there.
const PROBE: &str = "\
import sys, sysconfig
if sys.version_info[:2] != tuple(map(int, sys.argv[2].split('.'))): sys.exit(f'Python {sys.version}')
import torch
if torch.__version__.split('+')[0] != sys.argv[1]: sys.exit(f'torch {torch.__version__}')
print(sysconfig.get_path('purelib'))";

/// Builds the wheel and runs its tests in a fresh environment beside `base`, the wheel without torch. Where there is no torch, no LibTorch or no
/// binary `unimse` it says so, which with `complete` is a failure.
pub(super) fn run(work: &Work<'_>, base: &Path, complete: bool) -> Result<()> {
    let binary = work.checkout.unimse();
    let packages = match (packages(work)?, binary.is_file()) {
        (Ok(packages), true) => packages,
        (found, _) => {
            let what = found.err().unwrap_or_else(|| {
                "needs the binary, cargo build --release --bin unimse".to_owned()
            });
            if complete {
                bail!("wheel with torch: {what}");
            }
            eprintln!("wheel with torch: SKIPPED, neither built nor tested: {what}");
            return Ok(());
        }
    };
    setup::ensure(work.checkout)?;
    let wheel = build(work)?;
    let python = work.environment("venv-torch", &[base, &wheel], &[packages])?;
    let mut tests = work.pytest(&python, complete);
    tests.arg("crates/unimse-python-torch/tests");
    child::run("pytest", tests.env("UNIMSE_BINARY", binary))?;
    eprintln!("wheel with torch: {}", wheel.display());
    Ok(())
}

/// Where the packages of the Python with torch lie; what is missing, in words, where there is none.
fn packages(work: &Work<'_>) -> Result<Result<PathBuf, String>> {
    let needs = format!(
        "needs UNIMSE_PYTHON, a Python of the version of python3 with torch {}",
        setup::VERSION
    );
    let Some(python) = env::var_os("UNIMSE_PYTHON").filter(|python| !python.is_empty()) else {
        return Ok(Err(needs));
    };
    let version = child::output(
        "python",
        Command::new(&work.python)
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]),
    )?;
    let version = String::from_utf8(version)?;
    let probe = Command::new(&python)
        .args(["-c", PROBE, setup::VERSION, version.trim()])
        .output();
    let said = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        text.lines().last().unwrap_or_default().to_owned()
    };
    Ok(match probe {
        Ok(done) if done.status.success() => Ok(PathBuf::from(said(&done.stdout))),
        Ok(done) => Err(format!("{needs}, found {}", said(&done.stderr))),
        Err(error) => Err(format!("{needs}: {error}")),
    })
}

/// The wheel. maturin finds its tag and warns of what it links and does not hold, the installed torch.
fn build(work: &Work<'_>) -> Result<PathBuf> {
    let dist = work.fresh("dist-torch")?;
    let mut maturin = Command::new(&work.python);
    work.prepare(&mut maturin);
    maturin.args(["-m", "maturin", "build", "--release"]);
    maturin.args(["--features", "as-workspace"]); // what is compiled is taken as it is
    maturin.args(["--auditwheel", "warn", "--out"]).arg(&dist);
    let package = work.checkout.root.join("crates/unimse-python-torch");
    child::run("maturin", maturin.current_dir(package))?;
    only(&dist, ".whl")
}
