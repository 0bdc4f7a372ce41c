//! `unimse score` as a shell sees it: golden numbers in every form of file, hostile files, tables, and ten million rows.
#![cfg(unix)]

mod columns;
mod golden;
mod hostile;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow::datatypes::{Float64Type, Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use unimse_run::Scored;

const UNIMSE: &str = env!("CARGO_BIN_EXE_unimse");

fn unimse(file: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(UNIMSE);
    command.arg("score").args(options).arg(file);
    command.output().unwrap()
}

/// What is said as JSON, which the type of its schema reads whole.
fn score(file: &Path, options: &[&str]) -> Value {
    let output = unimse(file, &[&["--json"], options].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let typed: Scored = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), value);
    value
}

/// The one line of error.
fn refused(file: &Path, options: &[&str]) -> String {
    let output = unimse(file, options);
    let text = String::from_utf8(output.stderr).unwrap();
    let lines = text.lines().count();
    assert_eq!((output.status.code(), lines), (Some(1), 1), "{text}");
    text
}

const SENTIMENT: [&str; 4] = ["--task", "sentiment", "--resamples", "0"];
const EMOTION: [&str; 4] = ["--task", "emotion", "--resamples", "0"];

fn golden_cases(name: &str) -> Vec<Value> {
    let golden = std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    );
    let path = golden.join("metrics").join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return Vec::new();
    };
    serde_json::from_str(&text).unwrap()
}

