//! Adam with L2 and AdamW over named parameters (paper section 4.2 trains with Adam), with a state that can be saved.
//!
//! tch's own optimiser hides its state, so a run could not be resumed bit for bit. On the CPU one fused pass per tensor reads
//! gradient, parameter and both moments once; elsewhere the same update is made of tensor operations.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::TrainError;

/// Elements one task of the fused pass handles; also the unit of the deterministic norm reduction.
const CHUNK: usize = 1 << 16;

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Weight decay enters the gradient as an L2 term (`torch.optim.Adam`), as published.
    Adam,
    /// Weight decay shrinks the parameter directly (`torch.optim.AdamW`; Loshchilov and Hutter 2019).
    AdamW,
}

/// One parameter group: the values that its members share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay (L2 or decoupled, as the rule says).
    pub weight_decay: f64,
}

/// One trained tensor with its moments.
#[derive(Debug)]
struct Slot {
    name: String,
    group: usize,
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

/// Adam or AdamW with betas (0.9, 0.999) and eps 1e-8.
///
/// # Example
/// ```no_run
/// use tch::{Device, Kind, Tensor};
/// use unimse_train::optimizer::{Group, Optimizer, Rule};
/// let w = Tensor::zeros([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
/// let groups = vec![Group { lr: 0.1, weight_decay: 0.0 }];
/// let mut adam = Optimizer::new(Rule::Adam, groups, vec![("w".into(), 0, w.shallow_clone())]);
/// (&w - 1.0).square().sum(Kind::Float).backward();
/// let norm = adam.step(1.0, Some(1.0))?;
/// assert!(norm > 0.0);
/// # Ok::<(), unimse_train::TrainError>(())
/// ```
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Vec<Group>,
    slots: Vec<Slot>,
    steps: i64,
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

impl Optimizer {
    /// Takes `(name, group index, tensor)`; moments start at zero. The order of `parameters` is the order of the update.
    #[must_use]
    pub fn new(rule: Rule, groups: Vec<Group>, parameters: Vec<(String, usize, Tensor)>) -> Self {
        let slots = parameters
            .into_iter()
            .map(|(name, group, value)| {
                let zeros = || tch::no_grad(|| value.zeros_like().set_requires_grad(false));
                Slot {
                    name,
                    group,
                    first: zeros(),
                    second: zeros(),
                    value: value.shallow_clone(),
                }
            })
            .collect();
        Self {
            rule,
            groups,
            slots,
            steps: 0,
        }
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// One update from the accumulated gradients, which are cleared. `lr_scale` multiplies every group's rate (schedule);
    /// `max_norm` clips the global L2 norm of the gradient. Returns that norm before clipping.
    ///
    /// # Errors
    /// [`TrainError::NonFinite`] where the norm is NaN or infinite: nothing was updated then.
    pub fn step(&mut self, lr_scale: f64, max_norm: Option<f64>) -> Result<f64, TrainError> {
        tch::no_grad(|| self.step_no_grad(lr_scale, max_norm))
    }

    fn step_no_grad(&mut self, lr_scale: f64, max_norm: Option<f64>) -> Result<f64, TrainError> {
        // A parameter that took no part has gradient zero, whether or not it took part before: a resumed run must not differ.
        let gradients: Vec<Tensor> = self
            .slots
            .iter()
            .map(|s| {
                let g = s.value.grad();
                if g.defined() {
                    g.contiguous()
                } else {
                    s.value.zeros_like()
                }
            })
            .collect();
        let norm = gradients.iter().map(square_sum).sum::<f64>().sqrt();
        if !norm.is_finite() {
            let culprit = self
                .slots
                .iter()
                .zip(&gradients)
                .find(|(_, g)| !square_sum(g).is_finite());
            return Err(TrainError::NonFinite {
                what: format!(
                    "gradient of {}",
                    culprit.map_or("the model", |(s, _)| s.name.as_str())
                ),
                step: self.steps,
            });
        }
        let clip = max_norm.map_or(1.0, |m| (m / (norm + 1e-6)).min(1.0));
        self.steps += 1;
        let correction1 = 1.0 - BETA1.powf(self.steps as f64);
        let correction2 = 1.0 - BETA2.powf(self.steps as f64);
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let group = self.groups[slot.group];
            let lr = group.lr * lr_scale;
            let update = Update {
                clip,
                l2: if self.rule == Rule::Adam {
                    group.weight_decay
                } else {
                    0.0
                },
                shrink: if self.rule == Rule::AdamW {
                    1.0 - lr * group.weight_decay
                } else {
                    1.0
                },
                step: lr / correction1,
                root: 1.0 / correction2.sqrt(),
            };
            if slot.value.device() == Device::Cpu
                && slot.value.kind() == Kind::Float
                && slot.value.is_contiguous()
            {
                update.fused(slot, &gradient);
            } else {
                update.tensors(slot, &gradient);
            }
            slot.value.zero_grad();
        }
        Ok(norm)
    }

