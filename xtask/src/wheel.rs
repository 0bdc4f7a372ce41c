//! `cargo xtask wheel`: the Python packages, built, and tested where nothing but their wheels is installed of them.

mod torch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::venv::{Venv, pip};
use crate::{child, tree};
use unimse_run::artefact;

/// maturin, and what the package's tests use.
const TOOLS: Venv = Venv {
    name: "wheel",
    lists: &[".ci/wheel.txt"],
    notice: "wheel: Python packages that build and test it (about 500 MB, 1.5 GB on disk, once)",
};

/// The stages of one run of the task, each in a folder of its own below `target/wheel`.
struct Work<'a> {
    checkout: &'a Checkout,
    /// The interpreter with [`TOOLS`].
    python: PathBuf,
    /// `target/wheel`.
    place: PathBuf,
}

/// Builds the source distribution and of it the wheel, both into `target/wheel/dist`, and runs the tests of the package in a fresh environment.
/// Then the wheel of what needs torch, likewise ([`torch`]). Where there is no such Python it says so and does nothing; with `complete` that, and
/// a skipped test, is a failure.
pub(crate) fn run(checkout: &Checkout, complete: bool) -> Result<()> {
    if let Some(what) = missing() {
        if complete {
            bail!("wheel: {what}");
        }
        eprintln!("wheel: skipped: {what}");
        return Ok(());
    }
    let work = Work::new(checkout)?;
    let wheel = work.build()?;
    let python = work.install(&wheel)?;
    work.test(&python, &wheel, complete)?;
    eprintln!("wheel: {}", wheel.display());
    torch::run(&work, &wheel, complete)
}

/// What of Python is not here, in words: the packages that are pinned need 3.11, and Debian's python3 comes without venv.
fn missing() -> Option<String> {
    const PROBE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    let probe = Command::new("python3").args(["-c", PROBE]).output();
    let found = match probe {
        Ok(done) if done.status.success() => return None,
        Ok(done) if done.stderr.is_empty() => "an older one".to_owned(),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            said.lines().last().unwrap_or_default().to_owned()
        }
        Err(error) => error.to_string(),
    };
    Some(format!(
        "needs python3 from 3.11 on with venv and pip, found: {found}"
    ))
}

/// The interpreter of an environment with the built wheel and all that its tests use.
pub(crate) fn installed(checkout: &Checkout) -> Result<PathBuf> {
    let work = Work::new(checkout)?;
    let wheel = work.build()?;
    work.install(&wheel)
}

impl<'a> Work<'a> {
    fn new(checkout: &'a Checkout) -> Result<Self> {
        Ok(Self {
            checkout,
            python: TOOLS.ensure(checkout)?,
            place: checkout.target().join("wheel"),
        })
    }

