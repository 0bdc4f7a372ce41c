//! Golden tensors, and InfoNCE with its gradients (paper, equation 6) written once more in plain f64 Rust.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;
use tch::{Kind, Tensor};

/// The folder of golden values: `UNIMSE_GOLDEN`, or the copy in the repository.
pub(crate) fn golden() -> PathBuf {
    std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    )
}

/// Tensors of a safetensors file.
pub(crate) fn tensors(path: &std::path::Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(path)
        .unwrap()
        .into_iter()
        .collect()
}

/// `max|a-b| / max|b|`; 0 against 0 is 0.
pub(crate) fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let scale = expected.abs().max().double_value(&[]);
    let worst = (found - expected).abs().max().double_value(&[]);
    assert!(worst.is_finite());
    if scale == 0.0 { worst } else { worst / scale }
}

/// Rows of a `[rows, dim]` tensor in f64.
pub(crate) fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    Vec::try_from(x.to_kind(Kind::Double)).unwrap()
}

/// InfoNCE and its gradients, in f64 from the formula alone.
pub(crate) struct Reference {
    /// Loss of each anchor.
    pub(crate) losses: Vec<f64>,
    /// Gradient of `sum_i weight_i loss_i` by each query.
    pub(crate) query: Vec<Vec<f64>>,
    /// ... by each positive, as its anchor's positive alone.
    pub(crate) positive: Vec<Vec<f64>>,
    /// ... by each negative of each anchor.
    pub(crate) negatives: Vec<Vec<Vec<f64>>>,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// `into += factor * x`.
fn add(into: &mut [f64], factor: f64, x: &[f64]) {
    into.iter_mut().zip(x).for_each(|(a, x)| *a += factor * x);
}

/// Unit vector and length.
fn unit(x: &[f64]) -> (Vec<f64>, f64) {
    let length = dot(x, x).sqrt();
    (x.iter().map(|v| v / length).collect(), length)
}

/// Loss of one anchor, its gradient by query, positive and negatives.
type Anchor = (f64, Vec<f64>, Vec<f64>, Vec<Vec<f64>>);

/// `L = -s_0 / tau + log sum_j exp(s_j / tau)` with `s_j = q . k_j / (|q| |k_j|)`, key 0 the positive. With `p` the softmax,
/// `dL/ds_j = (p_j - [j = 0]) / tau`; and `ds_j/dq = (k_j/|k_j| - s_j q/|q|) / |q|`, the same the other way round.
fn anchor(
    query: &[f64],
    positive: &[f64],
    negatives: &[Vec<f64>],
    temperature: f64,
    weight: f64,
) -> Anchor {
    let (query, length) = unit(query);
    let keys: Vec<(Vec<f64>, f64)> = std::iter::once(unit(positive))
        .chain(negatives.iter().map(|n| unit(n)))
        .collect();
    let cosines: Vec<f64> = keys.iter().map(|(key, _)| dot(&query, key)).collect();
    let top = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = cosines
        .iter()
        .map(|s| ((s - top) / temperature).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    let mut by_query = vec![0.0; query.len()];
    let mut by_keys = Vec::new();
    for (at, (((key, size), cosine), power)) in keys.iter().zip(&cosines).zip(&powers).enumerate() {
        let slope = weight * (power / sum - f64::from(u8::from(at == 0))) / temperature;
        add(&mut by_query, slope / length, key);
        add(&mut by_query, -slope * cosine / length, &query);
        let mut by_key = vec![0.0; key.len()];
        add(&mut by_key, slope / size, &query);
        add(&mut by_key, -slope * cosine / size, key);
        by_keys.push(by_key);
    }
    let by_positive = by_keys.remove(0);
    let loss = (top - cosines[0]) / temperature + sum.ln();
    (loss, by_query, by_positive, by_keys)
}

/// Every anchor against its own positive and its own list of negatives, anchors side by side.
pub(crate) fn reference(
    query: &[Vec<f64>],
    positive: &[Vec<f64>],
    negatives: &[Vec<Vec<f64>>],
    temperature: f64,
    weights: &[f64],
) -> Reference {
    let anchors: Vec<Anchor> = (0..query.len())
        .into_par_iter()
        .map(|i| {
            anchor(
                &query[i],
                &positive[i],
                &negatives[i],
                temperature,
                weights[i],
            )
        })
        .collect();
    let mut all = Reference {
        losses: Vec::new(),
        query: Vec::new(),
        positive: Vec::new(),
        negatives: Vec::new(),
    };
    for (loss, by_query, by_positive, by_negatives) in anchors {
        all.losses.push(loss);
        all.query.push(by_query);
        all.positive.push(by_positive);
        all.negatives.push(by_negatives);
    }
    all
}

/// [`reference`] in-batch: `positive` holds the gradients as negatives of others too, `negatives` nothing.
pub(crate) fn reference_in_batch(
    query: &[Vec<f64>],
    positive: &[Vec<f64>],
    temperature: f64,
    weights: &[f64],
) -> Reference {
    let identity: Vec<i64> = (0..query.len() as i64).collect();
    reference_of_identities(query, positive, &identity, temperature, weights)
}

/// [`reference_in_batch`] where the negatives of an anchor are the positives of those with another identity.
pub(crate) fn reference_of_identities(
    query: &[Vec<f64>],
    positive: &[Vec<f64>],
    identity: &[i64],
    temperature: f64,
    weights: &[f64],
) -> Reference {
    let others = |i: usize| (0..identity.len()).filter(move |&j| identity[j] != identity[i]);
    let lists: Vec<Vec<Vec<f64>>> = (0..identity.len())
        .map(|i| others(i).map(|j| positive[j].clone()).collect())
        .collect();
    let mut all = reference(query, positive, &lists, temperature, weights);
    for (i, gradients) in std::mem::take(&mut all.negatives).into_iter().enumerate() {
        for (j, gradient) in others(i).zip(gradients) {
            add(&mut all.positive[j], 1.0, &gradient);
        }
    }
    all
}
