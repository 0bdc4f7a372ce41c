//! The golden numbers, in every convention and every form of file.

use super::*;

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
