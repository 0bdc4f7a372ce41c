//! The stage graph with a shell script in the place of `unimse`: it writes what each stage writes and keeps a log of its calls.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use crate::fake::{CODE, World};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

impl World {
    /// Runs with `arguments` into `out`; the subcommands called.
    fn try_run(&self, arguments: &str) -> Result<Vec<String>> {
        let mut options: Options = self.parse(arguments);
        options.out = Some(self.path("runs/out"));
        reproduce(&self.checkout, &self.path("unimse"), &options)?;
        let calls = self.calls();
        let name = |line: String| line.split(' ').next().unwrap().to_owned();
        Ok(calls.into_iter().map(name).collect())
    }

    fn run(&self, arguments: &str) -> String {
        self.try_run(arguments).unwrap().join(" ")
    }

    fn error(&self, arguments: &str) -> String {
        format!("{:#}", self.try_run(arguments).unwrap_err())
    }
}

#[test]
fn processes_of_a_stage_are_told_of_each_other() {
    let world = World::new();
    assert_eq!(
        world.run("--processes 2 --threads 1"),
        "config demo ingest unify unify train train evaluate evaluate report"
    );
    let said = fs::read_to_string(world.path("ranks")).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 3 * 2);
    for stage in said.chunks(2) {
        let mut stage = stage.to_vec();
        stage.sort_unstable();
        let port: u16 = stage[0].rsplit(' ').next().unwrap().parse().unwrap();
        let expected = [0, 1].map(|rank| format!("{rank} {rank} of 2 2 at 127.0.0.1 {port}"));
        assert_eq!(stage, expected);
    }
    // as many processes make no other training
    assert_eq!(world.run("--processes 3"), "config");
}

#[test]
fn one_seed_runs_every_stage_once() {
    let world = World::new();
    assert_eq!(
        world.run("a.b=1"),
        "config demo ingest unify train evaluate report"
    );
    for name in [
        "config.toml",
        "corpus",
        "labels",
        "checkpoints",
        "events.jsonl",
        "predictions.parquet",
        "results.json",
        "report.html",
        "provenance.json",
    ] {
        assert!(world.path("runs/out").join(name).exists(), "{name}");
    }
    let provenance: serde_json::Value =
        serde_json::from_str(&world.read("provenance.json")).unwrap();
    assert_eq!(provenance["sources"]["mosi/a.csv"]["bytes"], 4);
    let peak = &provenance["stages"]["train"]["peak_bytes"];
    assert!(
        peak.as_u64() > Some(100_000),
        "{peak}: a shell alone has more"
    );
    let stages: Vec<&String> = provenance["stages"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["evaluate", "ingest", "train", "unify"]);
    assert_eq!(world.run("a.b=1"), "config", "nothing changed");
    fs::remove_file(world.path("runs/out/predictions.parquet")).unwrap();
    assert_eq!(
        world.run("a.b=1"),
        "config evaluate",
        "the same results need no new report"
    );
    assert!(!world.path("runs/.out.partial").exists());
}

#[test]
fn the_demo_with_media_makes_clips_and_a_model_that_reads_alone() {
    let world = World::new();
    let run = "unify train evaluate report";
    assert_eq!(
        world.run("--preset demo-media"),
        format!("config demo extract ingest {run} config {run} compare")
    );
    let text = world.read("text/config.toml");
    assert!(text.contains("model.modalities = [\"text\"]"), "{text}");
    assert_eq!(world.run("--preset demo-media"), "config config compare");
}

#[test]
fn changed_data_or_code_redoes_what_depends_on_it() {
    let world = World::new();
    assert_eq!(
        world.run("--data DATA"),
        "config ingest unify train evaluate report"
    );
    fs::create_dir_all(world.path("input/not_a_corpus")).unwrap();
    fs::write(world.path("input/not_a_corpus/x"), "").unwrap();
    assert_eq!(world.run("--data DATA"), "config");
    fs::write(world.path("input/mosi/a.csv"), "other row").unwrap();
    let all = "config ingest unify train evaluate report";
    assert_eq!(world.run("--data DATA"), all);
    for (stage, redone) in [
        ("report", "config report"),
        ("evaluate", "config evaluate"), // the same results need no new report
        ("train", "config train evaluate report"),
        ("unify", "config unify"),   // the same labels
        ("ingest", "config ingest"), // the same tables
    ] {
        let (old, new) = (format!("{stage}\": \"1"), format!("{stage}\": \"2"));
        fs::write(world.path("code"), CODE.replace(&old, &new)).unwrap();
        assert_eq!(world.run("--data DATA"), redone);
        fs::write(world.path("code"), CODE).unwrap();
        world.run("--data DATA");
    }
}

