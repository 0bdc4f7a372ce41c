//! Signals as a user or a job scheduler sends them to `cargo xtask`, with a script in the place of the child.
#![cfg(target_os = "linux")]

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts `xtask setup` with a pip that writes its process id, then waits for SIGINT or SIGTERM and notes which came.
fn start(dir: &Path) -> (Child, Pid) {
    let python = dir.join("python3");
    let mark = dir.display();
    // After the first signal it waits a while, to see whether that comes again.
    let script = format!(
        r#"#!/bin/sh
case "$*" in *--version*) exit 0;; esac
trap 'echo int >> {mark}/got; code=130' INT
trap 'echo term >> {mark}/got; code=143' TERM
echo $$ > {mark}/pid.tmp; mv {mark}/pid.tmp {mark}/pid
left=15
while [ $left -gt 0 ]; do sleep 0.02; [ -n "$code" ] && left=$((left-1)); done
exit $code
"#
    );
    fs::write(&python, script).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(dir.join("checkout/xtask")).unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("setup")
        .env("PATH", path)
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .env("CARGO_MANIFEST_DIR", dir.join("checkout/xtask"))
        .env_remove("LIBTORCH")
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let pid: i32 = wait_for(|| {
        fs::read_to_string(dir.join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    (xtask, Pid::from_raw(pid).unwrap())
}

fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// States of the processes of a group, as `ps` shows them.
fn states(group: Pid) -> Vec<char> {
    let group = group.as_raw_nonzero().to_string();
    let state = |entry: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let (state, its) = (fields.next()?.chars().next()?, fields.nth(1)?);
        (its == group).then_some(state)
    };
    fs::read_dir("/proc").unwrap().filter_map(state).collect()
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn signal_is_passed_on(send: impl Fn(&Child), noted: &str, code: i32) {
    let dir = tempfile::tempdir().unwrap();
    let (xtask, child) = start(dir.path());
    send(&xtask);
    let output = xtask.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(
        fs::read_to_string(dir.path().join("got")).unwrap(),
        noted,
        "once"
    );
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(test_kill_process(child).is_err(), "the child has ended");
}

#[test]
fn sigint_reaches_the_child_and_exits_130() {
    signal_is_passed_on(
        |xtask| kill_process(pid(xtask), Signal::INT).unwrap(),
        "int\n",
        130,
    );
}

#[test]
fn sigint_to_the_whole_group_reaches_the_child_once() {
    signal_is_passed_on(
        |xtask| kill_process_group(pid(xtask), Signal::INT).unwrap(),
        "int\n",
        130,
    );
}

#[test]
fn sigterm_reaches_the_child_and_exits_143() {
    signal_is_passed_on(
        |xtask| kill_process(pid(xtask), Signal::TERM).unwrap(),
        "term\n",
        143,
    );
}

#[test]
fn stopping_and_continuing_take_the_child_along() {
    let dir = tempfile::tempdir().unwrap();
    let (mut xtask, child) = start(dir.path());
    // Of the child's group one is enough: a shell that has just forked a `sleep` waits for it to start and is not stopped itself.
    let both = |expected| {
        wait_for(|| {
            let stopped = |group: Pid| states(group).contains(&'T');
            [pid(&xtask), child]
                .iter()
                .all(|group| stopped(*group) == expected)
                .then_some(())
        });
    };
    kill_process(pid(&xtask), Signal::TSTP).unwrap();
    both(true);
    kill_process(pid(&xtask), Signal::CONT).unwrap();
    both(false);
    xtask.kill().unwrap();
    xtask.wait().unwrap();
}

#[test]
fn a_killed_xtask_leaves_no_child_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut xtask, child) = start(dir.path());
    kill_process(pid(&xtask), Signal::KILL).unwrap();
    xtask.wait().unwrap();
    let stat = PathBuf::from(format!("/proc/{}/stat", child.as_raw_nonzero()));
    // Gone, or a zombie that nobody has waited for yet.
    wait_for(|| {
        fs::read_to_string(&stat).map_or(Some(()), |stat| stat.contains(") Z ").then_some(()))
    });
}
