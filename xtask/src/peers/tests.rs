#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use unimse_run::{Git, Host};

use super::contest::{Contest, Measure, Program, Side, Target};
use super::ratio::Figure;
use super::results::{NotMeasured, Outcome, Results, SCHEMA, SideOutcome, Verdict};
use super::*;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn the_median_of_rounds_and_an_interval_that_says_how_sure_it_is() {
    // from the least to the largest: 1 - 2 / 2^n
    let figure = Figure::of(vec![3.0, 1.0, 2.0]).unwrap();
    assert_eq!((figure.median, figure.low, figure.high), (2.0, 1.0, 3.0));
    assert!(close(figure.coverage, 1.0 - 2.0 / 8.0));
    let six = Figure::of((1..=6).map(f64::from).collect()).unwrap();
    assert_eq!(
        (six.median, six.low, six.high),
        ((3.0 + 4.0) / 2.0, 1.0, 6.0)
    );
    assert!(close(six.coverage, 1.0 - 2.0 / 64.0));
    // of nine, the second from either end: 1 - 2 (1 + 9) / 2^9 = 0.961
    let nine = Figure::of((1..=9).map(f64::from).collect()).unwrap();
    assert_eq!((nine.median, nine.low, nine.high), (5.0, 2.0, 8.0));
    assert!(close(nine.coverage, 1.0 - 2.0 * (1.0 + 9.0) / 512.0));
    let one = Figure::of(vec![4.0]).unwrap();
    assert_eq!(
        (one.low, one.median, one.high, one.coverage),
        (4.0, 4.0, 4.0, 0.0)
    );
    assert_eq!(Figure::of(vec![]), None);
    assert_eq!(Figure::of(vec![1.0, f64::NAN]), None);
}

const fn side(name: &'static str, target: Option<Target>) -> Side {
    Side {
        name,
        program: Program::Ours,
        does: "what it does",
        target,
        tolerance: None,
        why_below: Some("it does too much"),
    }
}

#[test]
fn a_figure_is_the_median_of_pairs_not_the_ratio_of_medians() {
    let (ours, theirs) = ([1.0, 2.0, 10.0], vec![4.0, 4.0, 5.0]);
    let speed = SideOutcome::new(&side("x", Target::speed(2.0)), false, theirs.clone(), &ours);
    // 4 / 1, 4 / 2, 5 / 10; that of the medians would be 4 / 2 too, so look at the ends
    let figure = speed.figure.unwrap();
    assert_eq!(
        (figure.median, figure.low, figure.high),
        (4.0 / 2.0, 5.0 / 10.0, 4.0 / 1.0)
    );
    assert_eq!((speed.verdict, speed.why_below), (Some(Verdict::Met), None));
    let share = SideOutcome::new(
        &side("x", Target::share(0.45)),
        false,
        theirs.clone(),
        &ours,
    );
    assert_eq!(share.figure.unwrap().median, 2.0 / 4.0);
    assert_eq!(share.verdict, Some(Verdict::Below));
    assert_eq!(share.why_below.as_deref(), Some("it does too much"));
    let own = SideOutcome::new(
        &side("ours", Target::seconds(2.0)),
        true,
        ours.to_vec(),
        &ours,
    );
    assert_eq!(
        (own.figure.unwrap().median, own.verdict),
        (2.0, Some(Verdict::Met))
    );
    let without = SideOutcome::new(&side("x", None), false, theirs, &ours);
    assert_eq!((without.measure, without.verdict), (Measure::Speed, None));
    assert_eq!(without.figure.unwrap().median, 4.0 / 2.0);
}

#[test]
fn a_target_is_met_at_its_bound() {
    let check = |target: Option<Target>, met: f64, below: f64| {
        let target = target.unwrap();
        assert!(target.met_by(target.bound) && target.met_by(met) && !target.met_by(below));
    };
    check(Target::speed(1.5), 1.6, 1.4);
    check(Target::share(0.45), 0.4, 0.5);
    check(Target::seconds(0.6), 0.5, 0.7);
}

#[test]
fn other_numbers_are_refused() {
    compare(&[100.0, 1.0], &[100.05, 0.95], 1e-3).unwrap();
    let refused = |theirs: &[f64], word: &str| {
        let error = compare(&[100.0, 1.0], theirs, 1e-3)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&[100.0, 1.2], "at place 1 expected 1, found 1.2");
    refused(&[f64::NAN, 1.0], "at place 0");
    refused(&[100.0], "expected 2 numbers, found 1");
    assert!(compare(&[], &[], 1e-3).is_err());
}

