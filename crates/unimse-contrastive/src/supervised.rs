//! Supervised contrastive loss (Khosla et al., 2020, equation 2): vectors of one class attract each other, `[batch, dim]` with classes
//! `[batch]` to a scalar.

use tch::{Kind, Tensor};

use crate::info_nce::normalise;
use crate::{ContrastiveError, check};

/// Vectors with their classes.
#[derive(Debug, Clone, Copy)]
pub struct Classed<'a> {
    /// `[rows, dim]` of any float kind.
    pub vectors: &'a Tensor,
    /// `[rows]` i64; a negative one is no class: such a row takes no part.
    pub classes: &'a Tensor,
}

/// `mean_i -1/|P(i)| sum_{p in P(i)} log( exp(q_i . k_p / tau) / sum_a exp(q_i . k_a / tau) )` of L2-normalised vectors: `a` runs over every
/// row of `batch` but those of `i`'s identity, and over `others`; `P(i)` are those of them with the class of `i`. A row with an empty `P(i)` is no
/// anchor; without any anchor the loss is 0.
///
/// # Shapes
/// `identity` `[batch]` i64, `None` where every row has its own; `others`, prototypes or rows of earlier batches, are keys and no anchors. The
/// result is a fp32 scalar.
///
/// # Errors
/// Other shapes, a temperature that is not positive.
pub fn supervised(
    batch: Classed<'_>,
    identity: Option<&Tensor>,
    others: Option<Classed<'_>>,
    temperature: f64,
) -> Result<Tensor, ContrastiveError> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(ContrastiveError::Temperature(temperature));
    }
    let dim = check_classed(batch, None)?;
    if let Some(others) = others {
        check_classed(others, Some(dim))?;
    }
    let rows = batch.vectors.size()[0];
    let own = Tensor::arange(rows, (Kind::Int64, batch.vectors.device()));
    let identity = identity.unwrap_or(&own);
    let fits = identity.size() == [rows] && identity.kind() == Kind::Int64;
    check("identity", identity.size(), fits, || {
        format!("[{rows}] i64")
    })?;

    let query = normalise(batch.vectors);
    let (mut keys, mut classes) = (query.shallow_clone(), batch.classes.shallow_clone());
    let mut usable = identity.unsqueeze(1).ne_tensor(&identity.unsqueeze(0));
    if let Some(others) = others {
        keys = Tensor::cat(&[keys, normalise(others.vectors)], 0);
        classes = Tensor::cat(&[&classes, others.classes], 0);
        let all = Tensor::ones(
            [rows, others.classes.size()[0]],
            (Kind::Bool, usable.device()),
        );
        usable = Tensor::cat(&[usable, all], 1);
    }
    let usable = usable.logical_and(&classes.ge(0).unsqueeze(0));
    let positive = batch.classes.unsqueeze(1).eq_tensor(&classes.unsqueeze(0));
    let positive = positive.logical_and(&usable);
    let similarities = query.matmul(&keys.tr()) / temperature;
    // A finite stand-in for minus infinity: a row without any key has no gradient then, rather than one that is no number.
    let chances = similarities
        .masked_fill(&usable.logical_not(), -1e30)
        .log_softmax(-1, Kind::Float);
    let count = positive.sum_dim_intlist(1, false, Kind::Float);
    let sums = chances
        .masked_fill(&positive.logical_not(), 0.0)
        .sum_dim_intlist(1, false, Kind::Float);
    let anchors = count.gt(0.0).sum(Kind::Float).clamp_min(1.0);
    Ok(-(sums / count.clamp_min(1.0)).sum(Kind::Float) / anchors)
}

