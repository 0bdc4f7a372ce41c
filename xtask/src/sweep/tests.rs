//! Searches with a shell script in the place of `unimse`: dev scores a configuration with its value of `train.score`.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use crate::fake::World;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

fn try_run(world: &World, arguments: &str) -> Result<()> {
    let mut options: Options = world.parse(&format!("--data DATA {arguments}"));
    options.run.out = Some(world.path("runs/out"));
    let proposals = options.proposals()?;
    super::sweep(&world.checkout, &world.path("unimse"), &options, proposals)
}

fn found(world: &World) -> Sweep {
    serde_json::from_str(&world.read("sweep.json")).unwrap()
}

fn usage(world: &World, arguments: &str) -> String {
    let error = try_run(world, arguments).unwrap_err();
    assert!(error.is::<Usage>(), "{error}");
    error.to_string()
}

#[test]
fn a_grid_is_scored_on_dev_over_seeds_and_test_stays_closed() {
    let world = World::new();
    try_run(&world, "--grid --seeds 1,3 train.score=1,3,2 a.b=5").unwrap();
    assert_eq!((world.count("ingest"), world.count("train")), (1, 3 * 2));
    for closed in ["evaluate", "report", "compare"] {
        assert_eq!(world.count(closed), 0, "{closed}");
    }
    let sweep = found(&world);
    assert_eq!(sweep.best, Some(1));
    assert_eq!(sweep.trials[1].values, ["train.score=3", "a.b=5"]);
    let score = &sweep.trials[1].scores[0];
    assert_eq!(
        (score.epochs, score.per_seed.as_slice()),
        (8, &[3.01, 3.03][..])
    );
    assert_eq!(score.mean, Some((3.01 + 3.03) / 2.0));
    let best = world.read("best.toml");
    assert!(
        best.contains("train.score = 3") && best.contains("a.b = 5"),
        "{best}"
    );
    try_run(&world, "--grid --seeds 1,3 train.score=1,3,2 a.b=5").unwrap();
    assert_eq!(world.count("train"), 0, "nothing changed");
    assert_eq!(found(&world).best, Some(1));
}

#[test]
fn halving_trains_the_survivors_for_more_epochs() {
    let world = World::new();
    try_run(
        &world,
        "--grid --halving 2 train.score=1,5,3,4 train.epochs=4",
    )
    .unwrap();
    let sweep = found(&world);
    let epochs = |trial: usize| -> Vec<u64> {
        let scores = sweep.trials[trial].scores.iter();
        scores.map(|score| score.epochs).collect()
    };
    assert_eq!(
        [epochs(0), epochs(1), epochs(2), epochs(3)],
        [vec![1], vec![1, 2, 4], vec![1], vec![1, 2]]
    );
    assert_eq!(world.count("train"), 4 + 2 + 1);
    assert_eq!(sweep.best, Some(1));
    let best = world.read("best.toml");
    assert!(best.contains("train.epochs = 4"), "{best}");
}

/// What a search chose and found, without what it was asked.
fn outcome(world: &World) -> (Option<usize>, String, String) {
    (
        found(world).best,
        world.read("best.toml"),
        world.read("sweep.json"),
    )
}

/// A search of three rungs over two seeds.
const SEARCH: &str = "--random 6 --halving 2 --proposal-seed 3 --seeds 1,2 train.score=1..1000 a.rate=1e-5..1e-2:log train.epochs=4";
/// Names the folder of the world in which [`a_search_to_be_killed`] searches.
const IN: &str = "UNIMSE_TEST_SEARCH_IN";

/// No test of its own: what [`killed_twice_by_sigkill_and_resumed_it_chooses_the_same`] runs in a process of its own, which has the variable.
#[test]
fn a_search_to_be_killed() {
    let Some(folder) = std::env::var_os(IN) else {
        return;
    };
    let world = World::at(&PathBuf::from(folder));
    try_run(&world, &format!("{SEARCH} --resume")).unwrap();
}

