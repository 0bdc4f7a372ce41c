//! SIGKILL at any moment of a training and its evaluation, the writing of a checkpoint and the answering of dev among them, costs time and nothing else: gone on with until it ends, the run holds, byte for
//! byte, what the uninterrupted one holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use unimse_run::RunFolder;

use crate::runs::{self, Run, WORLD, files};

/// Kills that must have hit a living process.
const KILLS: usize = 20;
/// The signal that no process can catch.
const SIGKILL: i32 = 9;
/// Ten batches an epoch, so that a checkpoint is written within an epoch and at its end, and the event of the tenth update is the last before dev is
/// answered a second time.
const SETTINGS: [&str; 8] = [
    "train.precision=bf16",
    "train.accumulate=2",
    "train.temperature=2",
    "train.save_every=3",
    "train.epochs=2",
    "train.batch=56",
    "evaluate.robustness=false",
    "evaluate.resamples=100",
];

/// Runs `command` until it ends, or is killed because it is `time`; whether it was. A failure of its own fails the test.
fn killed(run: &Run, mut command: Command, time: impl Fn() -> bool) -> bool {
    let said = run.path("stderr");
    let mut child = command
        .stdout(Stdio::null())
        .stderr(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if time() {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let killed = status.signal() == Some(SIGKILL);
    assert!(
        killed || status.success(),
        "{status}: {}",
        std::fs::read_to_string(&said).unwrap()
    );
    killed
}

/// Trains, or goes on with it, and evaluates, for at most `time`: the stage that was killed, `None` where both ended before.
fn live(run: &Run, time: Option<Duration>) -> Option<&'static str> {
    let deadline = time.map(|time| Instant::now() + time);
    let over = || deadline.is_some_and(|at| Instant::now() >= at);
    let folder = run.path("run");
    let evaluate = ["evaluate", "--run", folder.to_str().unwrap()];
    if killed(run, training(run), over) {
        return Some("train");
    }
    killed(run, runs::command(&evaluate), over).then_some("evaluate")
}

fn training(run: &Run) -> Command {
    run.train(&[&["--resume"], &SETTINGS[..]].concat())
}

/// Updates of a training, by its first event.
fn updates(run: &Run) -> u64 {
    let log = std::fs::read_to_string(RunFolder::new(&run.path("run")).events()).unwrap();
    let start: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    start["updates"].as_u64().unwrap()
}

/// Whether the state of the loop is half written, not for the first time.
fn saves(run: &Run) -> bool {
    let folder = RunFolder::new(&run.path("run"));
    let entries = std::fs::read_dir(folder.checkpoints());
    let mut names = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name());
    folder.last().exists()
        && names.any(|name| name.to_string_lossy().starts_with(".unimse-writing-"))
}

/// Whether dev has selected weights that no card says how to read yet.
fn selects(run: &Run) -> bool {
    let folder = RunFolder::new(&run.path("run"));
    folder.best().exists() && !folder.model_card().exists()
}

/// Whether dev is being answered for the second time, behind the tenth update.
fn answers(run: &Run) -> bool {
    let log = RunFolder::new(&run.path("run")).events();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let last = log.lines().next_back().unwrap_or_default();
    last.contains(r#""event":"step","step":10,"#) && last.ends_with('}')
}

/// A new run whose training was killed at such a `moment`, and shows it.
fn hit(moment: impl Fn(&Run) -> bool) -> Run {
    let mut runs = (0..KILLS).map(|_| Run::new(WORLD.checkpoint.path()));
    let hit = runs.find(|run| killed(run, training(run), || moment(run)) && moment(run));
    hit.expect("a training that was killed in time")
}

/// What a run holds when it has ended, without what tells of time or of how often it was begun: the logs, the receipts, and those
/// parts of the results.
fn holds(run: &Run) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(&run.path("run"));
    for told in ["events.jsonl", "receipts.jsonl"] {
        assert!(found.remove(&PathBuf::from(told)).is_some(), "no {told}");
    }
    // every number in it has one width, times too: a record too many or too few changes the length
    let scalars = found
        .get_mut(&RunFolder::new(Path::new("")).scalars())
        .unwrap();
    *scalars = scalars.len().to_le_bytes().to_vec();
    let results = found.get_mut(&PathBuf::from("results.json")).unwrap();
    let mut read: serde_json::Value = serde_json::from_slice(results).unwrap();
    assert!(read["timing"].take().is_object());
    assert!(read["protocol"]["test_openings"].take().as_u64() >= Some(1));
    *results = serde_json::to_vec(&read).unwrap();
    found
}

fn assert_equal(whole: &BTreeMap<PathBuf, Vec<u8>>, run: &Run) {
    let parts = holds(run);
    let names = |found: &BTreeMap<PathBuf, Vec<u8>>| found.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(whole), names(&parts));
    for (name, bytes) in whole {
        // the state of the loop holds the length of the event log, whose times have more digits or fewer
        if !name.ends_with("last.safetensors") {
            assert!(bytes == &parts[name], "{} differs", name.display());
        }
    }
}

/// Moments within `length`, without end: each twentieth of it has one of twenty in turn, drawn from a fixed seed.
fn moments(length: Duration) -> impl Iterator<Item = Duration> {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    // 7 and 20 have no common divisor, so every twentieth is met
    let parts = (0..KILLS).map(|i| i * 7 % KILLS).cycle();
    parts.map(move |part| {
        let within: f64 = rng.random();
        length.mul_f64((part as f64 + within) / KILLS as f64)
    })
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_the_uninterrupted_one() {
    let whole = Run::new(WORLD.checkpoint.path());
    let start = Instant::now();
    assert_eq!(live(&whole, None), None);
    let length = start.elapsed();
    let updates = updates(&whole);
    let whole = holds(&whole);
    for name in [
        "checkpoints/model.safetensors",
        "checkpoints/model.json",
        "checkpoints/features.json",
        "predictions.parquet",
        "representations.json",
    ] {
        assert!(whole.contains_key(&PathBuf::from(name)), "no {name}");
    }

    let mut kills: BTreeMap<&str, usize> = BTreeMap::new();
    let mut run = Run::new(WORLD.checkpoint.path());
    for moment in moments(length).take(10 * KILLS) {
        match live(&run, Some(moment)) {
            Some(stage) => *kills.entry(stage).or_default() += 1,
            None => {
                assert_equal(&whole, &run);
                run = Run::new(WORLD.checkpoint.path());
            }
        }
        if kills.values().sum::<usize>() >= KILLS && kills.len() == 2 {
            break;
        }
    }
    assert_eq!(live(&run, None), None);
    assert_equal(&whole, &run);
    eprintln!("an uninterrupted run takes {length:?}; killed: {kills:?}");
    assert!(kills.values().sum::<usize>() >= KILLS, "{kills:?}");
    assert_eq!(kills.keys().collect::<Vec<_>>(), [&"evaluate", &"train"]);

    // moments that chance may miss; the tenth update is the last one, or `answers` would be a moment within an epoch
    assert_eq!(updates, 10);
    for run in [hit(saves), hit(answers), hit(selects)] {
        assert_eq!(live(&run, None), None);
        assert_equal(&whole, &run);
    }
}
