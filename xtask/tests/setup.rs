//! The errors of `cargo xtask setup` as a user meets them: one line that says what to do, exit code 1. No network: pip is a script.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

struct Machine(tempfile::TempDir);

impl Machine {
    /// An empty home, an empty checkout and a PATH that holds nothing.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "checkout/xtask"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn python(self, body: &str) -> Self {
        let python = self.path("bin/python3");
        fs::write(&python, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn setup(&self, variables: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("setup")
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"));
        command.env("CARGO_MANIFEST_DIR", self.path("checkout/xtask"));
        // What cargo's configuration gives every process: not the user's own.
        command.env("LIBTORCH", self.path("checkout/.libtorch"));
        command.envs(variables.iter().copied()).output().unwrap()
    }

    /// Fails with one line on standard error that holds all of `expect`, and leaves no link behind.
    fn fails(&self, variables: &[(&str, &Path)], expect: &[&str]) {
        let output = self.setup(variables);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let errors: Vec<&str> = stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(
            (output.status.code(), errors.len()),
            (Some(1), 1),
            "{stderr}"
        );
        for part in expect {
            assert!(errors[0].contains(part), "expected {part:?} in {stderr}");
        }
        assert!(!self.path("checkout/.libtorch").exists());
    }
}

#[test]
fn no_python() {
    Machine::new().fails(
        &[],
        &[
            "no python3 on the PATH",
            "install Python 3 with pip",
            "LIBTORCH",
        ],
    );
}

#[test]
fn no_pip() {
    Machine::new()
        .python("exit 1")
        .fails(&[], &["python3 has no pip", "ensurepip"]);
}

#[test]
fn no_network() {
    let script = "case \"$*\" in *--version*) exit 0;; esac; echo 'ERROR: Failed to establish a new connection' >&2; exit 1";
    Machine::new().python(script).fails(
        &[],
        &[
            "no network",
            "torch==2.11.0",
            "run `cargo xtask setup` again",
        ],
    );
}

#[test]
fn cache_that_cannot_be_written() {
    let machine = Machine::new().python("exit 0");
    fs::write(machine.path("file"), "").unwrap();
    machine.fails(
        &[("XDG_CACHE_HOME", &machine.path("file"))],
        &["cannot make", "XDG_CACHE_HOME"],
    );
}

#[test]
fn a_folder_in_the_place_of_the_link_is_left_alone() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("checkout/.models/all-MiniLM-L6-v2")).unwrap();
    machine.fails(&[], &["python3"]);
    assert!(machine.path("checkout/.models/all-MiniLM-L6-v2").is_dir());
}

#[test]
fn own_libtorch_is_version_checked() {
    let machine = Machine::new();
    let own = machine.path("own");
    machine.fails(
        &[("LIBTORCH", &own)],
        &[
            "no folders lib and include",
            "set LIBTORCH to a LibTorch 2.11.0",
        ],
    );
    fs::create_dir_all(own.join("lib")).unwrap();
    fs::create_dir_all(own.join("include/torch/headeronly")).unwrap();
    machine.fails(&[("LIBTORCH", &own)], &["neither build-version nor"]);
    fs::write(
        own.join("include/torch/headeronly/version.h"),
        "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION \"2.9.1\"\n",
    )
    .unwrap();
    machine.fails(
        &[("LIBTORCH", &own)],
        &["expected LibTorch 2.11.0, found 2.9.1"],
    );
    fs::write(own.join("build-version"), "2.10.0+cu128\n").unwrap();
    machine.fails(
        &[("LIBTORCH", &own)],
        &["expected LibTorch 2.11.0, found 2.10.0+cu128"],
    );
    // The right version passes: what fails next is the sentence encoder, which still needs pip.
    fs::write(own.join("build-version"), "2.11.0+cpu\n").unwrap();
    machine.fails(&[("LIBTORCH", &own)], &["no python3"]);
}

#[test]
fn own_pytorch_is_version_checked() {
    let one = Path::new("1");
    Machine::new().fails(
        &[("LIBTORCH_USE_PYTORCH", one)],
        &["python3 does not start"],
    );
    Machine::new()
        .python("echo 'ModuleNotFoundError: torch' >&2; exit 1")
        .fails(
            &[("LIBTORCH_USE_PYTORCH", one)],
            &["cannot import torch (ModuleNotFoundError: torch)"],
        );
    Machine::new().python("echo 2.8.0").fails(
        &[("LIBTORCH_USE_PYTORCH", one)],
        &["expected LibTorch 2.11.0, found 2.8.0"],
    );
    let right = "case \"$*\" in *import*) echo 2.11.0+cu130;; *) exit 1;; esac";
    Machine::new()
        .python(right)
        .fails(&[("LIBTORCH_USE_PYTORCH", one)], &["python3 has no pip"]);
}

#[test]
fn half_written_cache_is_fetched_again() {
    let script = "case \"$*\" in *--version*) exit 0;; esac; echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1";
    let machine = Machine::new().python(script);
    let folder = machine.path("home/.cache/unimse/libtorch-2.11.0-cpu");
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("lib/libtorch_cpu.so"), "half").unwrap();
    symlink("nowhere", machine.path("checkout/.libtorch")).unwrap();
    machine.fails(&[], &["disk filled up"]);
    assert!(
        folder.join("lib/libtorch_cpu.so").exists(),
        "what is there stays until its replacement is whole"
    );
}

#[test]
fn usage_errors_exit_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["reproduce", "--preset", "none"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("error: --preset none: expected one of demo, "),
        "nothing was built before: {said}"
    );
}
