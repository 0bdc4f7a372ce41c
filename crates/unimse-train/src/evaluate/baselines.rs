//! What every number stands beside: the majority class or mean score, ridge or logistic regression on frozen sentence
//! embeddings, and the nearest train rows by them, fitted in the same run on train with regularisation and number of neighbours chosen on dev.
//! What the data do not allow to fit is left out by name, with the reason.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};
use tch::{Kind, Tensor};
use unimse_eval::{Convention, Metric, emotion, sentiment};
use unimse_run::Chosen;

use crate::evaluate::fitting::{Fitted, NOT_FINITE, check};
use crate::evaluate::knn;

pub use crate::evaluate::fitting::{Asked, Part};

/// A fitted baseline's predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline<T> {
    /// `mean`, `ridge`, `majority`, `logistic`, `knn` or `finetuned`.
    pub name: &'static str,
    /// Predictions in the order of the rows asked for; scores are finite.
    pub prediction: Vec<T>,
    /// What dev chose.
    pub chosen: Option<Chosen>,
}

/// The baselines of one corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Baselines<T> {
    /// Those that could be fitted.
    pub fitted: Vec<Baseline<T>>,
    /// Name of each other, and why it could not.
    pub not_fitted: Vec<(&'static str, String)>,
}

/// Ridge penalties tried, relative to the mean squared norm of a row.
const RIDGE: [f64; 7] = [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0];
/// Logistic penalties tried (sum of squared weights, against the summed log loss).
const LOGISTIC: [f64; 7] = [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0];
/// The mean training score, ridge regression and the mean of the nearest train rows, both chosen by dev MAE.
#[must_use]
pub fn sentiment_baselines(
    train: &Part<'_, f32>,
    dev: &Part<'_, f32>,
    asked: Asked<'_>,
) -> Baselines<f32> {
    gather([
        ("mean", mean(train, asked)),
        ("ridge", ridge(train, dev, asked)),
        ("knn", knn::score(train, dev, asked)),
    ])
}

/// The majority class of train, multinomial logistic regression and the vote of the nearest train rows, both chosen by dev weighted F1.
#[must_use]
pub fn emotion_baselines(
    train: &Part<'_, usize>,
    dev: &Part<'_, usize>,
    asked: Asked<'_>,
    labels: &[String],
) -> Baselines<usize> {
    gather([
        ("majority", majority(train, asked, labels)),
        ("logistic", logistic(train, dev, asked, labels)),
        ("knn", knn::class(train, dev, asked, labels)),
    ])
}

/// The choice of a penalty.
fn penalty(lambda: f64) -> Option<Chosen> {
    Some(Chosen {
        lambda: Some(lambda),
        ..Chosen::default()
    })
}

fn gather<T>(all: [(&'static str, Fitted<T>); 3]) -> Baselines<T> {
    let (mut fitted, mut not_fitted) = (Vec::new(), Vec::new());
    for (name, result) in all {
        match result {
            Ok((prediction, chosen)) => fitted.push(Baseline {
                name,
                prediction,
                chosen,
            }),
            Err(reason) => not_fitted.push((name, reason)),
        }
    }
    Baselines { fitted, not_fitted }
}

fn mean_score(train: &Part<'_, f32>) -> Result<f32, String> {
    let n = train.truth.len();
    if n == 0 {
        return Err("expected train rows with a gold score, found none".to_owned());
    }
    let mean = (train.truth.iter().map(|&t| f64::from(t)).sum::<f64>() / n as f64) as f32;
    Some(mean)
        .filter(|mean| mean.is_finite())
        .ok_or_else(|| NOT_FINITE.to_owned())
}

fn mean(train: &Part<'_, f32>, asked: Asked<'_>) -> Fitted<f32> {
    Ok((vec![mean_score(train)?; asked.rows], None))
}

fn ridge(train: &Part<'_, f32>, dev: &Part<'_, f32>, asked: Asked<'_>) -> Fitted<f32> {
    let mean = f64::from(mean_score(train)?);
    check(train, dev, asked, 2)?;
    let dim = asked.dim;
    let matrix = |v: &[f32]| {
        Tensor::from_slice(v)
            .to_kind(Kind::Double)
            .view([-1, dim as i64])
    };
    let x = matrix(&train.inputs);
    let centre = x.mean_dim(0i64, false, Kind::Double);
    let x = &x - &centre;
    let y = Tensor::from_slice(train.truth).to_kind(Kind::Double) - mean;
    let gram = x.tr().matmul(&x);
    let right = x.tr().matmul(&y.unsqueeze(1));
    let scale = gram.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]) / dim as f64;
    if scale <= 0.0 {
        return Err("every train row has the same embedding".to_owned());
    }
    let identity = Tensor::eye(dim as i64, (Kind::Double, tch::Device::Cpu));
    // `None` where LibTorch finds the system singular or its answer is no number
    let answer = |inputs: &[f32], w: &Tensor| -> Option<Vec<f32>> {
        let raw = (matrix(inputs) - &centre).matmul(w).squeeze_dim(1);
        let raw: Vec<f64> = Vec::try_from(raw).ok()?;
        let clipped = raw.iter().map(|r| (r + mean).clamp(-3.0, 3.0) as f32);
        Some(clipped.collect()).filter(|all: &Vec<f32>| all.iter().all(|x| x.is_finite()))
    };
    let mut best: Option<(f64, f64, Vec<f32>)> = None;
    for lambda in RIDGE {
        let system = &gram + &identity * (lambda * scale / dim as f64);
        let Ok(w) = Tensor::f_linalg_solve(&system, &right, true) else {
            continue;
        };
        let Some((on_dev, prediction)) = answer(&dev.inputs, &w).zip(answer(asked.inputs, &w))
        else {
            continue;
        };
        let scores = sentiment(&on_dev, dev.truth, Convention::Mmsa).map_err(|e| e.to_string())?;
        let mae = scores.get(Metric::Mae).unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(b, ..)| mae < *b) {
            best = Some((mae, lambda, prediction));
        }
    }
    let (_, lambda, prediction) =
        best.ok_or("the normal equations cannot be solved with any penalty")?;
    Ok((prediction, penalty(lambda)))
}

