//! `unimse doctor`: the tables of a run, hints, and the page.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn doctor(folder: &Path, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(["doctor", folder.to_str().unwrap()])
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_tables_of_a_run_are_counted_by_corpus_and_split() {
    let place = tempfile::tempdir().unwrap();
    let (data, run) = (place.path().join("data"), place.path().join("run"));
    std::fs::create_dir_all(data.join("reviews")).unwrap();
    let table = "utterance_id,split,text,score,dialogue_id,speaker,audio\n\
        a,train,Great,2.5,d,Ann,\"[[1, 2]]\"\nb,train,Bad,,d,Bob,\nc,test,So,0,e,Ann,\n";
    std::fs::write(data.join("reviews/utterances.csv"), table).unwrap();
    unimse_corpus::ingest(&data, &run.join("corpus"), &[], &mut |_| {}).unwrap();

    let text = doctor(&run, &[]);
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let lines: Vec<Vec<String>> = text.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            words("corpus split utterances dialogues speakers scored polarity emotion audio video"),
            words("reviews train 2 1 2 1 1 0 1 0"),
            words("reviews test 1 1 1 1 1 0 0 0"),
        ]
    );
    let tables: Value = serde_json::from_str(&doctor(&run.join("corpus"), &["--json"])).unwrap();
    assert_eq!(
        tables["tables"][1],
        json!({"corpus": "reviews", "split": "test", "utterances": 1, "dialogues": 1, "speakers": 1,
            "scored": 1, "polarity": 1, "emotion": 0, "audio": 0, "video": 0})
    );
}

/// A place with a folder `data` of MELD that lacks the dev table, and what the doctor says there.
fn examined(more: &[&str]) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let meld = place.path().join("data/meld");
    std::fs::create_dir_all(&meld).unwrap();
    let table =
        "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n<b>Hi</b>,joy,positive,0,0\n";
    for split in ["train", "test"] {
        std::fs::write(meld.join(format!("{split}_sent_emo.csv")), table).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(["doctor", "data"])
        .args(more)
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "an error is among the findings"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    (place, text)
}

#[test]
fn hints_stand_below_the_findings() {
    let (_, text) = examined(&["--fix-hints"]);
    let (findings, hints) = text.split_once("\nwhat to do\n").unwrap();
    assert!(findings.contains("MISSING_SPLIT"), "{findings}");
    let first = hints.lines().next().unwrap();
    assert!(
        first.starts_with("  meld [MISSING_SPLIT]: put the three tables of the release")
            && first.ends_with(", at data/meld/dev_sent_emo.csv"),
        "{hints}"
    );
    let (_, json) = examined(&["--fix-hints", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hints"][0]["code"], "MISSING_SPLIT");
    let (_, plain) = examined(&["--json"]);
    assert!(!plain.contains("hints"));
}

#[test]
fn the_page_says_the_same_as_the_table() {
    let (place, text) = examined(&["--html", "page.html"]);
    assert!(
        !text.contains("what to do"),
        "hints of the terminal are asked for"
    );
    let page = std::fs::read_to_string(place.path().join("page.html")).unwrap();
    for words in [
        "Ingest refuses this folder",
        "MISSING_SPLIT",
        "data/meld/dev_sent_emo.csv",
        "id=\"what-to-do\"",
        "default-src 'none'",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("report.md") && !page.contains("<script"));
    let (again, _) = examined(&["--html", "page.html"]);
    let again = std::fs::read_to_string(again.path().join("page.html")).unwrap();
    assert_eq!(page, again, "same findings, same bytes");
}

#[test]
fn tables_have_neither_hints_nor_a_page() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data/reviews");
    std::fs::create_dir_all(&data).unwrap();
    let table = "utterance_id,split,text,score\na,train,Great,2.5\n";
    std::fs::write(data.join("utterances.csv"), table).unwrap();
    let tables = place.path().join("tables");
    unimse_corpus::ingest(&place.path().join("data"), &tables, &[], &mut |_| {}).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(["doctor", "--fix-hints", tables.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("expected a data folder for --fix-hints"),
        "{error}"
    );
}