    /// An empty folder below `target/wheel`.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.place.join(name);
        tree::remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// The environment of a build: the folder that all others of the checkout build into, and the tools on PATH.
    fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        // what `cargo xtask` describes of itself, and what the checkout's own builds are told, is not for maturin
        for (name, _) in self
            .checkout
            .cargo()
            .get_envs()
            .filter(|env| env.1.is_none())
        {
            command.env_remove(name);
        }
        command
            .env("CARGO_TARGET_DIR", self.checkout.target())
            .env_remove("PYO3_NO_PYTHON")
            .env_remove("PYO3_BUILD_EXTENSION_MODULE")
            .current_dir(&self.checkout.root)
    }

    /// The wheel of the source distribution, which so holds all that it needs: the one that is there, where it was made of these sources. maturin
    /// refuses a wheel that links what its tag of the platform does not promise.
    fn build(&self) -> Result<PathBuf> {
        let place = self.fresh("sdist")?;
        self.maturin(&self.checkout.root, &place, &["sdist"])?;
        let archive = only(&place, ".tar.gz")?;
        let (dist, key) = (self.place.join("dist"), self.key(&archive)?);
        let stamp = self.place.join("dist.key");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == key)
            && let Ok(wheel) = only(&dist, ".whl")
        {
            eprintln!("wheel: its sources are as before");
            return Ok(wheel);
        }
        tree::remove(&stamp)?;
        let (dist, sources) = (self.fresh("dist")?, self.fresh("sources")?);
        let archived = dist.join(archive.file_name().unwrap_or_default());
        fs::rename(&archive, &archived)
            .with_context(|| format!("cannot make {}", archived.display()))?;
        let mut tar = Command::new("tar");
        // --touch: in the archive all files are of one day, and cargo would take changed ones for those that it knows
        tar.args(["--extract", "--touch", "--strip-components=1", "--file"]);
        tar.arg(archived).arg("--directory");
        child::run("tar", tar.arg(&sources))?;
        // not --locked: what the rest of the workspace needs is not in it, so cargo shortens its lock file
        let build = ["build", "--release", "--auditwheel", "check"];
        self.maturin(&sources, &dist, &build)?;
        let wheel = only(&dist, ".whl")?;
        artefact::write(&stamp, key.as_bytes())?;
        Ok(wheel)
    }

    /// maturin in a folder of sources; what it makes goes to `out`.
    fn maturin(&self, sources: &Path, out: &Path, arguments: &[&str]) -> Result<()> {
        let mut maturin = Command::new(&self.python);
        self.prepare(&mut maturin).args(["-m", "maturin"]);
        maturin.args(arguments).arg("--out").arg(out);
        child::run("maturin", maturin.current_dir(sources))
    }

    /// Changes with the sources, the compiler, and the tools.
    fn key(&self, archive: &Path) -> Result<String> {
        let compiler = child::output("rustc", Command::new("rustc").arg("-vV"))?;
        let (sources, tools) = (artefact::sha256(archive)?, self.python.display());
        let compiler = String::from_utf8_lossy(&compiler);
        Ok(format!("{sources}\n{tools}\n{compiler}"))
    }

    /// An environment in which the wheel alone is installed; it sees the packages of the tools.
    fn install(&self, wheel: &Path) -> Result<PathBuf> {
        self.environment("venv", &[wheel], &[])
    }

    /// A fresh environment with these wheels; it sees the packages of the tools, and behind them those in `more` folders.
    fn environment(&self, name: &str, wheels: &[&Path], more: &[PathBuf]) -> Result<PathBuf> {
        let place = self.fresh(name)?;
        let mut venv = Command::new(&self.python);
        child::run(
            "python -m venv",
            venv.args(["-m", "venv", "--without-pip"]).arg(&place),
        )?;
        let python = place.join("bin/python");
        let packages = |python: &Path| -> Result<PathBuf> {
            let mut asked = Command::new(python);
            asked.args([
                "-c",
                "import sysconfig; print(sysconfig.get_path('purelib'))",
            ]);
            let said = child::output("python", &mut asked)?;
            Ok(PathBuf::from(String::from_utf8(said)?.trim()))
        };
        let shared = packages(&python)?.join("tools.pth");
        let mut lines = String::new();
        for folder in std::iter::once(&packages(&self.python)?).chain(more) {
            lines.push_str(&format!("{}\n", folder.display()));
        }
        artefact::write(&shared, lines.as_bytes())?;
        let mut install = pip(&self.python);
        install.arg("--python").arg(&python);
        install.args(["install", "--no-deps", "--no-index"]);
        child::run("pip install", install.args(wheels))?;
        Ok(python)
    }

    /// The tests of the package. Those that compare with the binary get it where it is built.
    fn test(&self, python: &Path, wheel: &Path, complete: bool) -> Result<()> {
        let mut tests = self.pytest(python, complete);
        tests.env("UNIMSE_WHEEL", wheel);
        let binary = self.checkout.unimse();
        if binary.is_file() {
            tests.env("UNIMSE_BINARY", binary);
        }
        child::run("pytest", &mut tests)
    }

    /// pytest of an environment; with `complete` a skipped test is a failed one.
    fn pytest(&self, python: &Path, complete: bool) -> Command {
        let mut tests = Command::new(python);
        tests.args(["-m", "pytest", "--quiet"]);
        self.prepare(&mut tests);
        if complete {
            tests.args(["-p", "complete"]);
            tests.env("PYTHONPATH", self.checkout.root.join(".ci"));
        }
        tests
    }
}

/// The one file of a folder whose name ends so.
fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    let read = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        found.extend(path.to_string_lossy().ends_with(end).then_some(path));
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        several => bail!(
            "{}: expected one file *{end}, found {}",
            folder.display(),
            several.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn a_folder_without_one_wheel_is_an_error_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| fs::write(dir.path().join(name), "").unwrap();
        file("unimse-1.tar.gz");
        let none = only(dir.path(), ".whl").unwrap_err().to_string();
        assert!(none.ends_with("expected one file *.whl, found 0"), "{none}");
        file("a.whl");
        assert_eq!(only(dir.path(), ".whl").unwrap(), dir.path().join("a.whl"));
        file("b.whl");
        assert!(only(dir.path(), ".whl").is_err());
    }

    /// pip installs the list with --no-deps: a line that pins nothing would change under us.
    #[test]
    fn every_package_of_the_list_is_pinned() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(root.join(TOOLS.lists[0])).unwrap();
        let said = |line: &&str| !line.starts_with('#') && !line.starts_with("--no-binary=");
        let lines = text.lines().filter(said);
        let (pinned, loose): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.contains("=="));
        assert!(loose.is_empty(), "{loose:?}");
        assert!(pinned.iter().any(|line| line.starts_with("maturin==")));
    }
}