/// Rows of each class.
fn counts(train: &Part<'_, usize>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    train.truth.iter().for_each(|&class| counts[class] += 1);
    counts
}

fn majority(train: &Part<'_, usize>, asked: Asked<'_>, labels: &[String]) -> Fitted<usize> {
    let counts = counts(train, labels.len());
    // the first of the most frequent classes
    let most = (0..counts.len()).rev().max_by_key(|&class| counts[class]);
    let class = most.filter(|&class| counts[class] > 0);
    let class = class.ok_or("expected train rows with a gold class, found none")?;
    Ok((vec![class; asked.rows], None))
}

fn logistic(
    train: &Part<'_, usize>,
    dev: &Part<'_, usize>,
    asked: Asked<'_>,
    labels: &[String],
) -> Fitted<usize> {
    check(train, dev, asked, 2)?;
    let classes = counts(train, labels.len());
    let classes = classes.iter().filter(|&&count| count > 0).count();
    if classes < 2 {
        return Err(format!(
            "expected at least 2 classes in train, found {classes}"
        ));
    }
    let matrix = |v: &[f32]| {
        let values = v.iter().map(|&x| f64::from(x)).collect();
        Array2::from_shape_vec((v.len() / asked.dim, asked.dim), values).map_err(|e| e.to_string())
    };
    let data = DatasetBase::new(
        matrix(&train.inputs)?,
        Array1::from_vec(train.truth.to_vec()),
    );
    let (dev_x, asked_x) = (matrix(&dev.inputs)?, matrix(asked.inputs)?);
    let mut best: Option<(f64, f64, Vec<usize>)> = None;
    let mut problem = String::new();
    for lambda in LOGISTIC {
        let parameters = MultiLogisticRegression::default()
            .alpha(lambda)
            .max_iterations(100)
            .gradient_tolerance(1e-3);
        let fitted = match parameters.fit(&data) {
            Ok(fitted) => fitted,
            Err(error) => {
                problem = error.to_string();
                continue;
            }
        };
        let on_dev = fitted.predict(&dev_x).to_vec();
        let scores = emotion(&on_dev, dev.truth, labels).map_err(|e| e.to_string())?;
        let f1 = scores.scores.get(Metric::WeightedF1).unwrap_or(0.0);
        if best.as_ref().is_none_or(|(b, ..)| f1 > *b) {
            best = Some((f1, lambda, fitted.predict(&asked_x).to_vec()));
        }
    }
    let (_, lambda, prediction) =
        best.ok_or_else(|| format!("the fit fails with every penalty: {problem}"))?;
    Ok((prediction, penalty(lambda)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn asked(inputs: &[f32], dim: usize) -> Asked<'_> {
        let rows = inputs.len() / dim;
        Asked { inputs, rows, dim }
    }

    #[test]
    fn ridge_finds_a_linear_score_and_mean_does_not() {
        let inputs: Vec<f32> = (0..40)
            .flat_map(|i| [(i as f32 / 20.0 - 1.0), ((i * 7) % 13) as f32 / 13.0])
            .collect();
        let truth: Vec<f32> = inputs.chunks(2).map(|r| 2.0 * r[0] - 0.5 * r[1]).collect();
        let part = Part {
            inputs: inputs.clone(),
            truth: &truth,
        };
        let got = sentiment_baselines(&part, &part, asked(&inputs, 2)).fitted;
        let mean = truth.iter().sum::<f32>() / 40.0;
        assert!(got[0].prediction.iter().all(|p| (p - mean).abs() < 1e-6));
        let worst = got[1]
            .prediction
            .iter()
            .zip(&truth)
            .map(|(p, t)| (p - t).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.02, "{worst}");
    }

    #[test]
    fn logistic_separates_and_majority_is_the_most_frequent() {
        let labels: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let truth: Vec<usize> = (0..60).map(|i| [0, 1, 1, 2, 1, 0][i % 6]).collect();
        let inputs: Vec<f32> = truth
            .iter()
            .enumerate()
            .flat_map(|(i, &t)| {
                let mut row = [0.1 * (i % 3) as f32; 3];
                row[t] += 1.0;
                row
            })
            .collect();
        let part = Part {
            inputs: inputs.clone(),
            truth: &truth,
        };
        let got = emotion_baselines(&part, &part, asked(&inputs, 3), &labels).fitted;
        assert_eq!(got[0].prediction, vec![1; 60]);
        assert_eq!(got[1].prediction, truth);
    }

    /// Names of the fitted, and what is said of the others.
    fn outcome<T>(baselines: Baselines<T>) -> (Vec<&'static str>, String) {
        let said = baselines
            .not_fitted
            .iter()
            .map(|(name, why)| format!("{name}: {why}"));
        let said = said.collect::<Vec<_>>().join("; ");
        (baselines.fitted.iter().map(|b| b.name).collect(), said)
    }

    #[test]
    fn a_score_baseline_that_the_data_do_not_allow_is_named_with_the_reason() {
        let check =
            |train: (&[f32], &[f32]), dev: (&[f32], &[f32]), fitted: &[&str], said: &str| {
                let part = |(inputs, truth): (&[f32], _)| Part {
                    inputs: inputs.to_vec(),
                    truth,
                };
                let (train, dev) = (part(train), part(dev));
                let found = outcome(sentiment_baselines(&train, &dev, asked(&[1.0, 0.0], 2)));
                assert_eq!((found.0.as_slice(), found.1.as_str()), (fitted, said));
            };
        let (two, gold): (&[f32], &[f32]) = (&[1.0, 0.0, 0.0, 1.0], &[1.0, -1.0]);
        check((two, gold), (two, gold), &["mean", "ridge", "knn"], "");
        let none = "mean: expected train rows with a gold score, found none; ridge: expected train rows with a gold score, found none; knn: expected at least 1 train rows with gold, found 0";
        check((&[], &[]), (two, gold), &[], none);
        let one = "ridge: expected at least 2 train rows with gold, found 1";
        check((&[1.0, 0.0], &[1.0]), (two, gold), &["mean", "knn"], one);
        let same = "ridge: every train row has the same embedding";
        check((&[1.0; 4], gold), (two, gold), &["mean", "knn"], same);
        let dev = "ridge: expected dev rows with gold to choose by, found none; knn: expected dev rows with gold to choose by, found none";
        check((two, gold), (&[], &[]), &["mean"], dev);
        let nan = "ridge: an embedding or a gold value is not finite; knn: an embedding or a gold value is not finite";
        check(
            (&[1.0, f32::NAN, 0.0, 1.0], gold),
            (two, gold),
            &["mean"],
            nan,
        );
        let nan = "mean: an embedding or a gold value is not finite; ridge: an embedding or a gold value is not finite; knn: an embedding or a gold value is not finite";
        check((two, &[1.0, f32::NAN]), (two, gold), &[], nan);
    }

    #[test]
    fn a_class_baseline_that_the_data_do_not_allow_is_named_with_the_reason() {
        let labels: Vec<String> = ["a", "b"].map(String::from).to_vec();
        let check = |train: &[usize], dev: &[usize], fitted: &[&str], said: &str| {
            fn part(truth: &[usize]) -> Part<'_, usize> {
                let inputs = truth.iter().flat_map(|&t| [t as f32, 1.0]).collect();
                Part { inputs, truth }
            }
            let asked = asked(&[1.0, 1.0], 2);
            let found = outcome(emotion_baselines(&part(train), &part(dev), asked, &labels));
            assert_eq!((found.0.as_slice(), found.1.as_str()), (fitted, said));
        };
        check(&[0, 1], &[1], &["majority", "logistic", "knn"], "");
        let none = "majority: expected train rows with a gold class, found none; logistic: expected at least 2 train rows with gold, found 0; knn: expected at least 1 train rows with gold, found 0";
        check(&[], &[1], &[], none);
        let class = "logistic: expected at least 2 classes in train, found 1";
        check(&[1, 1, 1], &[1], &["majority", "knn"], class);
        let dev = "logistic: expected dev rows with gold to choose by, found none; knn: expected dev rows with gold to choose by, found none";
        check(&[0, 1], &[], &["majority"], dev);
    }
}
