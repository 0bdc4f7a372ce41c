//! The binary as programs see it: exit codes, JSON, one-line errors. No test here needs a model.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

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

fn golden() -> PathBuf {
    std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    )
}

fn golden_cases(name: &str) -> Vec<Value> {
    let path = golden().join("metrics").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return Vec::new();
    };
    serde_json::from_str(&text).unwrap()
}

fn write_pairs<T: std::fmt::Display>(path: &Path, truths: &[T], predictions: &[T]) {
    let rows = truths.iter().zip(predictions);
    let text: String = rows.map(|(t, p)| format!("{t},{p}\n")).collect();
    std::fs::write(path, format!("truth,prediction\n{text}")).unwrap();
}

fn assert_metric(name: &str, key: &str, got: &Value, expected: &Value) {
    match expected.as_f64() {
        Some(e) => {
            let g = got["metrics"][key].as_f64();
            let g = g.unwrap_or_else(|| panic!("{name}: {key} is missing"));
            assert!((g - e).abs() <= 1e-6, "{name}: {key}: {g} against {e}");
        }
        None => {
            assert!(
                got["metrics"].get(key).is_none(),
                "{name}: {key} is defined"
            );
            assert!(
                got["undefined"][key].is_string(),
                "{name}: {key} has no reason"
            );
        }
    }
}

/// `(convention, [(our key, golden key)])`, from.
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

#[test]
fn golden_score_sentiment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.csv");
    for case in golden_cases("regression.json") {
        let name = case["name"].as_str().unwrap();
        let numbers = |key: &str| -> Vec<f64> {
            case[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect()
        };
        write_pairs(&file, &numbers("truths"), &numbers("predictions"));
        for (convention, keys) in CONVENTIONS {
            let path = file.to_str().unwrap();
            let output = unimse(&[
                "score",
                "--task",
                "sentiment",
                "--convention",
                convention,
                path,
            ]);
            assert!(output.status.success(), "{name}: {}", stderr(&output));
            let got: Value = serde_json::from_str(&stdout(&output)).unwrap();
            assert_eq!(got["convention"], json!(convention));
            let total = got["metrics"].as_object().unwrap().len()
                + got["undefined"].as_object().unwrap().len();
            assert_eq!(total, keys.len(), "{name} {convention}: {got}");
            for (ours, theirs) in keys {
                assert_metric(name, ours, &got, &case["expect"][theirs]);
            }
        }
    }
}

#[test]
fn golden_score_emotion() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.csv");
    for case in golden_cases("classification.json") {
        let name = case["name"].as_str().unwrap();
        let words = |key: &str| -> Vec<String> {
            case[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_str().unwrap().to_owned())
                .collect()
        };
        write_pairs(&file, &words("truths"), &words("predictions"));
        let labels = words("labels").join(",");
        let output = unimse(&[
            "score",
            "--task",
            "emotion",
            "--labels",
            &labels,
            file.to_str().unwrap(),
        ]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let got: Value = serde_json::from_str(&stdout(&output)).unwrap();
        for key in [
            "accuracy",
            "weighted_f1",
            "macro_f1",
            "unweighted_average_recall",
        ] {
            assert_metric(name, key, &got, &case["expect"][key]);
        }
        assert_eq!(
            got["confusion_rows_truth"],
            case["expect"]["confusion_rows_truth"]
        );
        for (class, expected) in case["expect"]["per_class"].as_object().unwrap() {
            for key in ["precision", "recall", "f1", "support"] {
                let (g, e) = (&got["per_class"][class][key], &expected[key]);
                let difference = g.as_f64().unwrap() - e.as_f64().unwrap();
                assert!(
                    difference.abs() <= 1e-6,
                    "{name}: {class} {key}: {g} against {e}"
                );
            }
        }
    }
}

#[test]
fn score_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let check = |content: &str, task: &str, words: &[&str]| {
        let file = folder.path().join("pairs.csv");
        std::fs::write(&file, content).unwrap();
        let output = unimse(&["score", "--task", task, file.to_str().unwrap()]);
        assert_refused(&output, words);
    };
    check(
        "truth,prediction\n1.0,NaN\n",
        "sentiment",
        &["pairs.csv: line 2, column prediction", "NaN"],
    );
    check("truth,prediction\n", "sentiment", &["pairs.csv", "row"]);
    check("", "sentiment", &["pairs.csv", "truth"]);
    check("truth,guess\n1,1\n", "sentiment", &["prediction", "guess"]);
    check(
        "truth,prediction\njoy,glee\n",
        "emotion",
        &["pairs.csv: line 2, column prediction", "glee", "joy"],
    );
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
        &["demo, minilm, mpnet, paper, release", "tiny"],
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
    for preset in ["demo", "minilm", "mpnet", "paper", "release"] {
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
