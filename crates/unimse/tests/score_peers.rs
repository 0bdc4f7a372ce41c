//! `unimse score` against scikit-learn and scipy on a million random rows. Needs a Python that has both: `UNIMSE_PYTHON`, or else `python3`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs the script in a folder where it leaves arrays, and reads what it expects of them; `None`, with a word on stderr, without such a Python.
fn expected(test: &str, script: &str, folder: &Path) -> Option<Value> {
    let named = std::env::var("UNIMSE_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let has = "import sklearn.metrics, scipy.stats";
    let found = Command::new(&python).args(["-c", has]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(
            named.is_none(),
            "UNIMSE_PYTHON = {python}: expected a Python that imports sklearn and scipy"
        );
        eprintln!("skipped: {test} needs UNIMSE_PYTHON, a Python with scikit-learn and scipy");
        return None;
    }
    let output = Command::new(python)
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn score(folder: &Path, options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args([
            "score",
            "--json",
            "--resamples",
            "0",
            "--truth",
            "truth.npy",
        ])
        .args(options)
        .arg("prediction.npy")
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every value of `expected`, and no other.
fn assert_near(found: &Value, expected: &Value) {
    let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
    assert!(found.keys().eq(expected.keys()), "{found:?} {expected:?}");
    for (key, value) in found {
        let (ours, theirs) = (value.as_f64().unwrap(), expected[key].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-9, "{key}: {ours} {theirs}");
    }
}

const SCORES: &str = "
import json, numpy as np
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error
rng = np.random.default_rng(7)
n = 1_000_000
truth = np.clip(np.round(rng.normal(0, 1.5, n) * 5) / 5, -3, 3)
prediction = truth + rng.normal(0, 1, n)
prediction[: n // 10] = np.round(prediction[: n // 10] * 2) / 2  # ties and zeros
np.save('truth.npy', truth); np.save('prediction.npy', prediction)
def classes(limit):
    return [np.round(np.clip(x, -limit, limit)).astype(int) for x in (truth, prediction)]
weighted = lambda t, p: f1_score(t, p, average='weighted')
common = {'mae': mean_absolute_error(truth, prediction), 'corr': pearsonr(truth, prediction).statistic,
          **{f'acc{n}': accuracy_score(*classes(limit)) for n, limit in [(7, 3), (5, 2), (3, 1)]}}
some = truth != 0
t, p = truth[some], prediction[some]
print(json.dumps({
    'mmsa': {**common, 'acc2_non0': accuracy_score(t > 0, p > 0), 'f1_non0': weighted(t > 0, p > 0),
             'acc2_has0': accuracy_score(truth >= 0, prediction >= 0), 'f1_has0': weighted(truth >= 0, prediction >= 0)},
    'mult': {**common, 'acc2_non0': accuracy_score(t > 0, p > 0), 'f1_non0': weighted(p > 0, t > 0)},
    'mag': {'mae': mean_absolute_error(t, p), 'corr': pearsonr(t, p).statistic,
            'acc2': accuracy_score(t >= 0, p >= 0), 'f1': weighted(t >= 0, p >= 0)}}))
";

#[test]
fn scores_are_those_of_scikit_learn_and_scipy() {
    let folder = tempfile::tempdir().unwrap();
    let test = "scores_are_those_of_scikit_learn_and_scipy";
    let Some(expected) = expected(test, SCORES, folder.path()) else {
        return;
    };
    for convention in ["mmsa", "mult", "mag"] {
        let options = ["--task", "sentiment", "--convention", convention];
        let found = score(folder.path(), &options);
        assert_eq!(found["n"], 1_000_000);
        assert_near(&found["metrics"], &expected[convention]);
    }
}

const CLASSES: &str = "
import json, numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support, recall_score
rng = np.random.default_rng(8)
n = 1_000_000
truth = rng.choice(7, n, p=[.47, .12, .02, .08, .17, .03, .11])
prediction = np.where(rng.random(n) < .6, truth, rng.integers(0, 7, n))
np.save('truth.npy', truth); np.save('prediction.npy', prediction)
print(json.dumps({'metrics': {
    'accuracy': accuracy_score(truth, prediction), 'weighted_f1': f1_score(truth, prediction, average='weighted'),
    'macro_f1': f1_score(truth, prediction, average='macro'),
    'unweighted_average_recall': recall_score(truth, prediction, average='macro')},
  'confusion': confusion_matrix(truth, prediction).tolist(),
  'per_class': [x.tolist() for x in precision_recall_fscore_support(truth, prediction)]}))
";

#[test]
fn classes_are_those_of_scikit_learn() {
    let folder = tempfile::tempdir().unwrap();
    let test = "classes_are_those_of_scikit_learn";
    let Some(expected) = expected(test, CLASSES, folder.path()) else {
        return;
    };
    let found = score(folder.path(), &["--task", "emotion"]);
    assert_near(&found["metrics"], &expected["metrics"]);
    assert_eq!(found["confusion_rows_truth"], expected["confusion"]);
    for (at, key) in ["precision", "recall", "f1", "support"]
        .into_iter()
        .enumerate()
    {
        for (class, scores) in found["per_class"].as_array().unwrap().iter().enumerate() {
            let theirs = expected["per_class"][at][class].as_f64().unwrap();
            assert!(
                (scores[key].as_f64().unwrap() - theirs).abs() < 1e-9,
                "{key} {class}"
            );
        }
    }
}

const EMOTIONS: &str = "
import json, numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score
rng = np.random.default_rng(9)
n, names = 200_000, ['happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear']
truth = np.where(rng.random((n, 6)) < [.5, .25, .2, .1, .15, .08], rng.integers(1, 10, (n, 6)) / 3, 0)
prediction = np.clip(0.4 * (truth > 0) + rng.random((n, 6)) * 0.6, 0, 1)
np.save('truth.npy', truth); np.save('prediction.npy', prediction)
def of(t, p):
    return {'weighted_accuracy': balanced_accuracy_score(t, p), 'f1_present': f1_score(t, p),
            'weighted_f1': f1_score(t, p, average='weighted')}
print(json.dumps({name: of(truth[:, at] > 0, prediction[:, at] >= 0.5) for at, name in enumerate(names)}))
";

/// The weighted accuracy of the field is what scikit-learn calls balanced.
#[test]
fn several_emotions_are_those_of_scikit_learn() {
    let folder = tempfile::tempdir().unwrap();
    let test = "several_emotions_are_those_of_scikit_learn";
    let Some(expected) = expected(test, EMOTIONS, folder.path()) else {
        return;
    };
    let found = score(folder.path(), &["--task", "presence"]);
    let emotions = found["emotions"].as_object().unwrap();
    assert!(emotions.keys().eq(expected.as_object().unwrap().keys()));
    for (emotion, scores) in emotions {
        let sorted = |value: &Value| -> std::collections::BTreeMap<String, f64> {
            serde_json::from_value(value.clone()).unwrap()
        };
        for (key, theirs) in sorted(&expected[emotion]) {
            let ours = scores["metrics"][&key].as_f64().unwrap();
            assert!(
                (ours - theirs).abs() < 1e-9,
                "{emotion} {key}: {ours} {theirs}"
            );
        }
    }
}
