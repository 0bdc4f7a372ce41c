//! `unimse score` as a shell sees it: golden numbers in every form of file, hostile files, tables, and ten million rows.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![cfg(unix)]

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

fn assert_metric(name: &str, key: &str, got: &Value, expected: &Value) {
    match expected.as_f64() {
        Some(e) => {
            let g = got["metrics"][key].as_f64();
            let g = g.unwrap_or_else(|| panic!("{name}: {key} is missing"));
            assert!((g - e).abs() <= 1e-6, "{name}: {key}: {g} against {e}");
        }
        None => {
            let value = got["metrics"].get(key);
            assert!(value.is_none(), "{name}: {key} is defined");
            let reason = &got["undefined"][key];
            assert!(reason.is_string(), "{name}: {key} has no reason");
        }
    }
}

/// Each convention with its keys and those of the golden file.
const CONVENTIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "mmsa",
        &[
            ("mae", "mae"),
            ("corr", "corr"),
            ("acc7", "acc7"),
            ("acc5", "acc5"),
            ("acc3", "acc3"),
            ("acc2_non0", "acc2_non0"),
            ("f1_non0", "f1_non0"),
            ("acc2_has0", "acc2_has0"),
            ("f1_has0", "f1_has0"),
        ],
    ),
    (
        "mult",
        &[
            ("mae", "mae"),
            ("corr", "corr"),
            ("acc7", "acc7"),
            ("acc5", "acc5"),
            ("acc3", "acc3"),
            ("acc2_non0", "acc2_non0"),
            ("f1_non0", "f1_non0_swapped"),
        ],
    ),
    (
        "mag",
        &[
            ("mae", "mag_mae"),
            ("corr", "mag_corr"),
            ("acc2", "mag_acc2"),
            ("f1", "mag_f1"),
        ],
    ),
];

/// In every convention, and from every form of file the same to the last digit.
#[test]
fn golden_score_sentiment() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for case in golden_cases("regression.json") {
        let name = case["name"].as_str().unwrap();
        let (truths, predictions) = (numbers(&case, "truths"), numbers(&case, "predictions"));
        csv(&path("x.csv"), &truths, &predictions);
        let values = |numbers: &[f64]| numbers.iter().map(|&x| json!(x)).collect::<Vec<_>>();
        jsonl(&path("x.jsonl"), &values(&truths), &values(&predictions));
        let floats = predictions.iter().map(|&x| x as f32); // golden numbers are 32-bit floats
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "prediction",
                Arc::new(Float32Array::from_iter_values(floats)),
            ),
            (
                "other",
                Arc::new(StringArray::from(vec!["x"; truths.len()])),
            ),
            ("truth", Arc::new(Float64Array::from(truths.clone()))),
        ];
        parquet(&path("x.parquet"), columns);
        let shape = format!("{},", truths.len());
        npy(&path("truth.npy"), &shape, &truths);
        npy(&path("x.npy"), &shape, &predictions);
        let truth = path("truth.npy");
        for (convention, keys) in CONVENTIONS {
            let options = [&SENTIMENT[..], &["--convention", convention]].concat();
            let got = score(&path("x.csv"), &options);
            assert_eq!(got["convention"], json!(convention));
            let count = |key: &str| got[key].as_object().unwrap().len();
            let total = count("metrics") + count("undefined");
            assert_eq!(total, keys.len(), "{name} {convention}: {got}");
            for (ours, theirs) in keys {
                assert_metric(name, ours, &got, &case["expect"][theirs]);
            }
            if convention != "mmsa" {
                continue;
            }
            assert_eq!(score(&path("x.jsonl"), &options), got);
            assert_eq!(score(&path("x.parquet"), &options), got);
            let options = [&options[..], &["--truth", truth.to_str().unwrap()]].concat();
            assert_eq!(score(&path("x.npy"), &options), got);
        }
    }
}

fn assert_classes(name: &str, got: &Value, expect: &Value) {
    for class in got["per_class"].as_array().unwrap() {
        let expected = &expect["per_class"][class["label"].as_str().unwrap()];
        for key in ["precision", "recall", "f1", "support"] {
            let (g, e) = (
                class[key].as_f64().unwrap(),
                expected[key].as_f64().unwrap(),
            );
            assert!(
                (g - e).abs() <= 1e-6,
                "{name}: {class} {key}: {g} against {e}"
            );
        }
    }
}

