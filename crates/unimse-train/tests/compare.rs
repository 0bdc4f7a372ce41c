//! `compare` on runs written by hand: what differences, intervals and p-values are, and what cannot be compared.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod written;

use std::fs;
use std::path::PathBuf;

use unimse_eval::Metric;
use unimse_run::PredictedRow;
use unimse_train::compare::compare;
use written::{TALKS, rows, talk, write};

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A run of one seed.
    fn run(&self, name: &str, rows: &[PredictedRow]) -> PathBuf {
        let path = self.0.path().join(name);
        write(&path, 1, rows);
        path
    }

    fn error(&self, rows: &[PredictedRow]) -> String {
        let runs = [
            self.run("reference", &written::rows([0.5; 6])),
            self.run("other", rows),
        ];
        compare(&runs, false).unwrap_err().to_string()
    }
}

#[test]
fn means_over_seeds_and_their_difference_to_the_reference() {
    let world = World::new();
    let reference = world.0.path().join("reference");
    // absolute errors 0.5 and 1.0 on every row
    write(&reference.join("seed-1"), 1, &rows([0.5; 6]));
    write(&reference.join("seed-2"), 2, &rows([-1.0; 6]));
    let better = world.run("better", &rows([0.25; 6]));
    let comparison = compare(&[reference, better], false).unwrap();
    assert_eq!((comparison.resamples, comparison.seed), (500, 9));
    let [reference, better] = &comparison.runs[..] else {
        panic!("{comparison:?}");
    };
    assert_eq!(
        (reference.seeds.as_slice(), reference.test_openings),
        (&[1, 2][..], 2)
    );
    let talks = reference.corpora.get("talks").unwrap();
    assert_eq!((talks.n, talks.clusters), (6, 3));
    let mae = &talks.metrics[&Metric::Mae];
    let mean = (0.5 + 1.0) / 2.0;
    assert_eq!(mae.mean, Some(mean));
    assert_eq!(mae.sd, Some((2.0 * 0.25_f64.powi(2)).sqrt()));
    assert_eq!(mae.difference, None);
    let mae = &better.corpora.get("talks").unwrap().metrics[&Metric::Mae];
    let difference = mae.difference.as_ref().unwrap();
    // the same on every row, so on every resample
    let interval = &difference.interval;
    assert_eq!(interval.estimate, Some(0.25 - mean));
    assert_eq!(
        (interval.low, interval.high),
        (interval.estimate, interval.estimate)
    );
    assert_eq!(difference.p, Some(2.0 / 501.0));
    let accuracy = &better.corpora.get("chats").unwrap().metrics[&Metric::Accuracy];
    assert_eq!(accuracy.mean, Some(1.0 / 2.0));
    assert_eq!(accuracy.difference.as_ref().unwrap().p, Some(1.0));
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let world = World::new();
    let errors = [0.5, 0.1, -0.3, 0.7, 0.0, 0.2];
    let mut shuffled = rows(errors);
    shuffled.reverse();
    let reference = world.run("reference", &rows([0.25; 6]));
    let said = |run| {
        let mut comparison = compare(&[reference.clone(), run], false).unwrap();
        comparison.runs[1].run.clear();
        comparison
    };
    let in_order = said(world.run("one", &rows(errors)));
    assert_eq!(in_order, said(world.run("two", &shuffled)));
    assert_eq!(in_order, said(world.run("one", &rows(errors))));
}

#[test]
fn a_corpus_that_a_run_lacks_is_left_out_by_name() {
    let world = World::new();
    let mut talks = rows([0.5; 6]);
    talks.truncate(6);
    let mut mute = rows([0.5; 6]);
    mute.iter_mut().for_each(|row| row.meld = None);
    let runs = [
        world.run("reference", &rows([0.5; 6])),
        world.run("talks", &talks),
        world.run("mute", &mute),
    ];
    let comparison = compare(&runs, false).unwrap();
    let why = |run: usize| comparison.runs[run].left_out.get("chats").unwrap();
    assert_eq!(why(1), "not tested in this run");
    assert_eq!(why(2), "the run answers no meld emotions");
    assert!(comparison.runs[1].corpora.get("talks").is_some());
    let other_way = compare(&[runs[1].clone(), runs[0].clone()], false).unwrap();
    let why = other_way.runs[1].left_out.get("chats").unwrap();
    assert_eq!(why, "not compared in the reference");
}

#[test]
fn rows_that_are_not_shared_are_an_error_that_says_who_lacks_what() {
    let world = World::new();
    let mut lacks = rows([0.5; 6]);
    lacks.remove(2);
    let error = world.error(&lacks);
    assert!(
        error.contains("other: corpus talks: it lacks the test row u2 of "),
        "{error}"
    );
    let mut more = rows([0.5; 6]);
    more.push(talk(("u9", "c", 1.0), 1.0));
    let error = world.error(&more);
    assert!(error.contains("reference lacks its test row u9"), "{error}");
    let mut twice = rows([0.5; 6]);
    twice.push(twice[0].clone());
    assert!(world.error(&twice).contains("occurs twice"));
    let mut other_gold = rows([0.5; 6]);
    other_gold[3].truth_score = Some(1.5);
    let error = world.error(&other_gold);
    assert!(
        error.contains("utterance u3 has the gold label 1.5") && error.contains("it has -1"),
        "{error}"
    );
    let mut wrong = rows([0.5; 6]);
    wrong[7].meld = Some("bliss".to_owned());
    let error = world.error(&wrong);
    assert!(
        error.contains("utterance c1: column meld: expected one of neutral, ")
            && error.contains("found \"bliss\""),
        "{error}"
    );
}

#[test]
fn broken_files_are_errors_with_their_path() {
    let world = World::new();
    let run = world.run("run", &rows([0.5; 6]));
    fs::write(run.join("predictions.parquet"), b"PAR1 no").unwrap();
    let error = compare(std::slice::from_ref(&run), false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("predictions.parquet"), "{error}");
    fs::write(run.join("results.json"), "{").unwrap();
    let error = compare(&[run], false).unwrap_err().to_string();
    assert!(error.contains("results.json"), "{error}");
    assert!(compare(&[], false).is_err());
}

#[test]
fn the_reference_read_in_every_way() {
    let world = World::new();
    let reference = world.run("reference", &rows([0.5; 6]));
    let comparison = compare(&[reference], true).unwrap();
    let names: Vec<&str> = comparison
        .runs
        .iter()
        .filter_map(|run| run.readout.as_deref())
        .collect();
    assert_eq!(
        names,
        [
            "intensity: text",
            "intensity: expectation",
            "intensity: median",
            "intensity: signed_median",
            "emotion: text",
            "emotion: marginal"
        ]
    );
    // the text says 0.5 of every row
    let text = comparison.runs[1].corpora.get("talks").unwrap();
    let expected: f64 = TALKS
        .iter()
        .map(|(_, _, gold)| f64::from((0.5 - gold).abs()))
        .sum();
    let mae = text.metrics[&Metric::Mae].mean.unwrap();
    assert!((mae - expected / 6.0).abs() < 1e-12, "{mae}");
    // what dev chose is not read anew
    let chosen = comparison.runs[2].corpora.get("talks").unwrap();
    let difference = chosen.metrics[&Metric::Mae].difference.as_ref().unwrap();
    assert_eq!(
        (difference.interval.estimate, difference.p),
        (Some(0.0), Some(1.0))
    );
    assert!(comparison.runs[1].corpora.get("chats").is_none());
}
