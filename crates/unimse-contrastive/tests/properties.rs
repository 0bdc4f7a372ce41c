//! InfoNCE and masked pooling of random shapes, temperatures and absent rows against plain f64 Rust: values and gradients.

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};
use unimse_contrastive::{
    ContrastiveError, Negatives, Reduction, info_nce, masked_mean, symmetric_info_nce,
};

use crate::common::{Reference, reference, reference_in_batch, reference_of_identities, rows};

/// `[rows, dim]` of f32 in [-2, 2], row-major.
type Matrix = Vec<f32>;

/// One call of a kernel.
#[derive(Debug, Clone)]
struct Call {
    batch: usize,
    dim: usize,
    count: usize,
    query: Matrix,
    positive: Matrix,
    /// `[batch, count, dim]`; the first `[count, dim]` serve as the unpaired ones.
    negatives: Matrix,
    present: Vec<bool>,
    /// Which utterance a row holds: of three, so that copies are common.
    identity: Vec<i64>,
    weights: Vec<f32>,
    temperature: f64,
}

fn call() -> impl Strategy<Value = Call> {
    (1..7usize, 2..10usize, 0..5usize).prop_flat_map(|(batch, dim, count)| {
        let matrix = |n: usize| prop::collection::vec(-2f32..2.0, n);
        (
            [matrix(batch * dim), matrix(batch * dim)],
            matrix(batch * count * dim),
            prop::collection::vec((any::<bool>(), 0..3i64), batch),
            prop::collection::vec(0.1f32..1.0, batch),
            0.05..2.0f64,
        )
            .prop_map(
                move |([query, positive], negatives, rows, weights, temperature)| Call {
                    batch,
                    dim,
                    count,
                    query,
                    positive,
                    negatives,
                    present: rows.iter().map(|row| row.0).collect(),
                    identity: rows.iter().map(|row| row.1).collect(),
                    weights,
                    temperature,
                },
            )
    })
}

impl Call {
    fn leaf(&self, values: &[f32], shape: &[usize]) -> Tensor {
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        Tensor::from_slice(values)
            .view(shape.as_slice())
            .set_requires_grad(true)
    }

    /// Rows of anchors that are present.
    fn kept(&self) -> Vec<usize> {
        (0..self.batch).filter(|&i| self.present[i]).collect()
    }

    fn shape(&self) -> [usize; 2] {
        [self.batch, self.dim]
    }

    /// The matrix with NaN in absent rows.
    fn poisoned(&self, values: &[f32]) -> Tensor {
        let mut values = values.to_vec();
        for (row, chunk) in values.chunks_mut(self.dim).enumerate() {
            if !self.present[row] {
                chunk.fill(f32::NAN);
            }
        }
        self.leaf(&values, &self.shape())
    }

    /// The weighted sum of losses that is differentiated; also checks the mean.
    fn check(
        &self,
        loss: impl Fn(Reduction) -> Tensor,
        expected: &[f64],
    ) -> Result<(), TestCaseError> {
        let kept = self.kept();
        let none = loss(Reduction::None);
        prop_assert_eq!(none.size(), [self.batch as i64]);
        let mut full = vec![0.0; self.batch];
        for (&row, loss) in kept.iter().zip(expected) {
            full[row] = *loss;
        }
        for (row, expected) in full.iter().enumerate() {
            let found = none.double_value(&[row as i64]);
            let error = (found - expected).abs();
            prop_assert!(
                error <= 1e-5 * expected.max(1.0),
                "row {}: {} and {}",
                row,
                found,
                expected
            );
        }
        let mean = full.iter().sum::<f64>() / kept.len().max(1) as f64;
        let found = loss(Reduction::Mean).double_value(&[]);
        prop_assert!(
            (found - mean).abs() <= 1e-5 * mean.max(1.0),
            "{} and {}",
            found,
            mean
        );
        (none * Tensor::from_slice(&self.weights))
            .sum(Kind::Float)
            .backward();
        Ok(())
    }

    /// Gradient of `leaf` against `expected` rows at `at`, zeros elsewhere. Cancellation in the projection off the unit vector leaves an
    /// absolute rounding error of the largest term, 1 / (temperature * shortest row).
    fn gradient(
        &self,
        leaf: &Tensor,
        at: &[usize],
        expected: &[Vec<f64>],
    ) -> Result<(), TestCaseError> {
        let found = rows(&leaf.grad().reshape([-1, self.dim as i64]));
        let mut full = vec![vec![0.0; self.dim]; found.len()];
        for (&row, gradient) in at.iter().zip(expected) {
            full[row].clone_from(gradient);
        }
        let values = rows(&leaf.detach().reshape([-1, self.dim as i64]));
        let length = |row: &Vec<f64>| row.iter().map(|v| v * v).sum::<f64>().sqrt();
        let shortest = at.iter().map(|&r| length(&values[r])).fold(1.0, f64::min);
        let largest = full.iter().flatten().fold(0f64, |m, v| m.max(v.abs()));
        let tolerance = 1e-4 * largest + 2e-6 / (self.temperature * shortest);
        for (found, expected) in found.iter().flatten().zip(full.iter().flatten()) {
            prop_assert!(
                (found - expected).abs() <= tolerance,
                "{} and {}",
                found,
                expected
            );
        }
        Ok(())
    }
}