#[test]
fn every_contest_has_ours_first_a_target_or_a_peer_and_scripts_that_exist() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers");
    let sides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/benches/peers/main.rs");
    let sides = fs::read_to_string(sides).unwrap();
    let mut names = BTreeSet::new();
    for contest in CONTESTS {
        assert!(names.insert(contest.name), "{} twice", contest.name);
        assert!(
            sides.contains(&format!("\"{}\"", contest.name)),
            "{}",
            contest.name
        );
        assert_eq!(contest.sides[0].name, "ours");
        assert!(contest.sides.len() > 1, "{} has no peer", contest.name);
        let mut of_contest = BTreeSet::new();
        let programs = contest.sides.iter().map(|side| (side.name, side.program));
        for (name, program) in programs.chain([("prepare", contest.prepare)]) {
            assert!(of_contest.insert(name), "{}: {name} twice", contest.name);
            let Program::Python(script) = program else {
                continue;
            };
            let text = fs::read_to_string(scripts.join(script)).unwrap();
            assert!(
                text.contains(&format!("\"{name}\": ")),
                "{script} has no side {name}"
            );
        }
        for side in &contest.sides[1..] {
            let python = matches!(side.program, Program::Python(_));
            assert_eq!(
                python,
                side.tolerance.is_some(),
                "{}: {}",
                contest.name,
                side.name
            );
        }
    }
}

#[test]
fn what_the_project_promised_has_a_target() {
    let targets = |contest: &Contest| {
        contest
            .sides
            .iter()
            .filter(|side| side.target.is_some())
            .count()
    };
    let with: BTreeSet<&str> = CONTESTS
        .iter()
        .filter(|c| targets(c) > 0)
        .map(|c| c.name)
        .collect();
    let promised = [
        "donors",
        "t5_step",
        "t5_generate",
        "sentences",
        "metrics",
        "bootstrap",
        "ingest",
        "mel",
        "prosody",
        "predict_one",
        "predict_rows",
        "minilm_step",
        "mpnet_step",
    ];
    assert_eq!(with, promised.into());
}

#[test]
fn every_package_is_pinned() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for list in ["benches/peers/requirements.txt", ".ci/requirements.txt"] {
        for line in fs::read_to_string(root.join(list)).unwrap().lines() {
            // a comment, or how packages are found
            let free = line.starts_with('#') || line.starts_with("--") || line.is_empty();
            assert!(free || line.contains("=="), "{list}: {line}");
        }
    }
}

/// A side in the shell: ready with `numbers`, then `answer` for every line.
fn script(folder: &Path, name: &str, numbers: &str, answer: &str) -> Command {
    let path = folder.join(name);
    let text = format!(
        "#!/bin/sh\nread job\necho '{{\"check\": [{numbers}], \"versions\": {{\"{name}\": \"1\"}}, \"spawns\": false}}'\nwhile read line; do {answer}; done\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Command::new(path)
}

fn job(side: &str, folder: &Path) -> Job {
    Job {
        side: side.to_owned(),
        threads: 2,
        quick: true,
        folder: folder.to_owned(),
        models: BTreeMap::new(),
        unimse: "unimse".into(),
    }
}

#[test]
fn sides_take_turns_and_the_first_round_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("turns");
    let answer = |name: &str, seconds: &str| {
        format!(
            "echo {name} >> {}; echo '{{\"seconds\": {seconds}}}'",
            log.display()
        )
    };
    let mut running = Vec::new();
    for (name, seconds) in [("a", "1.5"), ("b", "3")] {
        let command = script(place.path(), name, "1, 2", &answer(name, seconds));
        let (process, ready) = Running::start(command, &job(name, place.path())).unwrap();
        assert_eq!(
            (ready.check.as_slice(), ready.versions[name].as_str()),
            (&[1.0, 2.0][..], "1")
        );
        assert!(process.peak_mib().is_some());
        running.push(process);
    }
    let seconds = take_turns(&mut running, 2).unwrap();
    assert_eq!(seconds, [[1.5, 1.5], [3.0, 3.0]]);
    let turns = fs::read_to_string(&log).unwrap();
    assert_eq!(
        turns.split_whitespace().collect::<Vec<_>>(),
        ["a", "b", "a", "b", "a", "b"]
    );
}

#[test]
fn a_side_that_fails_is_named_with_its_last_words() {
    let place = tempfile::tempdir().unwrap();
    let refused = |answer: &str, word: &str| {
        let command = script(place.path(), "peer", "", answer);
        let (mut process, _) = Running::start(command, &job("peer", place.path())).unwrap();
        let error = format!("{:#}", process.round().unwrap_err());
        assert!(
            error.starts_with("peer: ") && error.contains(word),
            "{error}"
        );
    };
    refused(
        "echo 'No module named faiss' >&2; exit 1",
        "No module named faiss",
    );
    refused("exit 1", "ended without a word");
    refused("echo hello", "answered `hello`");
    refused("echo '{\"seconds\": 0}'", "expected seconds above 0");
    let missing = Running::start(
        Command::new(place.path().join("none")),
        &job("peer", place.path()),
    );
    assert!(format!("{:#}", missing.err().unwrap()).contains("cannot start"));
}

