//! `compare` on runs written by hand: what differences, intervals and p-values are, and what cannot be compared.

use std::fs;
use std::path::PathBuf;

use unimse_eval::Metric;
use unimse_run::{PredictedRow, RESULTS_SCHEMA, Setting};
use unimse_train::compare::compare;
use unimse_train::config::RunConfig;

use crate::written::{self, TALKS, rows, talk, write};

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

/// Errors of 0.5 on all rows but u2, where it is 2.0.
fn spoiled_at_u2() -> Vec<PredictedRow> {
    rows([0.5, 0.5, 2.0, 0.5, 0.5, 0.5])
}

#[test]
fn numbers_are_of_the_rows_that_all_runs_hold_and_the_others_are_named() {
    let world = World::new();
    let mut lacks = rows([0.25; 6]);
    lacks.remove(2);
    let mut more = rows([1.0; 6]);
    more.push(talk(("u9", "c", 1.0), 3.0));
    let runs = [
        world.run("reference", &spoiled_at_u2()),
        world.run("lacks", &lacks),
        world.run("more", &more),
    ];
    let comparison = compare(&runs, false).unwrap();
    let talks = |run: usize| comparison.runs[run].corpora.get("talks").unwrap();
    for run in 0..3 {
        assert_eq!((talks(run).n, talks(run).clusters), (6 - 1, 3));
    }
    assert_eq!(talks(0).unshared, ["u2"]);
    assert_eq!(talks(1).unshared, [""; 0]);
    assert_eq!(talks(2).unshared, ["u2", "u9"]);
    // the reference is wrong by 2.0 on u2 alone, which one run lacks
    let mae = |run: usize| &talks(run).metrics[&Metric::Mae];
    assert_eq!(
        [0, 1, 2].map(|run| mae(run).mean),
        [0.5, 0.25, 1.0].map(Some)
    );
    let difference = mae(1).difference.as_ref().unwrap();
    assert_eq!(difference.interval.estimate, Some(0.25 - 0.5));
    assert_eq!(comparison.runs[0].corpora.get("chats").unwrap().n, 2);
}

#[test]
fn the_reference_is_read_anew_on_the_shared_rows() {
    let world = World::new();
    let mut lacks = rows([0.25; 6]);
    lacks.remove(2);
    let runs = [
        world.run("reference", &spoiled_at_u2()),
        world.run("lacks", &lacks),
    ];
    let comparison = compare(&runs, true).unwrap();
    let chosen = comparison
        .runs
        .iter()
        .find(|run| run.readout.as_deref() == Some("intensity: expectation"));
    let talks = chosen.unwrap().corpora.get("talks").unwrap();
    assert_eq!(
        (talks.n, talks.metrics[&Metric::Mae].mean),
        (6 - 1, Some(0.5))
    );
}

#[test]
fn a_run_without_a_common_row_is_left_out_and_the_others_are_compared() {
    let world = World::new();
    let other = [talk(("u7", "c", 1.0), 1.0), talk(("u8", "c", 2.0), 1.0)];
    let runs = [
        world.run("reference", &rows([0.5; 6])),
        world.run("other", &other),
        world.run("same", &rows([0.25; 6])),
    ];
    let comparison = compare(&runs, false).unwrap();
    let why = comparison.runs[1].left_out.get("talks").unwrap();
    assert_eq!(why, "it holds no test row that the runs before it hold");
    assert_eq!(comparison.runs[2].corpora.get("talks").unwrap().n, 6);
    let error = compare(&runs[..2], false).unwrap_err().to_string();
    assert!(
        error.contains("nothing to compare with") && error.contains("other: "),
        "{error}"
    );
}

#[test]
fn one_seed_against_three() {
    let world = World::new();
    let three = world.0.path().join("three");
    for (seed, error) in [(1, 0.25), (2, 0.5), (3, 1.5)] {
        write(&three.join(format!("seed-{seed}")), seed, &rows([error; 6]));
    }
    let one = world.run("one", &rows([0.5; 6]));
    let said = |runs: [PathBuf; 2]| {
        let comparison = compare(&runs, false).unwrap();
        let mae = comparison.runs[1].corpora.get("talks").unwrap().metrics[&Metric::Mae].clone();
        (
            mae.mean,
            mae.sd.is_some(),
            mae.difference.unwrap().interval.estimate,
        )
    };
    let mean = (0.25 + 0.5 + 1.5) / 3.0;
    assert_eq!(
        said([one.clone(), three.clone()]),
        (Some(mean), true, Some(mean - 0.5))
    );
    assert_eq!(said([three, one]), (Some(0.5), false, Some(0.5 - mean)));
}

