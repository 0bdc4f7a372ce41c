//! Rows that several processes answer for each other, of dev, of test and of texts to embed: the bytes of one process, and an end for all where one ends.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::{self, end, spawn};
use crate::runs::{Run, WORLD, assert_done, command, files, refused, stderr};

/// A training that one process finished.
static TRAINED: LazyLock<Run> = LazyLock::new(|| {
    let run = Run::new(WORLD.checkpoint.path());
    assert_done(&run.train(&[]).output().unwrap());
    run
});

/// A run with the files of [`TRAINED`].
fn trained() -> Run {
    let run = Run::new(WORLD.checkpoint.path());
    for (name, bytes) in files(&TRAINED.path("run")) {
        let to = run.path("run").join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    run
}

fn evaluate(run: &Run) -> Command {
    command(&["evaluate", "--run", run.path("run").to_str().unwrap()])
}

/// The tables of [`WORLD`] unified into `place`, with a cache of its own there.
fn unify(place: &Path) -> Command {
    let corpus = WORLD.tables.path().join("corpus").display().to_string();
    let (out, encoder) = (place.join("labels"), WORLD.checkpoint.path());
    let [out, encoder] = [out.as_path(), encoder].map(|path| path.to_str().unwrap());
    let arguments = ["unify", "--corpus", &corpus, "--out", out];
    let mut unify = command(&[&arguments[..], &["--encoder", encoder]].concat());
    unify.env("XDG_CACHE_HOME", place.join("cache"));
    unify
}

fn begin(size: usize, command: impl Fn() -> Command) -> Vec<Child> {
    match size {
        1 => spawn(vec![command()]),
        size => spawn(processes::ranks(size, |_| command())),
    }
}

fn all_done(size: usize, command: impl Fn() -> Command) -> Vec<Output> {
    let ended = end(begin(size, command));
    ended.iter().for_each(assert_done);
    ended
}

/// The files below `folder` without the times that they tell.
fn holds(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let timeless = |(name, bytes): (PathBuf, Vec<u8>)| {
        let untimed = match name.to_str() {
            Some("results.json") => {
                let mut read: Value = serde_json::from_slice(&bytes).unwrap();
                assert!(read["timing"].take().is_object());
                read.to_string().into_bytes()
            }
            Some("receipts.jsonl") => {
                let openings = bytes.split(|&byte| byte == b'\n').count();
                openings.to_string().into_bytes()
            }
            _ => bytes,
        };
        (name, untimed)
    };
    files(folder).into_iter().map(timeless).collect()
}

fn assert_same(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) {
    assert!(one.keys().eq(other.keys()), "{:?}", other.keys());
    for (name, bytes) in one {
        assert!(bytes == &other[name], "{} differs", name.display());
    }
}

/// The scores of dev that every epoch tells.
fn dev_scores(run: &Run) -> Vec<Value> {
    let text = std::fs::read_to_string(run.path("run/events.jsonl")).unwrap();
    let events = text.lines().map(|l| serde_json::from_str(l).unwrap());
    let scores = events.map(|event: Value| event["dev"].clone());
    scores.filter(Value::is_object).collect()
}

/// Rates of 0 keep the weights as they are drawn, the same whoever trains.
#[test]
fn dev_is_answered_as_by_one_process() {
    let rates = ["backbone", "fusion", "rest"].map(|part| format!("train.lr_{part}=0"));
    let rates: Vec<&str> = rates.iter().map(String::as_str).collect();
    let run = |size| {
        let run = Run::new(WORLD.checkpoint.path());
        all_done(size, || run.train(&rates));
        run
    };
    let one = run(1);
    let chosen = |run: &Run| {
        let names = ["model.safetensors", "model.json"];
        names.map(|name| std::fs::read(run.path("run/checkpoints").join(name)).unwrap())
    };
    assert_eq!(dev_scores(&one).len(), 1);
    for several in [2, 3].map(run) {
        assert_eq!(dev_scores(&one), dev_scores(&several));
        assert!(chosen(&one) == chosen(&several));
    }
}

#[test]
fn an_evaluation_has_the_bytes_of_one_process() {
    let run = |size| {
        let run = trained();
        let ended = all_done(size, || evaluate(&run));
        let told = ended.iter().filter(|output| !output.stdout.is_empty());
        assert_eq!(told.count(), 1, "the leading process alone tells scores");
        let results = std::fs::read_to_string(run.path("run/results.json")).unwrap();
        let results: Value = serde_json::from_str(&results).unwrap();
        assert_eq!(results["protocol"]["test_openings"], 1);
        let robust = &results["corpora"]["mosi"]["test"]["robustness"];
        assert!(!robust["subsets"].as_array().unwrap().is_empty());
        holds(&run.path("run"))
    };
    let one = run(1);
    assert!(one.contains_key(Path::new("predictions.parquet")));
    for several in [2, 3].map(run) {
        assert_same(&one, &several);
    }
}

#[test]
fn embeddings_and_their_cache_have_the_bytes_of_one_process() {
    let run = |size| {
        let place = tempfile::tempdir().unwrap();
        all_done(size, || unify(place.path()));
        let first = files(place.path());
        // now that every text is known
        all_done(size, || unify(place.path()));
        assert_same(&first, &files(place.path()));
        first
    };
    let one = run(1);
    let cached = one.keys().filter(|name| name.starts_with("cache"));
    assert_eq!(cached.count(), 1);
    for several in [2, 3].map(run) {
        assert_same(&one, &several);
    }
}

/// Waits until `path` is there.
fn until(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {path:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills the process of rank `killed`; all others end soon with an error that says so.
fn assert_all_end(mut children: Vec<Child>, killed: usize) {
    let begun = Instant::now();
    children[killed].kill().unwrap();
    for (rank, output) in end(children).iter().enumerate() {
        if rank != killed {
            refused(output, &["another process has ended or does not answer"]);
        }
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// One update an epoch, saved: what follows is dev.
#[test]
fn a_process_that_is_killed_while_dev_is_answered_ends_all() {
    for (size, killed) in [(3, 1), (2, 0)] {
        let run = Run::new(WORLD.checkpoint.path());
        let more = ["train.batch=4096", "train.token_budget=1000000"];
        let children = begin(size, || {
            run.train(&[&more[..], &["train.epochs=40"]].concat())
        });
        until(&run.path("run/checkpoints/last.safetensors"));
        assert_all_end(children, killed);
        let epochs = dev_scores(&run).len();
        assert!(epochs < 40, "{epochs} epochs");
    }
}

#[test]
fn a_process_that_is_killed_while_test_is_answered_ends_all_and_another_evaluation_succeeds() {
    for (size, killed) in [(3, 1), (2, 0)] {
        let run = trained();
        let children = begin(size, || evaluate(&run));
        until(&run.path("run/receipts.jsonl"));
        assert_all_end(children, killed);
        all_done(size, || evaluate(&run));
        let results = std::fs::read_to_string(run.path("run/results.json")).unwrap();
        let results: Value = serde_json::from_str(&results).unwrap();
        assert_eq!(results["protocol"]["test_openings"], 2);
    }
}

#[test]
fn a_process_that_is_killed_while_texts_are_embedded_ends_all() {
    let place = tempfile::tempdir().unwrap();
    let mut children = begin(2, || unify(place.path()));
    let mut said = BufReader::new(children[0].stderr.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("embedded by 2 processes\n") {
        assert!(said.read_line(&mut line).unwrap() > 0, "{line}");
    }
    let begun = Instant::now();
    children[1].kill().unwrap();
    said.read_to_string(&mut line).unwrap();
    assert!(line.contains("error: process 0 of 2: "), "{line}");
    assert!(line.contains("another process has ended"), "{line}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let codes = end(children).into_iter().map(|output| output.status.code());
    assert_eq!(codes.collect::<Vec<_>>(), [Some(1), None]);
    assert!(!place.path().join("cache").exists());
    all_done(2, || unify(place.path()));
}

#[test]
fn a_signal_to_one_process_stops_the_evaluation_of_all() {
    let run = trained();
    let children = begin(2, || evaluate(&run));
    until(&run.path("run/receipts.jsonl"));
    let kill = ["-INT".to_owned(), children[1].id().to_string()];
    assert!(Command::new("kill").args(kill).status().unwrap().success());
    for output in end(children) {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{said}");
    }
    assert!(!run.path("run/results.json").exists());
}

#[test]
fn processes_that_label_otherwise_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = place.path().join("elsewhere");
    let with = |flag: &str, value: &str| {
        let mut unify = unify(place.path());
        unify.args([flag, value]);
        unify
    };
    let there = |flag: &str| {
        format!("process 1 works on something else than process 0 (there): {flag} is ")
    };
    for (flag, ways) in [
        (
            "--donors",
            [with("--donors", "train"), with("--donors", "all")],
        ),
        (
            "--min-similarity",
            [unify(place.path()), with("--min-similarity", "0.5")],
        ),
        ("--out", [unify(place.path()), unify(&elsewhere)]),
    ] {
        let ways = RefCell::new(VecDeque::from(ways));
        let all = processes::ranks(2, |_| ways.borrow_mut().pop_front().unwrap());
        let ended = end(spawn(all));
        refused(&ended[1], &[&there(flag)]);
        refused(&ended[0], &["another process has ended"]);
        assert!(files(place.path()).is_empty(), "{flag}");
    }
}

#[test]
fn processes_that_answer_something_else_are_refused() {
    let run = trained();
    let all = processes::ranks(2, |rank| {
        let mut evaluate = evaluate(&run);
        if rank == 1 {
            evaluate.env("ATEN_CPU_CAPABILITY", "default");
        }
        evaluate
    });
    let ended = end(spawn(all));
    let words = "process 1 works on something else than process 0 (there): the CPU is ";
    refused(&ended[1], &[words]);
    refused(&ended[0], &["another process has ended"]);
    assert!(!run.path("run/receipts.jsonl").exists());
}