#[test]
fn killed_twice_by_sigkill_and_resumed_it_chooses_the_same() {
    let (whole, world) = (World::new(), World::new());
    try_run(&whole, SEARCH).unwrap();
    let (hang, hung) = (world.path("hang"), world.path("hung"));
    for epochs in [2, 4] {
        fs::write(&hang, format!("train.epochs = {epochs}")).unwrap();
        let test = ["--exact", "sweep::tests::a_search_to_be_killed"];
        let mut search = Command::new(std::env::current_exe().unwrap());
        search
            .args(test)
            .env(IN, world.path(""))
            .stdout(Stdio::null());
        let mut search = search.stderr(Stdio::null()).spawn().unwrap();
        while !hung.exists() {
            assert!(search.try_wait().unwrap().is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        search.kill().unwrap();
        search.wait().unwrap();
        fs::remove_file(&hung).unwrap();
        assert!(!world.path("runs/out/best.toml").exists());
    }
    fs::remove_file(hang).unwrap();
    try_run(&world, &format!("{SEARCH} --resume")).unwrap();
    assert_eq!(outcome(&world), outcome(&whole));
}

#[test]
fn killed_twice_and_resumed_it_chooses_the_same() {
    let search = SEARCH;
    let whole = World::new();
    try_run(&whole, search).unwrap();
    let expected = outcome(&whole);
    let trainings = whole.count("train");
    let world = World::new();
    let mut calls = 0;
    for epochs in [1, 2] {
        fs::write(world.path("kill"), format!("train.epochs = {epochs}")).unwrap();
        let stopped = try_run(&world, &format!("{search} --resume")).unwrap_err();
        assert_eq!(
            stopped.downcast_ref::<child::Failed>().unwrap().exit_code(),
            130
        );
        calls += world.count("train");
        assert!(!world.path("runs/out/best.toml").exists());
    }
    let error = format!("{:#}", try_run(&world, search).unwrap_err());
    assert!(
        error.contains("unfinished") && error.contains("--resume"),
        "{error}"
    );
    try_run(&world, &format!("{search} --resume")).unwrap();
    calls += world.count("train");
    assert_eq!(outcome(&world), expected);
    assert_eq!(
        calls,
        trainings + 2,
        "only the two that were killed are called again"
    );
}

#[test]
fn a_training_that_fails_loses_and_where_all_fail_it_says_so() {
    let world = World::new();
    fs::write(world.path("fail"), "train.score = 9").unwrap();
    try_run(&world, "--grid train.score=1,9,2").unwrap();
    let sweep = found(&world);
    assert_eq!(sweep.best, Some(2));
    let why = sweep.trials[1].scores[0].failed.as_ref().unwrap();
    assert!(why.contains("unimse train failed: exit status: 1"), "{why}");
    fs::write(world.path("fail"), "preset").unwrap();
    let world = World::new();
    fs::write(world.path("fail"), "preset").unwrap();
    let error = try_run(&world, "--grid train.score=1,9")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("every training of the last rung failed"),
        "{error}"
    );
}

#[test]
fn wrong_keys_and_searches_are_errors_before_anything_is_done() {
    let world = World::new();
    let error = try_run(&world, "--grid unknown=1,2").unwrap_err();
    assert_eq!(
        error.downcast_ref::<child::Failed>().unwrap().exit_code(),
        2
    );
    assert!(error.to_string().contains("trial 0 (unknown=1)"), "{error}");
    assert_eq!(world.count("ingest") + world.count("train"), 0);
    assert!(!world.path("runs").exists());
    for (arguments, words) in [
        ("--grid a.b=1", "nothing is varied"),
        ("--grid a.b=1,2 a.b=3", "a.b is given twice"),
        ("--grid a.b=1..2", "a.b: a range needs --random"),
        ("--random 3 a.b=2..1", "LOW below HIGH"),
        (
            "--random 3 --halving 2 train.epochs=1..4",
            "--halving varies train.epochs itself",
        ),
        (
            "--grid a.b=1,2 --preset large",
            "expected one of demo, demo-media, minilm",
        ),
    ] {
        let said = usage(&world, arguments);
        assert!(said.contains(words), "{said}");
    }
}