/// The width of `rows`, which must be `dim` where that is known.
fn check_classed(rows: Classed<'_>, dim: Option<i64>) -> Result<i64, ContrastiveError> {
    let size = rows.vectors.size();
    let fits = size.len() == 2 && dim.is_none_or(|dim| size[1] == dim);
    check("vectors", size.clone(), fits, || match dim {
        Some(dim) => format!("[rows, {dim}]"),
        None => "[rows, dim]".to_owned(),
    })?;
    let classes = rows.classes;
    let fits = classes.size() == size[..1] && classes.kind() == Kind::Int64;
    check("classes", classes.size(), fits, || {
        format!("[{}] i64", size[0])
    })?;
    Ok(size[1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use proptest::prelude::*;

    use super::*;

    /// The formula, row by row in f64.
    fn plain(
        vectors: &[[f64; 2]],
        classes: &[i64],
        identity: &[i64],
        anchors: usize,
        tau: f64,
    ) -> f64 {
        let unit = |v: &[f64; 2]| v.map(|x| x / v[0].hypot(v[1]));
        let dot = |i: usize, j: usize| {
            let (a, b) = (unit(&vectors[i]), unit(&vectors[j]));
            ((a[0] * b[0] + a[1] * b[1]) / tau).exp()
        };
        let mut losses = Vec::new();
        for i in 0..anchors {
            let usable = |&j: &usize| identity[j] != identity[i] && classes[j] >= 0;
            let keys: Vec<usize> = (0..vectors.len()).filter(usable).collect();
            let positive: Vec<usize> = keys
                .iter()
                .copied()
                .filter(|&j| classes[j] == classes[i])
                .collect();
            if positive.is_empty() {
                continue;
            }
            let all: f64 = keys.iter().map(|&j| dot(i, j)).sum();
            let sum: f64 = positive.iter().map(|&j| (dot(i, j) / all).ln()).sum();
            losses.push(-sum / positive.len() as f64);
        }
        losses.iter().sum::<f64>() / losses.len().max(1) as f64
    }

    proptest! {
        #[test]
        fn the_loss_is_that_of_the_formula(
            rows in proptest::collection::vec((0.1f64..1.0, -1.0f64..1.0, -1i64..3, 0i64..4), 1..9),
            others in proptest::collection::vec((-1.0f64..-0.1, -1.0f64..1.0, 0i64..3), 0..4),
            tau in 0.2f64..2.0,
        ) {
            let anchors = rows.len();
            let mut vectors: Vec<[f64; 2]> = rows.iter().map(|r| [r.0, r.1]).collect();
            let mut classes: Vec<i64> = rows.iter().map(|r| r.2).collect();
            let mut identity: Vec<i64> = rows.iter().map(|r| r.3).collect();
            let flat: Vec<f64> = vectors.concat();
            let query = Tensor::from_slice(&flat).view([-1, 2]);
            let (of_batch, who) = (Tensor::from_slice(&classes), Tensor::from_slice(&identity));
            let flat: Vec<f64> = others.iter().flat_map(|o| [o.0, o.1]).collect();
            let keys = Tensor::from_slice(&flat).view([-1, 2]);
            let of_keys = Tensor::from_slice(&others.iter().map(|o| o.2).collect::<Vec<_>>());
            for (at, other) in others.iter().enumerate() {
                vectors.push([other.0, other.1]);
                classes.push(other.2);
                identity.push(100 + at as i64);
            }
            let batch = Classed { vectors: &query, classes: &of_batch };
            let more = Classed { vectors: &keys, classes: &of_keys };
            let found = supervised(batch, Some(&who), Some(more), tau).unwrap().double_value(&[]);
            let expected = plain(&vectors, &classes, &identity, anchors, tau);
            prop_assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{} {}", found, expected);
        }
    }

    #[test]
    fn rows_without_a_class_have_no_gradient() {
        let vectors = Tensor::from_slice(&[1f32, 0.0, 0.5, 0.5, 0.0, 1.0]).view([3, 2]);
        let vectors = vectors.set_requires_grad(true);
        let classes = Tensor::from_slice(&[1i64, -1, 1]);
        let batch = Classed {
            vectors: &vectors,
            classes: &classes,
        };
        let loss = supervised(batch, None, None, 0.1).unwrap();
        assert_eq!(
            loss.double_value(&[]),
            0.0,
            "one key alone is found for certain"
        );
        loss.backward();
        let classes = Tensor::from_slice(&[-1i64; 3]);
        let none = supervised(
            Classed {
                vectors: &vectors,
                classes: &classes,
            },
            None,
            None,
            0.1,
        )
        .unwrap();
        none.backward();
        assert_eq!(none.double_value(&[]), 0.0);
        assert!(vectors.grad().isfinite().all().int64_value(&[]) == 1);
    }

    #[test]
    fn shapes_are_named() {
        let vectors = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu));
        let classes = Tensor::from_slice(&[0i64, 1, 2]);
        let error = supervised(
            Classed {
                vectors: &vectors,
                classes: &classes,
            },
            None,
            None,
            0.1,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "classes: expected shape [2] i64, found [3]"
        );
    }
}
