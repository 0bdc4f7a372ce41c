//! `unimse compare` as people and programs see it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../unimse-train/tests/written/mod.rs"]
mod written;

use std::path::Path;
use std::process::{Command, Output};

use unimse_run::{COMPARISON_SCHEMA, Comparison};
use written::{TALKS, rows, talk, write};

/// Runs `unimse compare` in `folder`.
fn compare(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unimse"))
        .arg("compare")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Two seeds of a reference, and one run that is better on the scores and was not asked for emotions.
fn world() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    write(
        &at("full/seed-1"),
        1,
        &rows([0.5, 0.25, -0.5, 1.0, 0.5, -0.25]),
    );
    write(
        &at("full/seed-2"),
        2,
        &rows([0.75, 0.5, -0.5, 0.5, 0.25, -0.5]),
    );
    let talks: Vec<_> = TALKS
        .into_iter()
        .map(|row| talk(row, row.2 + 0.25))
        .collect();
    write(&at("better"), 1, &talks);
    place
}

#[test]
fn a_table_for_people() {
    let place = world();
    insta::assert_snapshot!(
        "compare",
        stdout(&compare(
            place.path(),
            &["full", "better", "--threads", "1"]
        ))
    );
}

#[test]
fn json_for_programs_is_the_same_each_time() {
    let place = world();
    let said = || {
        stdout(&compare(
            place.path(),
            &["full", "better", "--readouts", "--json"],
        ))
    };
    let text = said();
    assert_eq!(text, said());
    let comparison: Comparison = serde_json::from_str(&text).unwrap();
    assert_eq!(comparison.schema, COMPARISON_SCHEMA);
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.run.as_str()).collect();
    // six ways to read the reference
    assert_eq!(names, [&["full", "better"][..], &["full"; 6][..]].concat());
}

#[test]
fn what_cannot_be_compared_is_one_line_of_error() {
    let place = world();
    let mut lacks = rows([0.5; 6]);
    lacks.remove(0);
    write(&place.path().join("lacks"), 1, &lacks);
    let output = compare(place.path(), &["full", "lacks"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("error: lacks: corpus talks: it lacks the test row u0 of full"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(
        compare(place.path(), &["full", "nowhere"]).status.code(),
        Some(1)
    );
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let said = stderr(&compare(place.path(), &["empty"]));
    assert_eq!(
        said,
        "error: empty/results.json: reading: No such file or directory (os error 2)\n"
    );
    assert_eq!(compare(place.path(), &[]).status.code(), Some(2));
}