/// A run with every kind of row.
fn results() -> Results {
    let outcome = |name: &str| Outcome {
        name: name.to_owned(),
        work: format!("the work of {name}"),
        bound: "GEMM".to_owned(),
        load: Some(0.25),
        not_measured: None,
        sides: Vec::new(),
    };
    let ours = vec![0.5, 0.4, 0.5, 0.5, 0.6, 0.5];
    let theirs = vec![1.0, 0.9, 1.1, 1.0, 1.2, 1.0];
    let of = |side: &Side, ours_first, seconds: &Vec<f64>| SideOutcome {
        peak_mib: Some(123),
        ..SideOutcome::new(side, ours_first, seconds.clone(), &ours)
    };
    let mut measured = outcome("measured");
    measured.sides = vec![
        of(&side("ours", Target::seconds(0.45)), true, &ours),
        of(&side("fast", Target::speed(1.5)), false, &theirs),
        of(&side("slow", Target::share(0.45)), false, &theirs),
        of(&side("free", None), false, &theirs),
    ];
    let not = |name: &str, reason: &str, failed| Outcome {
        not_measured: Some(NotMeasured {
            reason: reason.to_owned(),
            failed,
        }),
        ..outcome(name)
    };
    Results {
        schema: SCHEMA,
        host: Host {
            cpu: Some("Some CPU".to_owned()),
            cores: Some(2),
            ..Host::default()
        },
        cpu_features: vec!["avx2".to_owned(), "avx512f".to_owned()],
        threads: 2,
        quick: true,
        git: Git {
            hash: Some("0123abc".to_owned()),
            dirty: Some(true),
        },
        versions: [("numpy", "2"), ("rustc", "1.89.0")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        contests: vec![
            measured,
            not("absent", "a model is not there", false),
            not("broken", "peer: No module named `a|b`", true),
        ],
    }
}

#[test]
fn the_page_says_what_the_file_says() {
    let results = results();
    insta::assert_snapshot!("results", render::markdown(&results));
    let text = serde_json::to_string(&results).unwrap();
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
}

#[test]
fn a_part_of_the_contests_leaves_the_results_alone() {
    let checkout = Checkout::at(Path::new("/c"));
    assert_eq!(folder(&checkout, true), Path::new("/c/benches"));
    assert_eq!(folder(&checkout, false), Path::new("/c/target/peers"));
}

#[test]
fn an_interrupted_run_goes_on_only_under_the_same_conditions() {
    let place = tempfile::tempdir().unwrap();
    let mut before = results();
    before.git.dirty = Some(false);
    let now = Results {
        contests: Vec::new(),
        versions: BTreeMap::new(),
        ..before.clone()
    };
    let mut fresh = now.clone();
    resume::take(&mut fresh, place.path(), 6).unwrap();
    assert_eq!(fresh, now, "nothing was interrupted");
    write(&before, place.path()).unwrap();
    let mut kept = now.clone();
    resume::take(&mut kept, place.path(), 6).unwrap();
    let names: Vec<&str> = kept.contests.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        (names, &kept.versions),
        (vec!["measured"], &before.versions)
    );
    let refused = |mut now: Results, rounds: usize, word: &str| {
        let error = resume::take(&mut now, place.path(), rounds).unwrap_err();
        assert!(format!("{error:#}").contains(word), "{error:#}");
        assert!(now.contests.is_empty());
    };
    refused(now.clone(), 7, "rounds: expected 7, found 6");
    let with = |change: &dyn Fn(&mut Results)| {
        let mut other = now.clone();
        change(&mut other);
        other
    };
    refused(with(&|r| r.threads = 1), 6, "threads");
    refused(with(&|r| r.host.cores = Some(4)), 6, "machine");
    refused(with(&|r| r.git.dirty = Some(true)), 6, "commit");
    refused(with(&|r| r.git.hash = None), 6, "commit");
}

#[test]
fn a_run_from_the_start_puts_aside_what_was_measured() {
    let place = tempfile::tempdir().unwrap();
    resume::put_aside(place.path()).unwrap(); // nothing there
    write(&results(), place.path()).unwrap();
    let text = fs::read_to_string(place.path().join("RESULTS.json")).unwrap();
    resume::put_aside(place.path()).unwrap();
    assert!(!place.path().join("RESULTS.json").exists());
    let aside = fs::read_to_string(place.path().join("RESULTS.before.json")).unwrap();
    assert_eq!(aside, text);
}

#[test]
fn the_results_of_the_last_whole_run_stand_in_both_files() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("benches");
    let of = |name: &str| fs::read_to_string(benches.join(name)).unwrap();
    let results: Results = serde_json::from_str(&of("RESULTS.json")).unwrap();
    assert_eq!(render::markdown(&results), of("RESULTS.md"));
    let measured: Vec<&str> = results.contests.iter().map(|c| c.name.as_str()).collect();
    let all: Vec<&str> = contests::CONTESTS.iter().map(|c| c.name).collect();
    assert_eq!(measured, all, "every contest, in order");
    let below = |side: &&SideOutcome| side.verdict == Some(Verdict::Below);
    for side in results
        .contests
        .iter()
        .flat_map(|c| c.sides.iter().filter(below))
    {
        assert!(
            side.why_below.is_some(),
            "{}: below, and nobody says why",
            side.name
        );
    }
}