fn pick<T: Clone>(values: &[T], at: &[usize]) -> Vec<T> {
    at.iter().map(|&i| values[i].clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn in_batch_with_absent_rows(call in call()) {
        let kept = call.kept();
        let (query, positive) = (call.poisoned(&call.query), call.poisoned(&call.positive));
        let (q, p) = (pick(&rows(&query), &kept), pick(&rows(&positive), &kept));
        let weights: Vec<f64> = kept.iter().map(|&i| f64::from(call.weights[i])).collect();
        let expected = reference_in_batch(&q, &p, call.temperature, &weights);
        let present = Tensor::from_slice(&call.present);
        let loss = |reduction| info_nce(&query, &positive, Negatives::InBatch, Some(&present), call.temperature, reduction).unwrap();
        call.check(loss, &expected.losses)?;
        call.gradient(&query, &kept, &expected.query)?;
        call.gradient(&positive, &kept, &expected.positive)?;
    }

    /// Rows of one utterance are no negatives of each other: neither in the losses nor in the gradients.
    #[test]
    fn copies_of_an_utterance_are_no_negatives(call in call()) {
        let kept = call.kept();
        let (query, positive) = (call.poisoned(&call.query), call.poisoned(&call.positive));
        let (q, p) = (pick(&rows(&query), &kept), pick(&rows(&positive), &kept));
        let weights: Vec<f64> = kept.iter().map(|&i| f64::from(call.weights[i])).collect();
        let expected = reference_of_identities(&q, &p, &pick(&call.identity, &kept), call.temperature, &weights);
        let (present, identity) = (Tensor::from_slice(&call.present), Tensor::from_slice(&call.identity));
        let negatives = Negatives::OtherIdentities(&identity);
        let loss = |reduction| info_nce(&query, &positive, negatives, Some(&present), call.temperature, reduction).unwrap();
        call.check(loss, &expected.losses)?;
        call.gradient(&query, &kept, &expected.query)?;
        call.gradient(&positive, &kept, &expected.positive)?;
    }

    #[test]
    fn symmetric_with_absent_rows(call in call(), copies: bool) {
        let kept = call.kept();
        let (one, other) = (call.poisoned(&call.query), call.poisoned(&call.positive));
        let (a, b) = (pick(&rows(&one), &kept), pick(&rows(&other), &kept));
        let weights: Vec<f64> = kept.iter().map(|&i| f64::from(call.weights[i]) / 2.0).collect();
        let identity = if copies { pick(&call.identity, &kept) } else { (0..kept.len() as i64).collect() };
        let there = reference_of_identities(&a, &b, &identity, call.temperature, &weights);
        let back = reference_of_identities(&b, &a, &identity, call.temperature, &weights);
        let mean = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x + y) / 2.0).collect::<Vec<_>>();
        let sum = |x: &[Vec<f64>], y: &[Vec<f64>]| {
            let rows = x.iter().zip(y);
            rows.map(|(x, y)| x.iter().zip(y).map(|(x, y)| x + y).collect()).collect::<Vec<Vec<f64>>>()
        };
        let present = Tensor::from_slice(&call.present);
        let identity = copies.then(|| Tensor::from_slice(&call.identity));
        let loss = |reduction| symmetric_info_nce(&one, &other, identity.as_ref(), Some(&present), call.temperature, reduction).unwrap();
        call.check(loss, &mean(&there.losses, &back.losses))?;
        call.gradient(&one, &kept, &sum(&there.query, &back.positive))?;
        call.gradient(&other, &kept, &sum(&there.positive, &back.query))?;
    }

    #[test]
    fn given_negatives(call in call(), paired: bool) {
        let (kept, n) = (call.kept(), call.count);
        let (query, positive) = (call.poisoned(&call.query), call.poisoned(&call.positive));
        let negatives = if paired {
            call.leaf(&call.negatives, &[call.batch, n, call.dim])
        } else {
            call.leaf(&call.negatives[..n * call.dim], &[n, call.dim])
        };
        let keys = rows(&negatives.detach().reshape([-1, call.dim as i64]));
        let own = |i: usize| if paired { keys[i * n..(i + 1) * n].to_vec() } else { keys.clone() };
        let lists: Vec<_> = kept.iter().map(|&i| own(i)).collect();
        let weights: Vec<f64> = kept.iter().map(|&i| f64::from(call.weights[i])).collect();
        let (q, p) = (pick(&rows(&query), &kept), pick(&rows(&positive), &kept));
        let expected = reference(&q, &p, &lists, call.temperature, &weights);
        let present = Tensor::from_slice(&call.present);
        let given = if paired { Negatives::Paired(&negatives) } else { Negatives::Unpaired(&negatives) };
        let loss = |reduction| info_nce(&query, &positive, given, Some(&present), call.temperature, reduction).unwrap();
        call.check(loss, &expected.losses)?;
        call.gradient(&query, &kept, &expected.query)?;
        call.gradient(&positive, &kept, &expected.positive)?;
        if n > 0 {
            let mut gradients = vec![vec![0.0; call.dim]; keys.len()];
            for (list, &i) in expected.negatives.iter().zip(&kept) {
                for (j, gradient) in list.iter().enumerate() {
                    let row = &mut gradients[if paired { i * n + j } else { j }];
                    row.iter_mut().zip(gradient).for_each(|(a, g)| *a += g);
                }
            }
            call.gradient(&negatives, &(0..keys.len()).collect::<Vec<_>>(), &gradients)?;
        }
    }

    /// The closed form of the reference is the derivative of its own losses.
    #[test]
    fn the_reference_is_its_own_derivative(call in call()) {
        let matrix = |values: &[f32]| -> Vec<Vec<f64>> {
            values.chunks(call.dim).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
        };
        let (q, p) = (matrix(&call.query), matrix(&call.positive));
        let length = |row: &Vec<f64>| row.iter().map(|v| v * v).sum::<f64>().sqrt();
        prop_assume!(q.iter().chain(&p).all(|row| length(row) > 0.3)); // curvature grows without bound near 0
        let weights = vec![1.0; q.len()];
        let at = |q: &[Vec<f64>], p: &[Vec<f64>]| reference_in_batch(q, p, call.temperature, &weights);
        let total = |r: &Reference| r.losses.iter().sum::<f64>();
        let closed = at(&q, &p);
        let h = 1e-5;
        for side in 0..2 {
            let moved = |by: f64| {
                let mut both = [q.clone(), p.clone()];
                both[side][0][0] += by;
                total(&at(&both[0], &both[1]))
            };
            let found = [&closed.query, &closed.positive][side][0][0];
            let slope = (moved(h) - moved(-h)) / (2.0 * h);
            let scale = (1.0 / call.temperature).powi(3); // of the third derivative, whose part the difference misses
            prop_assert!((found - slope).abs() <= 1e-6 * scale.max(1.0), "{} and {}", found, slope);
        }
    }

    #[test]
    fn masked_mean_is_the_mean_of_valid_steps(
        (batch, time, dim) in (1..5usize, 1..8usize, 1..6usize),
        values in prop::collection::vec(-100f32..100.0, 4 * 7 * 5),
        mask in prop::collection::vec(any::<bool>(), 4 * 7),
    ) {
        let (values, mask) = (&values[..batch * time * dim], &mask[..batch * time]);
        let poisoned: Vec<f32> = values
            .chunks(dim)
            .zip(mask)
            .flat_map(|(step, &valid)| step.iter().map(move |&v| if valid { v } else { f32::NAN }))
            .collect();
        let shape = [batch as i64, time as i64, dim as i64];
        let x = Tensor::from_slice(&poisoned).view(shape).set_requires_grad(true);
        let mean = masked_mean(&x, &Tensor::from_slice(mask).view(&shape[..2])).unwrap();
        let found = rows(&mean);
        mean.sum(Kind::Float).backward();
        let gradient = rows(&x.grad().reshape([-1, dim as i64]));
        for (b, found) in found.iter().enumerate() {
            let valid: Vec<usize> = (b * time..(b + 1) * time).filter(|&at| mask[at]).collect();
            let share = 1.0 / valid.len().max(1) as f64;
            for (d, found) in found.iter().enumerate() {
                let expected = valid.iter().map(|at| f64::from(values[at * dim + d])).sum::<f64>() * share;
                prop_assert!((found - expected).abs() <= 1e-5 * 100.0, "{} and {}", found, expected);
            }
            for at in b * time..(b + 1) * time {
                let expected = if mask[at] { share } else { 0.0 };
                prop_assert!(gradient[at].iter().all(|g| (g - expected).abs() < 1e-6));
            }
        }
    }
}

#[test]
fn an_identity_of_another_shape_or_kind_is_an_error() {
    let x = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
    for identity in [
        Tensor::zeros([3], (Kind::Int64, Device::Cpu)),
        Tensor::zeros([2], (Kind::Float, Device::Cpu)),
    ] {
        let negatives = Negatives::OtherIdentities(&identity);
        let error = info_nce(&x, &x, negatives, None, 0.1, Reduction::Mean).unwrap_err();
        assert!(error.to_string().contains("identity"), "{error}");
    }
}

#[test]
fn a_temperature_that_is_not_positive_is_an_error() {
    let x = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
    for temperature in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let result = info_nce(
            &x,
            &x,
            Negatives::InBatch,
            None,
            temperature,
            Reduction::Mean,
        );
        assert!(matches!(result, Err(ContrastiveError::Temperature(_))));
    }
}
