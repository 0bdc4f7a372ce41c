//! BCa intervals and approximate randomisation against scipy.stats. Needs a Python with scipy: `UNIMSE_PYTHON`, or else `python3`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use unimse_eval::{Interval, Measure, jackknife, randomisation, resample};

/// What the script prints, given `input` as JSON; `None`, with a word on stderr, where Python has no scipy.
fn scipy(test: &str, script: &str, input: &Value) -> Option<Value> {
    let named = std::env::var("UNIMSE_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", "import scipy.stats"])
        .output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(
            named.is_none(),
            "UNIMSE_PYTHON = {python}: expected a Python that imports scipy"
        );
        eprintln!("skipped: {test} needs UNIMSE_PYTHON, a Python with scipy");
        return None;
    }
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_vec(input).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Rows of 42 clusters of unequal size, skewed, and a second system that is a little better.
fn rows() -> (Vec<usize>, Vec<f64>, Vec<f64>) {
    let clusters: Vec<usize> = (0..150).map(|row| (row * row + row) % 83).collect();
    let value = |row: usize| ((row * 37 % 101) as f64 / 25.0).powi(3) + (row * row % 40) as f64;
    let first: Vec<f64> = (0..150).map(value).collect();
    let second = (0..150).map(|row| first[row] - 2.75 + (row * 13 % 29) as f64 / 5.0);
    let second = second.collect();
    (clusters, first, second)
}

fn mean(values: &[f64]) -> Measure<'_> {
    Measure::means(values.len(), 1, |rows, sums| {
        sums[0] += rows.iter().map(|&row| values[row]).sum::<f64>();
    })
}

const BCA: &str = "
import json, sys, numpy as np
from scipy.stats import bootstrap
from scipy.stats._resampling import BootstrapResult
given = json.load(sys.stdin)
clusters, values = np.array(given['clusters']), np.array(given['values'])
names = np.array(sorted(set(clusters)))
members = {name: values[clusters == name] for name in names}
def statistic(drawn):
    return np.mean(np.concatenate([members[name] for name in drawn]))
def interval(**options):
    ci = bootstrap((names,), statistic, vectorized=False, method='BCa', **options).confidence_interval
    return [ci.low, ci.high]
ours = BootstrapResult(None, np.array(given['resampled']), None)
print(json.dumps({'same_resamples': interval(n_resamples=0, bootstrap_result=ours),
                  'own_resamples': interval(n_resamples=20000, rng=np.random.default_rng(1))}))
";

#[test]
fn bca_is_that_of_scipy() {
    let (clusters, values, _) = rows();
    let measure = mean(&values);
    let resampled = &resample(&measure, &clusters, 20_000, 1)[0];
    let input = json!({"clusters": clusters, "values": values, "resampled": resampled.draws});
    let Some(theirs) = scipy("bca_is_that_of_scipy", BCA, &input) else {
        return;
    };
    let (value, jackknife) = (resampled.value, jackknife(&measure, &clusters));
    let ours = Interval::bca(value, value, &resampled.draws, &jackknife[0]);
    let ours = [ours.low.unwrap(), ours.high.unwrap()];
    let width = ours[1] - ours[0];
    for (end, ours) in ours.into_iter().enumerate() {
        let theirs = |key: &str| theirs[key][end].as_f64().unwrap();
        let exact = (ours - theirs("same_resamples")).abs();
        assert!(
            exact < 1e-9 * width,
            "{end}: {ours} {theirs:?}",
            theirs = theirs("same_resamples")
        );
        // two sets of 20000 resamples: an end moves by some hundredths of the width
        let drawn = (ours - theirs("own_resamples")).abs();
        assert!(
            drawn < 0.03 * width,
            "{end}: {ours} {theirs:?}",
            theirs = theirs("own_resamples")
        );
    }
}

const PERMUTATION: &str = "
import json, sys, numpy as np
from scipy.stats import permutation_test
given = json.load(sys.stdin)
clusters = np.array(given['clusters'])
first, second = np.array(given['first']), np.array(given['second'])
names = sorted(set(clusters))
sums = lambda values: np.array([values[clusters == name].sum() for name in names])
difference = lambda a, b, axis: (np.sum(a, axis=axis) - np.sum(b, axis=axis)) / len(clusters)
result = permutation_test((sums(first), sums(second)), difference, permutation_type='samples', vectorized=True,
                          n_resamples=50000, rng=np.random.default_rng(1))
print(json.dumps({'p': result.pvalue, 'statistic': result.statistic}))
";

#[test]
fn randomisation_is_that_of_scipy() {
    let (clusters, first, second) = rows();
    let input = json!({"clusters": clusters, "first": first, "second": second});
    let Some(theirs) = scipy("randomisation_is_that_of_scipy", PERMUTATION, &input) else {
        return;
    };
    let draws = 50_000;
    let both = [first.clone(), second.clone()].concat();
    let ours = randomisation(&mean(&both), &clusters, draws, 1)[0].unwrap();
    let mean_of = |values| mean(values).of_all()[0].unwrap();
    let statistic = mean_of(&first) - mean_of(&second);
    assert!((theirs["statistic"].as_f64().unwrap() - statistic).abs() < 1e-9);
    let theirs = theirs["p"].as_f64().unwrap();
    // two estimates of one share
    let spread = (2.0 * theirs * (1.0 - theirs) / draws as f64).sqrt();
    assert!((0.001..0.999).contains(&theirs), "{theirs}");
    assert!((ours - theirs).abs() < 5.0 * spread, "{ours} {theirs}");
}