#[test]
fn golden_score_emotion() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for case in golden_cases("classification.json") {
        let name = case["name"].as_str().unwrap();
        let (truths, predictions) = (words(&case, "truths"), words(&case, "predictions"));
        csv(&path("x.csv"), &truths, &predictions);
        let labels = words(&case, "labels");
        let list = labels.join(",");
        let options = [&EMOTION[..], &["--labels", &list]].concat();
        let got = score(&path("x.csv"), &options);
        let expect = &case["expect"];
        for key in [
            "accuracy",
            "weighted_f1",
            "macro_f1",
            "unweighted_average_recall",
        ] {
            assert_metric(name, key, &got, &expect[key]);
        }
        assert_eq!(got["confusion_rows_truth"], expect["confusion_rows_truth"]);
        assert_eq!(got["labels"], json!(labels));
        assert_classes(name, &got, expect);
        let values = |words: &[String]| words.iter().map(|x| json!(x)).collect::<Vec<_>>();
        jsonl(&path("x.jsonl"), &values(&truths), &values(&predictions));
        assert_eq!(score(&path("x.jsonl"), &options), got);
        let index = |word: &String| labels.iter().position(|label| label == word).unwrap();
        let indices = predictions.iter().map(|word| index(word) as i64);
        let dictionary: DictionaryArray<Int32Type> = truths.iter().map(String::as_str).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("truth", Arc::new(dictionary)),
            (
                "prediction",
                Arc::new(Int64Array::from_iter_values(indices)),
            ),
        ];
        parquet(&path("x.parquet"), columns);
        assert_eq!(score(&path("x.parquet"), &options), got);
        let numbers = |words: &[String]| {
            words
                .iter()
                .map(|word| index(word) as f64)
                .collect::<Vec<_>>()
        };
        let shape = format!("{}, 1", truths.len());
        npy(&path("truth.npy"), &shape, &numbers(&truths));
        npy(&path("x.npy"), &shape, &numbers(&predictions));
        let truth = path("truth.npy");
        let options = [&options[..], &["--truth", truth.to_str().unwrap()]].concat();
        assert_eq!(score(&path("x.npy"), &options), got);
    }
}

/// MOSEI's emotions: three utterances, two emotions, by the formula.
#[test]
fn several_emotions_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let rows = "truth,prediction\n\"[0.33, 0]\",\"[0.9, 0.5]\"\n\"[0, 1]\",\"[0.6, 0.1]\"\n\"[0, 0]\",\"[0.2, 0.2]\"\n";
    fs::write(&file, rows).unwrap();
    let options = [
        "--task",
        "presence",
        "--labels",
        "joy,fear",
        "--resamples",
        "0",
    ];
    let got = score(&file, &options);
    // joy: 1 of 1 present and 1 of 2 absent told right; fear: 0 of 1 and 1 of 2
    let accuracy = |tp: f64, tn: f64| (tp * 2.0 / 1.0 + tn) / (2.0 * 2.0);
    let of = |name: &str, key: &str| got["emotions"][name]["metrics"][key].as_f64().unwrap();
    assert_eq!(of("joy", "weighted_accuracy"), accuracy(1.0, 1.0));
    assert_eq!(of("fear", "weighted_accuracy"), accuracy(0.0, 1.0));
    assert_eq!(of("joy", "f1_present"), 2.0 / (2.0 + 0.0 + 1.0));
    assert_eq!(of("fear", "f1_present"), 0.0);
    let mean = f64::midpoint(accuracy(1.0, 1.0), accuracy(0.0, 1.0));
    assert_eq!(got["metrics"]["weighted_accuracy"].as_f64(), Some(mean));
    let all = [&options[..], &["--threshold", "0.95"]].concat();
    assert_eq!(
        score(&file, &all)["emotions"]["joy"]["metrics"]["f1_present"],
        json!(0.0)
    );
    fs::write(&file, "truth,prediction\n\"[1, 0]\",\"[1, 0]\"\n").unwrap();
    let got = score(&file, &options);
    assert_eq!(
        got["undefined"]["weighted_accuracy"],
        "joy: every row has the emotion"
    );
}

