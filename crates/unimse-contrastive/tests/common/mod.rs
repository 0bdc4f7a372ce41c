//! Golden tensors, and InfoNCE written once more in plain f64 Rust.

use std::collections::HashMap;
use std::path::PathBuf;

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

/// Losses of every anchor against its own positive and its own list of negatives.
pub(crate) fn reference(
    query: &[Vec<f64>],
    positive: &[Vec<f64>],
    negatives: &[Vec<Vec<f64>>],
    temperature: f64,
) -> Vec<f64> {
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
    };
    (0..query.len())
        .map(|i| {
            let own = cosine(&query[i], &positive[i]) / temperature;
            let all: Vec<f64> = negatives[i]
                .iter()
                .map(|n| cosine(&query[i], n) / temperature)
                .chain([own])
                .collect();
            let top = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            top + all.iter().map(|s| (s - top).exp()).sum::<f64>().ln() - own
        })
        .collect()
}
