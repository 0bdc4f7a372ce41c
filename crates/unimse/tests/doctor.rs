//! `unimse doctor` on the tables of a run.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

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