#[test]
fn probabilities_and_quantiles_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.parquet");
    let lists = [[0.8, 0.2], [0.4, 0.6]].map(|list| Some(list.map(Some)));
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
    let column = |values: [f64; 2]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let names = |names: [&str; 2]| Arc::new(StringArray::from(names.to_vec())) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("truth", names(["joy", "joy"])),
        ("prediction", names(["joy", "fear"])),
        ("p", Arc::new(lists)),
        ("score", column([0.5, 0.9])),
        ("said", column([0.0, 1.5])),
        ("a", column([-2.0, 0.0])),
        ("b", column([-0.5, 1.0])),
        ("c", column([0.5, 2.0])),
        ("d", column([2.0, 3.0])),
    ];
    parquet(&file, columns);
    let options = [
        &EMOTION[..],
        &["--labels", "joy,fear", "--probabilities", "p"],
    ]
    .concat();
    let got = score(&file, &options);
    let brier = ((0.04 + 0.04) + (0.36 + 0.36)) / 2.0;
    assert!((got["metrics"]["brier"].as_f64().unwrap() - brier).abs() < 1e-12);
    assert_eq!(got["metrics"]["accuracy"], json!(0.5));
    let columns = [
        "--truth-column",
        "score",
        "--prediction-column",
        "said",
        "--quantiles",
        "a,b,c,d",
    ];
    let options = [&SENTIMENT[..], &columns].concat();
    let got = score(&file, &options);
    assert_eq!(got["metrics"]["coverage50"], json!(1.0 / 2.0));
    assert_eq!(got["metrics"]["width90"], json!((4.0 + 3.0) / 2.0));
    let turned = columns.map(|word| if word == "a,b,c,d" { "a,c,b,d" } else { word });
    let error = refused(&file, &[&SENTIMENT[..], &turned].concat());
    assert!(
        error.contains("x.parquet: row 1, column b: expected a number from 0.5 on"),
        "{error}"
    );
    let error = refused(&file, &[&EMOTION[..], &["--probabilities", "p"]].concat());
    assert!(
        error.contains("row 1, column p: expected a list of 7 finite numbers, found [0.8, 0.2]"),
        "{error}"
    );
}

/// A class and an intensity read from the text, and every liberty counted.
#[test]
fn generated_labels_are_parsed_and_their_repairs_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let said = [
        "positive,1.6,joy",
        "Positive, 0.4, joy",
        "negative,-2.0,glee",
        "no idea",
    ];
    jsonl(
        &file,
        &[1.5, 0.5, -1.0, 0.0].map(|x| json!(x)),
        &said.map(|x| json!(x)),
    );
    let generated = ["--generated", "polarity,intensity,meld"];
    let error = refused(&file, &[&SENTIMENT[..], &generated].concat());
    assert!(
        error.contains(
            "x.jsonl: line 4, column prediction: expected a label with a value of intensity"
        ),
        "{error}"
    );
    let options = [&SENTIMENT[..], &generated, &["--unparsed", "-1"]].concat();
    let got = score(&file, &options);
    let mae = (0.1 + 0.1 + 1.0 + 1.0) / 4.0;
    assert!((got["metrics"]["mae"].as_f64().unwrap() - mae).abs() < 1e-6);
    // the second: blanks and a capital; the third: an unknown word and so no emotion; the fourth is no label
    let counts = json!({"labels": 4, "repaired": 2, "repairs": {"ignored": 1, "missing": 1, "rewritten": 1, "separator": 1}, "unparsed": 1});
    assert_eq!(got["generated"], counts);
    jsonl(
        &file,
        &["joy"; 4].map(|x| json!(x)),
        &said.map(|x| json!(x)),
    );
    let triple = [
        "--generated",
        "polarity,intensity,emotion",
        "--unparsed",
        "neutral",
    ];
    let got = score(&file, &[&EMOTION[..], &triple].concat());
    assert_eq!(got["metrics"]["accuracy"], json!(2.0 / 4.0));
    assert_eq!(got["generated"]["unparsed"], json!(2));
}

/// Another order of rows is joined by the id; who lacks or repeats one is told.
#[test]
fn two_systems_are_paired_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    fs::write(&a, "id,truth,prediction\nx,1,1.5\ny,2,2.5\nz,-1,0\n").unwrap();
    let against = ["--against", b.to_str().unwrap()];
    let by_id = ["--id", "id"];
    let write = |rows: &str| fs::write(&b, format!("id,truth,prediction\n{rows}")).unwrap();
    write("z,-1,-1\nx,1,1\ny,2,4\n");
    let options = [&SENTIMENT[..2], &against, &by_id, &["--resamples", "200"]].concat();
    let got = score(&a, &options);
    let mae = &got["against"]["mae"];
    let (ours, theirs) = ((0.5 + 0.5 + 1.0) / 3.0, 2.0 / 3.0);
    assert_eq!(mae["value"].as_f64(), Some(theirs));
    assert_eq!(mae["difference"]["estimate"].as_f64(), Some(ours - theirs));
    assert_eq!(mae["p_randomisation"], json!(1.0), "there is no difference");
    let refusals = [
        ("z,-1,-1\nx,1,1\n", "no row has the id y of the file"),
        ("z,-1,-1\nx,1,1\ny,2,4\nw,0,0\n", "the id w has no row"),
        ("z,-1,-1\nx,1,1\nx,1,1\ny,2,4\n", "the id x is there twice"),
        (
            "z,-1,-1\nx,1.25,1\ny,2,4\n",
            "row of id x: expected the truth [1.0] as in the file compared with it, found [1.25]",
        ),
    ];
    for (rows, words) in refusals {
        write(rows);
        let error = refused(&a, &options);
        assert!(error.contains("b.csv") && error.contains(words), "{error}");
    }
    write("x,1,1\nz,-1,-1\ny,2,4\n");
    let in_order = [&SENTIMENT[..], &against].concat();
    let error = refused(&a, &in_order);
    assert!(error.contains("b.csv: row 2 (--id COLUMN joins"), "{error}");
    write("x,1,1\n");
    let error = refused(&a, &in_order);
    assert!(
        error.contains("b.csv: expected 3 rows as in the file compared with it, found 1"),
        "{error}"
    );
}