#[test]
fn a_preset_that_is_not_there_or_needs_data_is_a_usage_error() {
    let world = World::new();
    for (arguments, words) in [
        (
            "--preset large",
            "--preset large: expected one of demo, demo-media, minilm",
        ),
        ("--preset minilm", "--preset minilm needs --data DIR"),
        ("--seeds 1,1", "names a seed twice"),
    ] {
        let error = world.try_run(arguments).unwrap_err();
        assert!(error.is::<Usage>(), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(!world.path("runs").exists());
}

#[test]
fn bad_data_leave_out_as_it_was() {
    let world = World::new();
    fs::write(world.path("input/mosi/bad"), "").unwrap();
    let failed = world
        .try_run("--data DATA")
        .unwrap_err()
        .downcast::<child::Failed>()
        .unwrap();
    assert_eq!((failed.exit_code(), failed.message()), (1, None));
    assert!(!world.path("runs").exists());
    fs::remove_file(world.path("input/mosi/bad")).unwrap();
    world.run("--data DATA");
    let before = tree::sha256_dir(&world.path("runs")).unwrap();
    fs::write(world.path("input/mosi/bad"), "").unwrap();
    for arguments in ["--data DATA", "--data DATA --force"] {
        assert!(world.try_run(arguments).is_err());
        assert_eq!(tree::sha256_dir(&world.path("runs")).unwrap(), before);
    }
    assert!(world.error("--data DATA/none").contains("is not a folder"));
    assert_eq!(
        world
            .try_run("unknown=1")
            .unwrap_err()
            .downcast::<child::Failed>()
            .unwrap()
            .exit_code(),
        2
    );
}

#[test]
fn another_configuration_needs_force() {
    let world = World::new();
    world.run("train.epochs=3");
    let error = world.error("train.epochs=5");
    assert!(
        error.contains("train.epochs is 3 there, 5 here") && error.contains("--force"),
        "{error}"
    );
    assert!(
        world
            .error("train.epochs=3 --seeds 2")
            .contains("seeds [1], not [2]")
    );
    assert_eq!(
        world.run("train.epochs=5 --force"),
        "config demo ingest unify train evaluate report"
    );
    assert_eq!(world.run("train.epochs=5"), "config");
    assert_eq!(
        world.run("train.epochs=5 --seeds 1,2 --force"),
        "config demo ingest unify train evaluate report train evaluate report report"
    );
    assert!(
        !world.path("runs/out/checkpoints").exists(),
        "what the single run left is gone"
    );
}

#[test]
fn a_folder_of_other_things_is_never_touched() {
    let world = World::new();
    fs::create_dir_all(world.path("runs/out")).unwrap();
    fs::write(world.path("runs/out/thesis.tex"), "x").unwrap();
    for arguments in ["", "--force"] {
        assert!(
            world
                .error(arguments)
                .contains("holds other things and no run")
        );
    }
    assert_eq!(
        tree::files(&world.path("runs")).unwrap(),
        [("out/thesis.tex".to_owned(), 1)]
    );
}

#[test]
fn unfinished_training_wants_resume() {
    let world = World::new();
    fs::write(world.path("stop"), "").unwrap();
    assert_eq!(
        world
            .try_run("")
            .unwrap_err()
            .downcast::<child::Failed>()
            .unwrap()
            .exit_code(),
        130
    );
    fs::remove_file(world.path("stop")).unwrap();
    let error = world.error("");
    assert!(
        error.contains("unfinished") && error.contains("--resume"),
        "{error}"
    );
    assert_eq!(world.run("--resume"), "config train evaluate report");
    assert_eq!(world.read("checkpoints/last"), "1yes\n");
    assert_eq!(world.run("--resume"), "config", "nothing is left to resume");
}

#[test]
fn several_seeds_share_tables_and_make_an_aggregate() {
    let world = World::new();
    assert_eq!(
        world.run("--seeds 3,1"),
        "config demo ingest unify train evaluate report train evaluate report report"
    );
    for seed in ["seed-3", "seed-1"] {
        for name in [
            "config.toml",
            "corpus/mosi-train.parquet",
            "labels/mosi.parquet",
            "results.json",
            "report.html",
            "provenance.json",
        ] {
            assert!(
                world.path("runs/out").join(seed).join(name).exists(),
                "{seed}/{name}"
            );
        }
    }
    let inode = |name: &str| {
        fs::metadata(world.path("runs/out").join(name))
            .unwrap()
            .ino()
    };
    assert_eq!(
        inode("corpus/mosi-train.parquet"),
        inode("seed-1/corpus/mosi-train.parquet")
    );
    assert!(world.read("results.json").contains("aggregate"));
    assert_eq!(world.run("--seeds 3,1"), "config");
    fs::remove_file(world.path("runs/out/seed-1/events.jsonl")).unwrap();
    assert_eq!(
        world.run("--seeds 3,1"),
        "config train evaluate report report",
        "one seed again, and the aggregate it belongs to"
    );
}

#[test]
fn a_data_folder_with_a_link_back_is_an_error_that_names_it() {
    let world = World::new();
    let link = world.path("input/mosi/again");
    std::os::unix::fs::symlink("..", &link).unwrap();
    let error = world.error("--data DATA");
    assert!(
        error.contains("mosi/again is a link back to ") && !error.contains('\n'),
        "{error}"
    );
    assert!(!world.path("runs").exists());
}

#[test]
fn force_leaves_the_checkpoints_of_a_training_at_work() {
    let world = World::new();
    world.run("");
    let before = world.read("checkpoints/last");
    let training = unimse_run::RunLock::take(&world.path("runs/out")).unwrap();
    fs::write(world.path("code"), CODE.replace('1', "2")).unwrap();
    let error = world.error("");
    let holder = format!("process {} is at work", std::process::id());
    assert!(error.contains(&holder), "{error}");
    assert_eq!(world.read("checkpoints/last"), before);
    drop(training);
    world.run("");
}

/// Runs the test `name` of this program again, with rights to mount, and what it mounts gone with it; false where the system grants none.
fn with_mounts(name: &str) -> bool {
    let place = tempfile::tempdir().unwrap();
    let again = |rights: &[&str]| {
        Command::new("unshare")
            .args(rights)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(MOUNTS, "1")
            .env("TMPDIR", place.path()) // outside the mounts, so that it can be removed
            .output()
    };
    for rights in [&["--mount"][..], &["--mount", "--map-root-user"]] {
        let possible = Command::new("unshare").args(rights).arg("true").output();
        if possible.is_ok_and(|output| output.status.success()) {
            let output = again(rights).unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            return true;
        }
    }
    false
}

const MOUNTS: &str = "UNIMSE_TEST_MAY_MOUNT";

fn mount(arguments: &[&std::ffi::OsStr]) {
    let output = Command::new("mount").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mount {arguments:?}: {said}");
}

/// Every stage, a failure that leaves nothing behind, and nothing left to do.
fn assert_works(world: &World) {
    fs::write(world.path("input/mosi/bad"), "").unwrap();
    assert!(world.try_run("--data DATA").is_err());
    assert_eq!(tree::files(&world.path("runs/out")).unwrap(), []);
    fs::remove_file(world.path("input/mosi/bad")).unwrap();
    let all = "config ingest unify train evaluate report";
    assert_eq!(world.run("--data DATA"), all);
    assert_eq!(world.run("--data DATA"), "config");
    assert_eq!(world.run("--data DATA --force"), all);
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string();
        entries.map(|e| name(e).unwrap()).collect()
    };
    assert_eq!(names(&world.path("runs")), ["out"]);
    let out = names(&world.path("runs/out"));
    assert!(!out.iter().any(|name| name.contains("partial")), "{out:?}");
}

#[test]
fn out_may_be_a_mount_point_and_lie_below_a_folder_that_cannot_be_written() {
    if std::env::var_os(MOUNTS).is_none() {
        let name = "reproduce::tests::out_may_be_a_mount_point_and_lie_below_a_folder_that_cannot_be_written";
        if !with_mounts(name) {
            eprintln!("skipped: {name} needs unshare(1) and the right to mount");
        }
        return;
    }
    // another file system below a folder that cannot be written
    let world = World::new();
    let (runs, out) = (world.path("runs"), world.path("runs/out"));
    fs::create_dir_all(&out).unwrap();
    mount(&["--bind".as_ref(), runs.as_ref(), runs.as_ref()]);
    mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), runs.as_ref()]);
    assert!(fs::write(runs.join("x"), "").is_err());
    mount(&[
        "-t".as_ref(),
        "tmpfs".as_ref(),
        "tmpfs".as_ref(),
        out.as_ref(),
    ]);
    assert_works(&world);

    // the same file system, mounted there once more, with what a fresh one holds
    let world = World::new();
    let (elsewhere, out) = (world.path("elsewhere"), world.path("runs/out"));
    fs::create_dir_all(&out).unwrap();
    fs::create_dir_all(elsewhere.join("lost+found")).unwrap();
    mount(&["--bind".as_ref(), elsewhere.as_ref(), out.as_ref()]);
    assert_works(&world);
}

#[test]
fn scratch_lies_in_out_where_none_can_be_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    // .NAME.partial is longer than a name may be: it cannot be made, not even by root
    let out = dir.path().join("x".repeat(250));
    let error = format!("{:#}", Scratch::for_run(&out).err().unwrap());
    assert!(
        error.starts_with("cannot make a folder beside --out "),
        "{error}"
    );
    fs::create_dir(&out).unwrap();
    let scratch = Scratch::for_run(&out).unwrap();
    assert_eq!(scratch.path.parent(), Some(out.as_path()));
    let identity = Identity {
        preset: "demo".to_owned(),
        seeds: vec![1],
        config: String::new(),
    };
    identity.check(&out, false).unwrap();
    drop(scratch);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}
