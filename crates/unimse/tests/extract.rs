//! `unimse extract` as programs see it: what it prints, what ingest reads of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;

use crate::waves;

fn unimse(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_is_extracted_is_said_and_ingested() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("clips");
    waves::corpus(&data, 3);
    fs::write(data.join("calls/broken.mp4"), "no clip").unwrap();
    fs::write(data.join("calls/empty.flac"), "").unwrap();
    let arguments = "extract --data clips --out data --audio-features prosody --threads 2";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = unimse(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_snapshot!("extract", text(&output.stdout));
    let said = text(&output.stderr);
    let findings: Vec<&str> = said.lines().filter(|line| line.ends_with(']')).collect();
    assert_snapshot!("extract_findings", findings.join("\n"));
    let records = fs::read_to_string(folder.path().join("data/extraction.jsonl")).unwrap();
    assert_snapshot!("extract_records", records);

    // nothing is done twice, and nothing but this kind goes there
    let again = unimse(folder.path(), &arguments);
    assert!(
        text(&again.stderr).contains("5 clips of an earlier run"),
        "{}",
        text(&again.stderr)
    );
    let other = unimse(
        folder.path(),
        &["extract", "--data", "clips", "--out", "data"],
    );
    assert_eq!(other.status.code(), Some(1));
    assert!(
        text(&other.stderr).contains("name another folder"),
        "{}",
        text(&other.stderr)
    );
    let wrong = unimse(
        folder.path(),
        &[
            "extract",
            "--data",
            "clips",
            "--out",
            "x",
            "--audio-features",
            "pitch",
        ],
    );
    assert_eq!(wrong.status.code(), Some(2));

    let ingested = unimse(
        folder.path(),
        &["ingest", "--data", "data", "--out", "tables"],
    );
    assert!(ingested.status.success(), "{}", text(&ingested.stderr));
    assert!(
        text(&ingested.stdout).contains("audio 1 x 60"),
        "{}",
        text(&ingested.stdout)
    );
}

#[test]
fn a_model_that_cannot_be_run_is_told_before_any_clip() {
    let folder = tempfile::tempdir().unwrap();
    waves::corpus(&folder.path().join("clips"), 1);
    fs::write(folder.path().join("net.onnx"), "no model").unwrap();
    let ask = |features: &str, library: &str| {
        let arguments = [
            "extract",
            "--data",
            "clips",
            "--out",
            "data",
            "--video-features",
            features,
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_unimse"))
            .args(arguments)
            .current_dir(folder.path())
            .env("ORT_DYLIB_PATH", library)
            .output();
        let output = output.unwrap();
        assert!(!folder.path().join("data").exists());
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = ask("net.onnx", "nowhere/libonnxruntime.so");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("ORT_DYLIB_PATH names no library of ONNX Runtime"),
        "{said}"
    );
    let (code, said) = ask("none.onnx", "");
    assert_eq!(code, Some(1));
    assert!(said.contains("none.onnx"), "{said}");
    let (code, said) = ask("net.pt", "");
    assert_eq!(code, Some(2));
    assert!(
        said.contains("expected none, faces or a model FILE.onnx, found \"net.pt\""),
        "{said}"
    );
}