    /// Moments by name: `exp_avg.<name>` and `exp_avg_sq.<name>`.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut out = BTreeMap::new();
        for s in &self.slots {
            out.insert(format!("exp_avg.{}", s.name), s.first.shallow_clone());
            out.insert(format!("exp_avg_sq.{}", s.name), s.second.shallow_clone());
        }
        out
    }

    /// Restores what [`Optimizer::state`] gave, and the number of updates made.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] that names a missing or misshaped tensor.
    pub fn restore(
        &mut self,
        state: &BTreeMap<String, Tensor>,
        steps: i64,
    ) -> Result<(), TrainError> {
        for s in &mut self.slots {
            for (prefix, target) in [("exp_avg", &mut s.first), ("exp_avg_sq", &mut s.second)] {
                let key = format!("{prefix}.{}", s.name);
                let saved = state
                    .get(&key)
                    .ok_or_else(|| TrainError::Checkpoint(format!("tensor {key} is missing")))?;
                if saved.size() != target.size() {
                    return Err(TrainError::Checkpoint(format!(
                        "tensor {key}: expected shape {:?}, found {:?}",
                        target.size(),
                        saved.size()
                    )));
                }
                tch::no_grad(|| target.copy_(saved));
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// The scalars of one update.
#[derive(Clone, Copy)]
struct Update {
    clip: f64,
    l2: f64,
    shrink: f64,
    step: f64,
    root: f64,
}

impl Update {
    fn fused(self, slot: &mut Slot, gradient: &Tensor) {
        let (b1, b2) = (BETA1 as f32, BETA2 as f32);
        let (clip, l2, shrink) = (self.clip as f32, self.l2 as f32, self.shrink as f32);
        let (step, root, eps) = (self.step as f32, self.root as f32, EPS as f32);
        let gradient = slice(gradient);
        let value = slice_mut(&mut slot.value);
        let first = slice_mut(&mut slot.first);
        let second = slice_mut(&mut slot.second);
        value
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(
                first
                    .par_chunks_mut(CHUNK)
                    .zip(second.par_chunks_mut(CHUNK)),
            )
            .for_each(|((value, gradient), (first, second))| {
                for i in 0..value.len() {
                    let g = gradient[i] * clip + l2 * value[i];
                    first[i] = b1 * first[i] + (1.0 - b1) * g;
                    second[i] = b2 * second[i] + (1.0 - b2) * g * g;
                    value[i] =
                        value[i] * shrink - step * first[i] / (second[i].sqrt() * root + eps);
                }
            });
    }

    fn tensors(self, slot: &mut Slot, gradient: &Tensor) {
        let mut g = gradient.to_kind(slot.value.kind()) * self.clip;
        if self.l2 != 0.0 {
            g += &slot.value * self.l2;
        }
        let _ = slot.first.lerp_(&g, 1.0 - BETA1);
        slot.second *= BETA2;
        slot.second += g.square() * (1.0 - BETA2);
        if self.shrink != 1.0 {
            slot.value *= self.shrink;
        }
        let denominator = slot.second.sqrt() * self.root + EPS;
        slot.value -= &slot.first / denominator * self.step;
    }
}

/// Sum of squares; on the CPU in fixed chunks summed in order, so that the thread count does not show.
fn square_sum(gradient: &Tensor) -> f64 {
    if gradient.device() == Device::Cpu && gradient.kind() == Kind::Float {
        let partial: Vec<f64> = slice(gradient)
            .par_chunks(CHUNK)
            .map(|c| c.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>())
            .collect();
        partial.iter().sum()
    } else {
        gradient
            .to_kind(Kind::Float)
            .square()
            .sum(Kind::Double)
            .double_value(&[])
    }
}

#[allow(
    unsafe_code,
    reason = "tch lends no slice of a tensor; the tensor is contiguous f32 on the CPU, which every caller checked"
)]
fn slice(t: &Tensor) -> &[f32] {
    // SAFETY: contiguous CPU float tensor; the borrow keeps it alive and nothing writes to it meanwhile.
    unsafe { std::slice::from_raw_parts(t.data_ptr().cast::<f32>(), t.numel()) }
}

#[allow(
    unsafe_code,
    reason = "tch lends no slice of a tensor; the tensor is contiguous f32 on the CPU, which every caller checked"
)]
fn slice_mut(t: &mut Tensor) -> &mut [f32] {
    // SAFETY: as above; the exclusive borrow keeps other writers out, and moments and values are distinct allocations.
    unsafe { std::slice::from_raw_parts_mut(t.data_ptr().cast::<f32>(), t.numel()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    /// Scalar reference in f64, written from the formulas of Kingma and Ba (2015) and Loshchilov and Hutter (2019).
    fn reference(rule: Rule, mut w: f64, gradients: &[f64], lr: f64, wd: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, g) in gradients.iter().enumerate() {
            let t = t as i32 + 1;
            let g = if rule == Rule::Adam { g + wd * w } else { *g };
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            if rule == Rule::AdamW {
                w -= lr * wd * w;
            }
            w -= lr * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
        }
        w
    }

    #[test]
    fn both_rules_follow_the_reference() {
        for rule in [Rule::Adam, Rule::AdamW] {
            let w = Tensor::from_slice(&[0.5f32, -2.0]).set_requires_grad(true);
            let mut o = Optimizer::new(
                rule,
                vec![Group {
                    lr: 0.01,
                    weight_decay: 0.1,
                }],
                vec![("w".into(), 0, w.shallow_clone())],
            );
            let gradients = [0.3, -0.7, 1.1];
            for g in gradients {
                (&w * Tensor::from_slice(&[g as f32, -2.0 * g as f32]))
                    .sum(Kind::Float)
                    .backward();
                o.step(1.0, None).unwrap();
            }
            let got = Vec::<f32>::try_from(&w).unwrap();
            let twice: Vec<f64> = gradients.iter().map(|g| -2.0 * g).collect();
            assert!((f64::from(got[0]) - reference(rule, 0.5, &gradients, 0.01, 0.1)).abs() < 1e-6);
            assert!((f64::from(got[1]) - reference(rule, -2.0, &twice, 0.01, 0.1)).abs() < 1e-6);
        }
    }

    #[test]
    fn clipping_scales_by_the_global_norm() {
        let w = Tensor::from_slice(&[0.0f32, 0.0]).set_requires_grad(true);
        let mut o = Optimizer::new(
            Rule::Adam,
            vec![Group {
                lr: 0.0,
                weight_decay: 0.0,
            }],
            vec![("w".into(), 0, w.shallow_clone())],
        );
        (&w * Tensor::from_slice(&[3.0f32, 4.0]))
            .sum(Kind::Float)
            .backward();
        let norm = o.step(1.0, Some(1.0)).unwrap();
        assert!((norm - 5.0).abs() < 1e-6);
        let m = Vec::<f32>::try_from(&o.state()["exp_avg.w"]).unwrap();
        assert!((m[0] - 0.1 * 0.6).abs() < 1e-5 && (m[1] - 0.1 * 0.8).abs() < 1e-5);
    }

    #[test]
    fn a_nan_gradient_is_an_error_and_changes_nothing() {
        let w = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
        let mut o = Optimizer::new(
            Rule::AdamW,
            vec![Group {
                lr: 0.1,
                weight_decay: 0.1,
            }],
            vec![("w".into(), 0, w.shallow_clone())],
        );
        (&w * f64::NAN).sum(Kind::Float).backward();
        assert!(matches!(
            o.step(1.0, Some(1.0)),
            Err(TrainError::NonFinite { .. })
        ));
        assert_eq!(Vec::<f32>::try_from(&w).unwrap(), vec![1.0]);
    }

    #[test]
    fn state_restores_to_the_same_bits() {
        let make = || Tensor::from_slice(&[0.5f32, -1.0, 2.0]).set_requires_grad(true);
        let group = || {
            vec![Group {
                lr: 0.05,
                weight_decay: 1e-4,
            }]
        };
        let step = |w: &Tensor, o: &mut Optimizer, k: f64| {
            (w * k).square().sum(Kind::Float).backward();
            o.step(1.0, Some(1.0)).unwrap();
        };
        let w = make();
        let mut o = Optimizer::new(
            Rule::Adam,
            group(),
            vec![("w".into(), 0, w.shallow_clone())],
        );
        step(&w, &mut o, 1.0);
        let saved: BTreeMap<String, Tensor> =
            o.state().into_iter().map(|(k, v)| (k, v.copy())).collect();
        let middle = w.detach().copy();
        step(&w, &mut o, 2.0);
        let resumed = middle.set_requires_grad(true);
        let mut p = Optimizer::new(
            Rule::Adam,
            group(),
            vec![("w".into(), 0, resumed.shallow_clone())],
        );
        p.restore(&saved, 1).unwrap();
        step(&resumed, &mut p, 2.0);
        assert_eq!(
            Vec::<f32>::try_from(&w).unwrap(),
            Vec::<f32>::try_from(&resumed).unwrap()
        );
    }
}
