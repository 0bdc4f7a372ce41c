//! What every number stands beside: the majority class or mean score, and ridge or logistic regression on frozen sentence
//! embeddings, fitted in the same run on train with the regularisation chosen on dev.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};
use tch::{Kind, Tensor};
use unimse_eval::{Convention, emotion, sentiment};

use crate::TrainError;

/// A fitted baseline's test predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline<T> {
    /// `mean`, `ridge`, `majority` or `logistic`.
    pub name: &'static str,
    /// Test predictions in the order of the test rows.
    pub prediction: Vec<T>,
    /// The regularisation that dev chose.
    pub lambda: Option<f64>,
}

/// Inputs and gold of one split.
#[derive(Debug, Clone)]
pub struct Part<'a, T> {
    /// Row-major `[rows, dim]` embeddings.
    pub inputs: Vec<f32>,
    /// Gold, one a row.
    pub truth: &'a [T],
}

/// Ridge penalties tried, relative to the mean squared norm of a row.
const RIDGE: [f64; 7] = [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0];
/// Logistic penalties tried (sum of squared weights, against the summed log loss).
const LOGISTIC: [f64; 7] = [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0];

/// The mean training score, and ridge regression chosen by dev MAE.
///
/// # Errors
/// [`TrainError::Data`] without training rows; [`TrainError::Torch`] where the system cannot be solved.
pub fn sentiment_baselines(
    train: &Part<'_, f32>,
    dev: &Part<'_, f32>,
    test: &[f32],
    dim: usize,
) -> Result<Vec<Baseline<f32>>, TrainError> {
    let n = train.truth.len();
    if n == 0 {
        return Err(TrainError::Data(
            "baselines need gold scores in train, found none".to_owned(),
        ));
    }
    let rows = test.len() / dim;
    let mean = (train.truth.iter().map(|&t| f64::from(t)).sum::<f64>() / n as f64) as f32;
    let mut out = vec![Baseline {
        name: "mean",
        prediction: vec![mean; rows],
        lambda: None,
    }];

    let matrix = |v: &[f32]| {
        Tensor::from_slice(v)
            .to_kind(Kind::Double)
            .view([-1, dim as i64])
    };
    let x = matrix(&train.inputs);
    let centre = x.mean_dim(0i64, false, Kind::Double);
    let x = &x - &centre;
    let y = Tensor::from_slice(train.truth).to_kind(Kind::Double) - f64::from(mean);
    let gram = x.tr().matmul(&x);
    let right = x.tr().matmul(&y.unsqueeze(1));
    let scale = gram.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]) / dim as f64;
    let identity = Tensor::eye(dim as i64, (Kind::Double, tch::Device::Cpu));
    let answer = |inputs: &[f32], w: &Tensor| -> Result<Vec<f32>, TrainError> {
        let raw: Vec<f64> = Vec::try_from((matrix(inputs) - &centre).matmul(w).squeeze_dim(1))?;
        Ok(raw
            .iter()
            .map(|r| (r + f64::from(mean)).clamp(-3.0, 3.0) as f32)
            .collect())
    };
    let mut best: Option<(f64, f64, Tensor)> = None;
    for lambda in RIDGE {
        let w = Tensor::f_linalg_solve(
            &(&gram + &identity * (lambda * scale / dim as f64)),
            &right,
            true,
        )?;
        let mae = if dev.truth.is_empty() {
            0.0
        } else {
            sentiment(&answer(&dev.inputs, &w)?, dev.truth, Convention::Mmsa)?
                .get("mae")
                .unwrap_or(f64::INFINITY)
        };
        if best.as_ref().is_none_or(|(b, ..)| mae < *b) {
            best = Some((mae, lambda, w));
        }
    }
    if let Some((_, lambda, w)) = best {
        out.push(Baseline {
            name: "ridge",
            prediction: answer(test, &w)?,
            lambda: Some(lambda),
        });
    }
    Ok(out)
}

/// The majority class of train, and multinomial logistic regression chosen by dev weighted F1.
///
/// # Errors
/// [`TrainError::Data`] without training rows or where the fit fails.
pub fn emotion_baselines(
    train: &Part<'_, usize>,
    dev: &Part<'_, usize>,
    test: &[f32],
    dim: usize,
    labels: &[String],
) -> Result<Vec<Baseline<usize>>, TrainError> {
    let rows = test.len() / dim;
    let mut counts = vec![0usize; labels.len()];
    for &t in train.truth {
        counts[t] += 1;
    }
    // the first of the most frequent classes
    let majority = (0..counts.len())
        .rev()
        .max_by_key(|&c| counts[c])
        .filter(|&c| counts[c] > 0);
    let majority = majority.ok_or_else(|| {
        TrainError::Data("baselines need gold classes in train, found none".to_owned())
    })?;
    let mut out = vec![Baseline {
        name: "majority",
        prediction: vec![majority; rows],
        lambda: None,
    }];
    if counts.iter().filter(|&&c| c > 0).count() < 2 {
        return Ok(out);
    }
    let matrix = |v: &[f32]| -> Result<Array2<f64>, TrainError> {
        Array2::from_shape_vec(
            (v.len() / dim, dim),
            v.iter().map(|&x| f64::from(x)).collect(),
        )
        .map_err(|e| TrainError::Data(e.to_string()))
    };
    let data = DatasetBase::new(
        matrix(&train.inputs)?,
        Array1::from_vec(train.truth.to_vec()),
    );
    let (dev_x, test_x) = (matrix(&dev.inputs)?, matrix(test)?);
    let mut best: Option<(f64, f64, Vec<usize>)> = None;
    for lambda in LOGISTIC {
        let fitted = MultiLogisticRegression::default()
            .alpha(lambda)
            .max_iterations(100)
            .gradient_tolerance(1e-3)
            .fit(&data)
            .map_err(|e| {
                TrainError::Data(format!("logistic regression with penalty {lambda}: {e}"))
            })?;
        let f1 = if dev.truth.is_empty() {
            0.0
        } else {
            emotion(&fitted.predict(&dev_x).to_vec(), dev.truth, labels)?
                .scores
                .get("weighted_f1")
                .unwrap_or(0.0)
        };
        if best.as_ref().is_none_or(|(b, ..)| f1 > *b) {
            best = Some((f1, lambda, fitted.predict(&test_x).to_vec()));
        }
    }
    if let Some((_, lambda, prediction)) = best {
        out.push(Baseline {
            name: "logistic",
            prediction,
            lambda: Some(lambda),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

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
        let got = sentiment_baselines(&part, &part, &inputs, 2).unwrap();
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
        let got = emotion_baselines(&part, &part, &inputs, 3, &labels).unwrap();
        assert_eq!(got[0].prediction, vec![1; 60]);
        assert_eq!(got[1].prediction, truth);
    }
}
