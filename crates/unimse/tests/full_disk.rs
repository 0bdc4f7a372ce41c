//! A full disk costs nothing that was written: checkpoint and best model stay as they were, the error names the file, and once there is
//! room the training goes on to the bytes it would have had. A limit on the size of files stands for the full disk: it too lets a write begin
//! and then fail.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::runs::{Run, WORLD, assert_done, files, refused, unimse};

/// Nothing is written before the end of an epoch, so that its first file is the model and its second one the state.
const SETTINGS: [&str; 4] = [
    "--resume",
    "train.epochs=3",
    "train.save_every=1000",
    "train.batch=48",
];
const MODEL: &str = "checkpoints/model.safetensors";
const STATE: &str = "checkpoints/last.safetensors";

/// Runs `command` where no file can be longer than `bytes`.
fn limited(command: &Command, bytes: u64) -> Output {
    // Without the trap the signal of the limit ends the process; with it the write fails. POSIX counts blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, &(bytes / 512).to_string()]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.output().unwrap()
}

/// A training that was killed behind its first epoch.
fn begun() -> Run {
    let run = Run::new(WORLD.checkpoint.path());
    let mut child = run.train(&SETTINGS).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !run.path("run").join(STATE).exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no {STATE}");
        assert!(child.try_wait().unwrap().is_none(), "the training ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run
}

fn assert_answers(run: &Run) {
    let folder = run.path("run");
    let predict = ["predict", "--run", folder.to_str().unwrap()];
    assert_done(&unimse(
        &[&predict[..], &["--text", "a good film"]].concat(),
    ));
}

#[test]
fn a_full_disk_costs_nothing_that_was_written() {
    let whole = Run::new(WORLD.checkpoint.path());
    assert_done(&whole.train(&SETTINGS).output().unwrap());
    let expected = files(&whole.path("run"));
    let model = expected[&PathBuf::from(MODEL)].len() as u64;

    // no room for a first model
    let run = Run::new(WORLD.checkpoint.path());
    refused(
        &limited(&run.train(&SETTINGS), model / 2),
        &["model.safetensors"],
    );
    let left = files(&run.path("run"));
    let half = left
        .keys()
        .find(|name| name.to_string_lossy().contains("model.safetensors"));
    assert_eq!(half, None, "half a file takes room");

    // room for a model, not for the state with its moments, three times as long
    let run = begun();
    let before = files(&run.path("run"));
    for _ in 0..2 {
        refused(
            &limited(&run.train(&SETTINGS), model + model / 2),
            &["last.safetensors"],
        );
        let after = files(&run.path("run"));
        let state = PathBuf::from(STATE);
        assert!(before[&state] == after[&state], "the checkpoint changed");
        assert_answers(&run);
    }
    assert_done(&run.train(&SETTINGS).output().unwrap());
    let ended = files(&run.path("run"));
    for name in [MODEL, "checkpoints/model.json", "checkpoints/features.json"] {
        let name = PathBuf::from(name);
        assert!(
            expected[&name] == ended[&name],
            "{} differs",
            name.display()
        );
    }
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        ended.keys().collect::<Vec<_>>()
    );
}