#[test]
fn what_is_no_run_or_is_given_twice_or_has_nothing_in_common_is_refused() {
    let world = World::new();
    let refused = |runs: &[PathBuf], words: &str| {
        let error = compare(runs, false).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    };
    let run = world.run("run", &rows([0.5; 6]));
    refused(&[run.clone(), run.join("../run")], "the same folder as");
    let empty = world.0.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(
        &[run.clone(), empty],
        "empty: expected an evaluated run (results.json) or seed-<n> folders of some, found neither",
    );
    refused(&[run.clone(), world.0.path().join("nowhere")], "nowhere");
    let (talks, chats): (Vec<_>, Vec<_>) = rows([0.5; 6])
        .into_iter()
        .partition(|row| row.corpus == "talks");
    let apart = [world.run("talks", &talks), world.run("chats", &chats)];
    refused(
        &apart,
        "talks not tested in this run, chats not compared in the reference",
    );
    // a copy is another run, and does not differ
    let same = [run, world.run("copy", &rows([0.5; 6]))];
    let comparison = compare(&same, false).unwrap();
    let talks = comparison.runs[1].corpora.get("talks").unwrap();
    let difference = talks.metrics[&Metric::Mae].difference.as_ref().unwrap();
    assert_eq!(
        (difference.interval.estimate, difference.p),
        (Some(0.0), Some(1.0))
    );
}

#[test]
fn results_of_an_older_schema_are_read_or_refused_by_name() {
    let world = World::new();
    let (run, old) = (
        world.run("run", &rows([0.5; 6])),
        world.run("old", &rows([0.25; 6])),
    );
    let path = old.join("results.json");
    let text = fs::read_to_string(&path).unwrap();
    let of_schema = |n: u64| {
        let now = format!("\"schema\": {RESULTS_SCHEMA}");
        assert!(text.contains(&now));
        fs::write(&path, text.replacen(&now, &format!("\"schema\": {n}"), 1)).unwrap();
        compare(&[run.clone(), old.clone()], false).map_err(|e| e.to_string())
    };
    assert!(of_schema(RESULTS_SCHEMA - 1).is_ok());
    let error = of_schema(1).unwrap_err();
    assert!(
        error.contains("old/results.json: field `schema`") && error.contains("found 1"),
        "{error}"
    );
}

#[test]
fn keys_whose_values_differ_are_named_and_a_key_may_be_unknown() {
    let world = World::new();
    let runs = [
        world.run("one", &rows([0.5; 6])),
        world.run("two", &rows([0.5; 6])),
    ];
    assert_eq!(compare(&runs, false).unwrap().settings, []);
    let path = runs[1].join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    let train = table["train"].as_table_mut().unwrap();
    train.insert("epochs".to_owned(), 7.into());
    train.remove("batch").unwrap();
    fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
    let settings = compare(&runs, false).unwrap().settings;
    let default = RunConfig::default().train;
    let expected = [
        ("train.batch", Some(default.batch.to_string()), None),
        (
            "train.epochs",
            Some(default.epochs.to_string()),
            Some("7".to_owned()),
        ),
    ];
    let expected = expected.map(|(key, one, two)| Setting {
        key: key.to_owned(),
        values: vec![one, two],
    });
    assert_eq!(settings, expected);
    fs::write(&path, "train = ").unwrap();
    let error = compare(&runs, false).unwrap_err().to_string();
    assert!(
        error.contains("two/config.toml") && error.contains("expected TOML"),
        "{error}"
    );
}

#[test]
fn rows_that_contradict_each_other_are_an_error() {
    let world = World::new();
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
    let seeds = world.0.path().join("seeds");
    let mut lacks = rows([0.5; 6]);
    write(&seeds.join("seed-1"), 1, &lacks);
    lacks.remove(2);
    write(&seeds.join("seed-2"), 2, &lacks);
    let error = compare(&[seeds], false).unwrap_err().to_string();
    assert!(
        error.contains("seed-2: corpus talks: it lacks the test row u2 of "),
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
