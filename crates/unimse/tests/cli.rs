//! The binary as programs see it: exit codes, JSON, one-line errors. No test here needs a model.

use std::process::{Command, Output};

use serde_json::Value;

fn unimse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Exit code 1 and exactly one line of error that holds every word.
fn assert_refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} not in {}", errors[0]);
    }
}

#[test]
fn usage_errors_exit_2_and_bad_keys_name_themselves() {
    assert_eq!(
        unimse(&["score", "--task", "weather", "x.csv"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(unimse(&["predict", "--run", "x"]).status.code(), Some(2));
    assert_eq!(unimse(&[]).status.code(), Some(2));
    assert_refused(&unimse(&["config", "fusion.layer=1"]), &["layer"]);
    assert_refused(
        &unimse(&["config", "--preset", "tiny"]),
        &["demo, demo-media, minilm, mpnet, paper, release", "tiny"],
    );
}

#[test]
fn version_says_what_a_number_depends_on() {
    let text = stdout(&unimse(&["--version"]));
    for word in [
        "unimse ",
        "git ",
        "LibTorch 2.11.0",
        "CPU precision ",
        "CUDA ",
    ] {
        assert!(text.contains(word), "{word:?} not in {text}");
    }
}

#[test]
fn the_printed_presets_are_whole_and_stable() {
    for preset in ["demo", "demo-media", "minilm", "mpnet", "paper", "release"] {
        let output = unimse(&["config", "--preset", preset]);
        assert!(output.status.success(), "{}", stderr(&output));
        insta::assert_snapshot!(format!("config_{preset}"), stdout(&output));
    }
}

#[test]
fn help_is_stable() {
    insta::assert_snapshot!("help", stdout(&unimse(&["--help"])));
}

#[test]
fn a_broken_data_folder_is_refused_and_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    assert!(
        unimse(&["demo", "--out", data.to_str().unwrap()])
            .status
            .success()
    );
    let file = data.join("meld/train_sent_emo.csv");
    let whole = std::fs::read_to_string(&file).unwrap();
    let ingest = || {
        unimse(&[
            "ingest",
            "--data",
            data.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ])
    };
    let broken: [(String, &[&str]); 3] = [
        (
            whole.replacen("Emotion", "Feeling", 1),
            &["train_sent_emo.csv", "Emotion"],
        ),
        (String::new(), &["train_sent_emo.csv"]),
        (
            whole.replacen(",joy,", ",bliss,", 1),
            &["train_sent_emo.csv", "line", "bliss", "joy"],
        ),
    ];
    for (content, words) in broken {
        std::fs::write(&file, content).unwrap();
        assert_refused(&ingest(), words);
        assert!(!out.exists());
        let doctor = unimse(&["doctor", data.to_str().unwrap(), "--json"]);
        assert_eq!(doctor.status.code(), Some(1));
        let findings: Value = serde_json::from_str(&stdout(&doctor)).unwrap();
        let errors = findings["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["severity"] == "error");
        assert!(errors.count() >= 1, "{findings}");
    }
    std::fs::write(&file, &whole).unwrap();
    let pickle = data.join("meld/audio_features.pkl");
    let bytes = std::fs::read(&pickle).unwrap();
    std::fs::write(&pickle, &bytes[..bytes.len() / 2]).unwrap();
    assert_refused(&ingest(), &["audio_features.pkl"]);
    std::fs::write(&pickle, &bytes).unwrap();
    assert!(ingest().status.success());
    assert!(out.join("meld-train.parquet").exists());
}