fn numbers(case: &Value, key: &str) -> Vec<f64> {
    let values = case[key].as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn words(case: &Value, key: &str) -> Vec<String> {
    let values = case[key].as_array().unwrap().iter();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// `truth,prediction` as CSV.
fn csv<T: std::fmt::Display>(path: &Path, truths: &[T], predictions: &[T]) {
    let rows = truths.iter().zip(predictions);
    let text: String = rows.map(|(t, p)| format!("{t},{p}\n")).collect();
    fs::write(path, format!("truth,prediction\n{text}")).unwrap();
}

fn jsonl(path: &Path, truths: &[Value], predictions: &[Value]) {
    let rows = truths.iter().zip(predictions);
    let line = |(t, p)| {
        format!(
            "{}\n",
            json!({"further": [{}], "prediction": p, "truth": t})
        )
    };
    fs::write(path, rows.map(line).collect::<String>()).unwrap();
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let codec = Compression::GZIP(GzipLevel::default());
    let codec = WriterProperties::builder().set_compression(codec).build();
    let target = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(target, batch.schema(), Some(codec)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A version 1 file of doubles.
fn npy(path: &Path, shape: &str, values: &[f64]) {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_table_is_stable() {
    let folder = tempfile::tempdir().unwrap();
    let row = |at: usize| {
        let said = |step: usize| (at * step % 23) as f64 / 8.0 - 1.5;
        (
            at % 6,
            at % 2,
            (at * 5 % 31) as f64 / 10.0 - 1.5,
            said(11),
            said(17),
        )
    };
    let rows: Vec<_> = (0..60).map(row).collect();
    let first = rows
        .iter()
        .map(|(v, s, t, a, _)| format!("v{v},s{s},{t},{a}\n"));
    let second = rows
        .iter()
        .map(|(v, s, t, _, b)| format!("v{v},s{s},{t},{b}\n"));
    let head = "video,speaker,truth,prediction\n";
    fs::write(
        folder.path().join("a.csv"),
        head.to_owned() + &first.collect::<String>(),
    )
    .unwrap();
    fs::write(
        folder.path().join("b.csv"),
        head.to_owned() + &second.collect::<String>(),
    )
    .unwrap();
    let mut command = Command::new(UNIMSE);
    let options = [
        "score",
        "--task",
        "sentiment",
        "--metrics",
        "mae,corr,acc2_non0",
        "--cluster",
        "video",
        "--group-by",
        "speaker",
        "--against",
        "b.csv",
        "a.csv",
    ];
    let output = command
        .args(options)
        .current_dir(folder.path())
        .output()
        .unwrap();
    insta::assert_snapshot!("score", String::from_utf8(output.stdout).unwrap());
}

/// The most memory that a process held, in bytes, read until it ends.
fn peak(child: &mut std::process::Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(size.unwrap_or_default() * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

/// Scores the file as JSON and says how many bytes of memory that took.
fn measured(file: &Path, options: &[&str]) -> (Value, u64) {
    let mut child = Command::new(UNIMSE)
        .args(["score", "--json"])
        .args(options)
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let peak = peak(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && peak > 0);
    (serde_json::from_slice(&output.stdout).unwrap(), peak)
}

/// Ten million rows whose scores are known: the right answer in at most 100 bytes a row, where two texts a row would take more, and with intervals in
/// half as many again.
#[test]
fn ten_million_rows_are_numbers_and_no_texts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let n = 10_000_000_u64;
    let mut out = std::io::BufWriter::new(fs::File::create(&file).unwrap());
    writeln!(out, "truth,prediction").unwrap();
    for row in 0..n {
        // a quarter too much or too little never leaves a class
        let (truth, more) = ([-3, -2, 2, 3, -1][row as usize % 5], row % 2 == 0);
        let said = f64::from(truth) + if more { 0.25 } else { -0.25 };
        writeln!(out, "{truth},{said}").unwrap();
    }
    out.into_inner().unwrap();
    for (options, most) in [(&SENTIMENT[..], 100), (&SENTIMENT[..2], 150)] {
        let (got, peak) = measured(&file, options);
        assert_eq!(got["n"], json!(n));
        assert_eq!(got["metrics"]["mae"], json!(0.25));
        for exact in ["acc7", "acc5", "acc3", "acc2_non0", "f1_has0"] {
            assert_eq!(got["metrics"][exact], json!(1.0), "{exact}");
        }
        assert!(peak < most * n, "{options:?}: {peak} bytes");
        let corr = &got["intervals"]["corr"]["bca"];
        let width = corr["high"].as_f64().zip(corr["low"].as_f64());
        let width = width.map(|(high, low)| high - low);
        let narrow = width.is_some_and(|width| width > 0.0 && width < 1e-4);
        assert_eq!(narrow, options.len() == 2, "{corr}");
    }
}

/// More rows than are drawn one by one: the intervals of a share are those of the binomial distribution, 1.96 deviations to both sides.
#[test]
fn many_rows_are_resampled_in_groups_and_intervals_stay_as_wide() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let n = 200_000;
    let said = |right: usize| -> Vec<i32> {
        let one = |row: usize| if row % 10 < right { 1 } else { -1 };
        (0..n).map(one).collect()
    };
    csv(&path("a.csv"), &vec![1; n], &said(7));
    csv(&path("b.csv"), &vec![1; n], &said(6));
    let other = path("b.csv");
    let options = ["--task", "sentiment", "--metrics", "acc2_has0", "--against"];
    let got = score(
        &path("a.csv"),
        &[&options[..], &[other.to_str().unwrap()]].concat(),
    );
    assert_eq!(
        (&got["clusters"], &got["dealt"]),
        (&json!(n), &json!(1 << 16))
    );
    let share = 0.7_f64;
    let expected = 2.0 * 1.96 * (share * (1.0 - share) / n as f64).sqrt();
    for kind in ["percentile", "bca"] {
        let interval = &got["intervals"]["acc2_has0"][kind];
        let width = interval["high"].as_f64().unwrap() - interval["low"].as_f64().unwrap();
        assert!(
            (width / expected - 1.0).abs() < 0.15,
            "{kind}: {width} {expected}"
        );
    }
    let p = &got["against"]["acc2_has0"]["p_randomisation"];
    assert_eq!(p, &json!((1.0 + 0.0) / (1.0 + 1000.0)));
    csv(&path("a.csv"), &vec![1; 1 << 16], &vec![1; 1 << 16]);
    let few = score(&path("a.csv"), &["--task", "sentiment", "--resamples", "2"]);
    assert_eq!(few.get("dealt"), None, "each is drawn by itself");
}
