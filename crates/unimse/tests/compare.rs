//! `unimse compare` as people and programs see it.

use std::path::Path;
use std::process::{Command, Output};

use unimse_run::{COMPARISON_SCHEMA, Comparison};

use crate::written::{TALKS, rows, talk, write};

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
fn files_for_people_are_written_beside_the_tables() {
    let place = world();
    let mut lacks = rows([0.5; 6]);
    lacks.remove(0);
    write(&place.path().join("lacks"), 1, &lacks);
    let runs = ["full", "better", "lacks"];
    let files = ["--html", "out/page.html", "--markdown", "page.md"];
    let said = stdout(&compare(place.path(), &[&runs[..], &files].concat()));
    assert!(
        said.contains("left out: 1 row of talks in full, which another run lacks: u0\n"),
        "{said}"
    );
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    let (html, markdown) = (read("out/page.html"), read("page.md"));
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
    for text in [&html, &markdown] {
        for part in [
            "Differences to the reference on talks",
            "No events.jsonl, so no curves",
            "better",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
    let again = stdout(&compare(
        place.path(),
        &[&runs[..], &files, &["--json"]].concat(),
    ));
    assert!(serde_json::from_str::<Comparison>(&again).is_ok());
    assert_eq!(read("out/page.html"), html);
}

#[test]
fn what_cannot_be_compared_is_one_line_of_error() {
    let place = world();
    let said = stderr(&compare(place.path(), &["full", "./full"]));
    assert_eq!(
        said,
        "error: ./full: the same folder as full: expected each run once\n"
    );
    assert_eq!(
        compare(place.path(), &["full", "nowhere"]).status.code(),
        Some(1)
    );
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let said = stderr(&compare(place.path(), &["empty"]));
    assert_eq!(
        said,
        "error: empty: expected an evaluated run (results.json) or seed-<n> folders of some, found neither\n"
    );
    assert_eq!(compare(place.path(), &[]).status.code(), Some(2));
}

#[test]
fn transcripts_of_several_seeds_are_refused_with_the_folder_to_point_at() {
    let place = world();
    let report = |arguments: &[&str]| {
        let mut unimse = Command::new(env!("CARGO_BIN_EXE_unimse"));
        let unimse = unimse.arg("report").args(arguments);
        unimse.current_dir(place.path()).output().unwrap()
    };
    let output = report(&["--run", "full", "--with-text"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "error: --with-text: full holds several seeds, whose answers stand in their own reports: expected --run with the folder of one, as in full/seed-1\n"
    );
    assert!(!place.path().join("full/report.html").exists());
    let usage = report(&["--run", "full", "--with-text", "--table", "latex"]);
    assert_eq!(usage.status.code(), Some(2));
    assert_eq!(
        report(&["--run", "full", "--table", "word"]).status.code(),
        Some(2)
    );
}
