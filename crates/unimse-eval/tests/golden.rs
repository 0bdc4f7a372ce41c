//! Every metric against numpy and scikit-learn: `data/golden/metrics`, tolerance 1e-6.

use std::path::PathBuf;

use serde_json::Value;
use unimse_eval::{
    Convention, Metric, Scores, class_indices, emotion, emotion_measure, sentiment,
    sentiment_measure,
};

const TOLERANCE: f64 = 1e-6;

/// The cases of a golden file; `None`, with a word on stderr, where the folder lacks it.
fn cases(file: &str) -> Option<Vec<Value>> {
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden");
    let folder =
        std::env::var_os("UNIMSE_GOLDEN").map_or_else(|| PathBuf::from(copy), PathBuf::from);
    let path = folder.join("metrics").join(file);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn floats(values: &Value) -> Vec<f32> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap() as f32)
        .collect()
}

fn names(values: &Value) -> Vec<String> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// A null of the golden file is an undefined metric with a reason.
fn check(case: &Value, scores: &Scores, metric: Metric, expected: &Value) {
    let at = format!("{} {metric}", case["name"]);
    match expected.as_f64() {
        Some(expected) => {
            let found = scores.get(metric).unwrap();
            assert!(
                (found - expected).abs() <= TOLERANCE,
                "{at}: {found}, expected {expected}"
            );
        }
        None => {
            assert!(expected.is_null(), "{at}: not in the golden file");
            let undefined = scores.undefined.get(&metric);
            assert!(
                undefined.is_some_and(|reason| !reason.is_empty()),
                "{at}: expected to be undefined"
            );
        }
    }
}

#[test]
fn golden_sentiment() {
    const KEYS: [(Convention, &[(Metric, &str)]); 3] = [
        (
            Convention::Mmsa,
            &[
                (Metric::Mae, "mae"),
                (Metric::Corr, "corr"),
                (Metric::Acc7, "acc7"),
                (Metric::Acc5, "acc5"),
                (Metric::Acc3, "acc3"),
                (Metric::Acc2Non0, "acc2_non0"),
                (Metric::F1Non0, "f1_non0"),
                (Metric::Acc2Has0, "acc2_has0"),
                (Metric::F1Has0, "f1_has0"),
            ],
        ),
        (
            Convention::Mult,
            &[
                (Metric::Mae, "mae"),
                (Metric::Corr, "corr"),
                (Metric::Acc7, "acc7"),
                (Metric::Acc5, "acc5"),
                (Metric::Acc3, "acc3"),
                (Metric::Acc2Non0, "acc2_non0"),
                (Metric::F1Non0, "f1_non0_swapped"),
            ],
        ),
        (
            Convention::Mag,
            &[
                (Metric::Mae, "mag_mae"),
                (Metric::Corr, "mag_corr"),
                (Metric::Acc2, "mag_acc2"),
                (Metric::F1, "mag_f1"),
            ],
        ),
    ];
    for case in cases("regression.json").into_iter().flatten() {
        let (prediction, truth) = (floats(&case["predictions"]), floats(&case["truths"]));
        let rows: Vec<usize> = (0..truth.len()).collect();
        for (convention, keys) in KEYS {
            let scores = sentiment(&prediction, &truth, convention).unwrap();
            assert_eq!(scores.n, truth.len());
            assert_eq!(scores.metrics.len() + scores.undefined.len(), keys.len());
            for &(metric, golden) in keys {
                check(&case, &scores, metric, &case["expect"][golden]);
                let measure = sentiment_measure(&prediction, &truth, convention, &[metric]);
                let value = measure.unwrap().of_rows(&rows)[0];
                assert_eq!(
                    Some(value).filter(|value| !value.is_nan()),
                    scores.get(metric)
                );
            }
        }
    }
}

#[test]
fn golden_emotion() {
    for case in cases("classification.json").into_iter().flatten() {
        let labels = names(&case["labels"]);
        let indices =
            |column, key: &str| class_indices(column, &names(&case[key]), &labels).unwrap();
        let (prediction, truth) = (
            indices("prediction", "predictions"),
            indices("truth", "truths"),
        );
        let found = emotion(&prediction, &truth, &labels).unwrap();
        let expected = &case["expect"];
        let rows: Vec<usize> = (0..truth.len()).collect();
        for metric in [
            Metric::Accuracy,
            Metric::WeightedF1,
            Metric::MacroF1,
            Metric::UnweightedAverageRecall,
        ] {
            check(&case, &found.scores, metric, &expected[metric.key()]);
            let measure = emotion_measure(&prediction, &truth, &labels, &[metric]).unwrap();
            assert_eq!(
                measure.of_rows(&rows).first().copied(),
                found.scores.get(metric)
            );
        }
        assert_eq!(
            serde_json::to_value(&found.confusion).unwrap(),
            expected["confusion_rows_truth"]
        );
        assert_eq!(found.per_class.len(), labels.len());
        for class in &found.per_class {
            let expected = &expected["per_class"][&class.label];
            assert_eq!(Some(class.support), expected["support"].as_u64());
            for (key, value) in [
                ("precision", class.precision),
                ("recall", class.recall),
                ("f1", class.f1),
            ] {
                let expected = expected[key].as_f64().unwrap();
                assert!(
                    (value - expected).abs() <= TOLERANCE,
                    "{} {key}: {value}, expected {expected}",
                    class.label
                );
            }
        }
    }
}