/// A file, the options, and words of the error.
type Hostile = (
    &'static str,
    &'static [u8],
    &'static [&'static str],
    &'static str,
);

const HOSTILE: [Hostile; 22] = [
    (
        "x.csv",
        b"",
        &SENTIMENT,
        "x.csv: column truth is missing (found: )",
    ),
    (
        "x.csv",
        b"truth,prediction\n",
        &SENTIMENT,
        "x.csv: expected at least one row, found none",
    ),
    (
        "x.csv",
        b"truth,guess\n1,1\n",
        &SENTIMENT,
        "column prediction is missing (found: truth, guess)",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,NaN\n",
        &SENTIMENT,
        "x.csv: line 2, column prediction: expected a finite number, found \"NaN\"",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,1e999\n",
        &SENTIMENT,
        "line 2, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,\n",
        &SENTIMENT,
        "expected a finite number, found \"\"",
    ),
    (
        "x.csv",
        b"truth,prediction\njoy,glee\n",
        &EMOTION,
        "x.csv: line 2, column prediction: expected one of neutral, surprise, fear, sadness, joy, disgust, anger, found \"glee\"",
    ),
    (
        "x.csv",
        b"truth,prediction\n1,1\n1\n",
        &SENTIMENT,
        "x.csv: line 3: expected 2 fields as in the header, found 1",
    ),
    (
        "x.csv",
        b"truth,prediction\n1,1\n\n\n1,x\n",
        &SENTIMENT,
        "x.csv: line 5, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"\xef\xbb\xbftruth,prediction\n1,1\n\r\n\r\n1,x\n",
        &SENTIMENT,
        "x.csv: line 5, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"truth,prediction,truth\n1,1,2\n",
        &SENTIMENT,
        "x.csv: expected one column truth, found more (found: truth, prediction, truth)",
    ),
    (
        "x.csv",
        b"truth,prediction\njoy,joy\njoy,\xff\n",
        &EMOTION,
        "x.csv: line 3: expected UTF-8, found other bytes",
    ),
    (
        "x.jsonl",
        b"",
        &SENTIMENT,
        "x.jsonl: expected at least one row",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": NaN}\n",
        &SENTIMENT,
        "x.jsonl: line 1: expected one JSON object, found",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": 2}\n\n[1]\n",
        &SENTIMENT,
        "x.jsonl: line 3: expected one JSON object, found invalid type",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"truth\": 2, \"prediction\": 2}\n",
        &SENTIMENT,
        "line 1: expected one JSON object, found column truth twice",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1}\n",
        &SENTIMENT,
        "line 1, column prediction: expected a finite number, found nothing",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": {}}\n",
        &SENTIMENT,
        "line 1, column prediction: expected text, a number or a list of numbers, found an object",
    ),
    ("x.parquet", b"PAR1", &SENTIMENT, "x.parquet: "),
    (
        "x.npy",
        b"",
        &SENTIMENT,
        "x.npy: expected --truth FILE.npy beside an .npy file",
    ),
    (
        "x.txt",
        b"1 1\n",
        &SENTIMENT,
        "x.txt: expected a .csv, .jsonl, .parquet or .npy file, found .txt",
    ),
    (
        "x.csv",
        b"truth,prediction,v\n1,1,\n",
        &["--task", "sentiment", "--cluster", "v"],
        "line 2, column v: expected a name, found \"\"",
    ),
];

#[test]
fn hostile_files_are_refused_by_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, options, words) in HOSTILE {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let error = refused(&file, options);
        assert!(error.contains(words), "{words:?} not in {error}");
    }
    let fifo = folder.path().join("fifo.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let error = refused(&fifo, &EMOTION);
    assert!(
        error.contains("fifo.csv: expected a regular file, found a FIFO"),
        "{error}"
    );
}

#[test]
fn hostile_arrays_are_refused_by_file_and_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let truth = path("t.npy");
    let run = || {
        let options = [&SENTIMENT[..], &["--truth", truth.to_str().unwrap()]].concat();
        refused(&path("x.npy"), &options)
    };
    npy(&path("x.npy"), "2,", &[1.0, f64::NAN]);
    npy(&truth, "3,", &[1.0, 2.0, 3.0]);
    assert!(run().contains("x.npy: expected 3 rows as in"));
    npy(&truth, "2,", &[1.0, 2.0]);
    assert!(run().contains("x.npy: row 2, column prediction: expected a finite number, found NaN"));
    npy(&truth, "1, 1, 2", &[1.0, 2.0]);
    assert!(run().contains("t.npy: expected an array of shape [n] or [n, k], found [1, 1, 2]"));
    fs::write(&truth, b"\x93NUMPY").unwrap();
    assert!(run().contains("t.npy: npy: expected an .npy header"));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    fs::write(&file, "truth,prediction\n1,1\n").unwrap();
    let cases: [(&[&str], &str); 11] = [
        (
            &["--metrics", "macro_f1"],
            "--metrics: no metric `macro_f1` here, expected one of: mae, corr",
        ),
        (
            &["--labels", "a,b"],
            "--labels: a file of scores has no classes",
        ),
        (
            &["--probabilities", "p"],
            "--probabilities: only --task emotion",
        ),
        (
            &["--quantiles", "a,b"],
            "--quantiles: expected four columns, found 2",
        ),
        (
            &["--where", "corpus"],
            "--where: expected COLUMN=VALUE, found \"corpus\"",
        ),
        (
            &["--where", "truth=2"],
            "x.csv: expected at least one row with truth=2, found none",
        ),
        (
            &["--truth-column", "prediction"],
            "--prediction-column: expected another column",
        ),
        (
            &["--generated", "intensity,polarity"],
            "--generated: expected polarity, then",
        ),
        (
            &["--generated", "polarity,meld"],
            "--generated: expected intensity, found polarity,meld",
        ),
        (
            &["--generated", "polarity,intensity", "--unparsed", "x"],
            "--unparsed: expected a score, found \"x\"",
        ),
        (
            &["--truth", "t.npy"],
            "--truth t.npy: expected .npy files alone",
        ),
    ];
    for (options, words) in cases {
        let error = refused(&file, &[&SENTIMENT[..], options].concat());
        assert!(error.contains(words), "{words:?} not in {error}");
    }
    let error = refused(&file, &[&EMOTION[..], &["--labels", "a,b,a"]].concat());
    assert!(
        error.contains("--labels: expected different names, found \"a\" twice"),
        "{error}"
    );
}

/// One row and constants: what has no value says why, and nothing is NaN.
#[test]
fn one_row_and_constants_have_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    fs::write(&file, "truth,prediction\n0.1,0.3\n").unwrap();
    let one = score(&file, &["--task", "sentiment"]);
    assert_eq!(one["metrics"]["mae"], json!(0.3 - 0.1));
    assert_eq!(one["undefined"]["corr"], "the predictions are constant");
    let interval = &one["intervals"]["mae"]["percentile"];
    assert!(
        interval["undefined"]
            .as_str()
            .unwrap()
            .contains("one cluster"),
        "{one}"
    );
    // ten times 0.1 is not 1 in floats: the constant is told by its values
    csv(
        &file,
        &[0.1; 10],
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0],
    );
    let constant = score(&file, &["--task", "sentiment"]);
    assert_eq!(constant["undefined"]["corr"], "the truths are constant");
    csv(&file, &[1e308, -1e308, 1e308], &[-1e308, 1e308, -1e308]);
    let huge = score(&file, &SENTIMENT);
    assert!(
        huge["undefined"]["mae"]
            .as_str()
            .unwrap()
            .contains("beyond 64-bit"),
        "{huge}"
    );
    assert_eq!(huge["metrics"]["acc7"], json!(0.0));
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

/// Ten million rows whose scores are known: the right answer in at most 100 bytes a row, where two texts a row would take more.
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
    let mut child = Command::new(UNIMSE)
        .args(["score", "--json"])
        .args(SENTIMENT)
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let peak = peak(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let got: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(got["n"], json!(n));
    assert_eq!(got["metrics"]["mae"], json!(0.25));
    for exact in ["acc7", "acc5", "acc3", "acc2_non0", "f1_has0"] {
        assert_eq!(got["metrics"][exact], json!(1.0), "{exact}");
    }
    assert!(peak > 0 && peak < 100 * n, "{peak} bytes");
}
