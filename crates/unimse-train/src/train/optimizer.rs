//! Adam with L2 and AdamW over named parameters (paper section 4.2 trains with Adam), with a state that can be saved.
//!
//! tch's own optimiser hides its state, so a run could not be resumed bit for bit. There are two layouts of the same update:
//! - `fused`, on the CPU: one parallel pass over chunks of all parameters reads gradient, parameter and both moments once, writes
//!   them once, and leaves the gradient cleared;
//! - `flat`, elsewhere: the parameters of a group, their gradients and moments become views of four buffers, so that an update is a
//!   dozen kernels a group however many parameters it has, and the norm waits for the device once.

mod flat;
mod fused;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::train::checkpoint;
use flat::Flat;

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Weight decay enters the gradient as an L2 term (`torch.optim.Adam`; Kingma and Ba 2015, algorithm 1), as published.
    Adam,
    /// Weight decay shrinks the parameter directly (`torch.optim.AdamW`; Loshchilov and Hutter 2019, algorithm 2).
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

/// One trained tensor with its moments, all of one shape.
#[derive(Debug)]
struct Slot {
    name: String,
    group: usize,
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

/// Where the numbers lie.
#[derive(Debug)]
enum Layout {
    Fused,
    /// The same code in f64.
    FusedDouble,
    /// One for each group that has parameters.
    Flat(Vec<Flat>),
}

/// Adam or AdamW with betas (0.9, 0.999) and eps 1e-8.
///
/// # Example
/// ```no_run
/// use tch::{Device, Kind, Tensor};
/// use unimse_train::train::optimizer::{Group, Optimizer, Rule};
/// let w = Tensor::zeros([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
/// let groups = vec![Group { lr: 0.1, weight_decay: 0.0 }];
/// let mut adam = Optimizer::new(Rule::Adam, groups, vec![("w".into(), 0, w.shallow_clone())])?;
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
    layout: Layout,
    steps: i64,
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

impl Optimizer {
    /// Takes `(name, group index, tensor)` of tensors of any shape, all f32 (or all f64, for tests against a reference); moments start at zero. The order of `parameters` is the
    /// order of the norm's sum. On the CPU the fused layout, else the flat one.
    ///
    /// # Errors
    /// [`TrainError::Data`] for a parameter that is not of the first one's kind, f32 or f64, or names a group that does not exist.
    pub fn new(
        rule: Rule,
        groups: Vec<Group>,
        parameters: Vec<(String, usize, Tensor)>,
    ) -> Result<Self, TrainError> {
        let fits = |t: &Tensor| t.device() == Device::Cpu && t.is_contiguous();
        let fused = parameters.iter().all(|(_, _, t)| fits(t));
        Self::build(rule, groups, parameters, fused)
    }

    /// [`Optimizer::new`] with the flat layout on any device; the parameters of a group must lie on one. Each parameter keeps
    /// its handles and values but becomes a view of its group's buffer.
    ///
    /// # Errors
    /// As [`Optimizer::new`].
    pub fn new_flat(
        rule: Rule,
        groups: Vec<Group>,
        parameters: Vec<(String, usize, Tensor)>,
    ) -> Result<Self, TrainError> {
        Self::build(rule, groups, parameters, false)
    }

    fn build(
        rule: Rule,
        groups: Vec<Group>,
        parameters: Vec<(String, usize, Tensor)>,
        fused: bool,
    ) -> Result<Self, TrainError> {
        let double = |t: &Tensor| t.kind() == Kind::Double;
        let double = parameters.first().is_some_and(|(_, _, t)| double(t));
        let (kind, called) = if double {
            (Kind::Double, "f64")
        } else {
            (Kind::Float, "f32")
        };
        for (name, group, value) in &parameters {
            if value.kind() != kind || *group >= groups.len() {
                return Err(TrainError::Data(format!(
                    "parameter {name}: expected {called} and a group below {}, found {:?} and {group}",
                    groups.len(),
                    value.kind()
                )));
            }
        }
        let slot = |(name, group, value): (String, usize, Tensor)| {
            let zeros = || tch::no_grad(|| value.zeros_like().set_requires_grad(false));
            Slot {
                name,
                group,
                first: zeros(),
                second: zeros(),
                value,
            }
        };
        let mut slots: Vec<Slot> = parameters.into_iter().map(slot).collect();
        let layout = if fused && double {
            Layout::FusedDouble
        } else if fused {
            Layout::Fused
        } else {
            let of_group = |group| tch::no_grad(|| Flat::new(group, &mut slots));
            Layout::Flat((0..groups.len()).filter_map(of_group).collect())
        };
        Ok(Self {
            rule,
            groups,
            slots,
            layout,
            steps: 0,
        })
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// One update from the accumulated gradients, which are cleared. `lr_scale` multiplies every group's rate (schedule);
    /// `max_norm` clips the global L2 norm of the gradient. Returns that norm before clipping.
    ///
    /// A parameter that took no part has gradient zero, whether or not it took part before: a resumed run must not differ.
    /// On the CPU the bits do not depend on the number of threads.
    ///
    /// # Errors
    /// [`TrainError::NonFinite`] where the norm is NaN or infinite: nothing was updated then.
    pub fn step(&mut self, lr_scale: f64, max_norm: Option<f64>) -> Result<f64, TrainError> {
        self.step_groups(|_| lr_scale, max_norm)
    }

    /// [`Optimizer::step`] with a factor on the rate of each group, by its index. A group with factor 0 stands still; its moments go on.
    ///
    /// # Errors
    /// As [`Optimizer::step`].
    pub fn step_groups(
        &mut self,
        lr_scale: impl Fn(usize) -> f64,
        max_norm: Option<f64>,
    ) -> Result<f64, TrainError> {
        tch::no_grad(|| self.step_no_grad(&lr_scale, max_norm))
    }

    fn step_no_grad(
        &mut self,
        lr_scale: &dyn Fn(usize) -> f64,
        max_norm: Option<f64>,
    ) -> Result<f64, TrainError> {
        let mut gradients = Vec::new();
        if !matches!(self.layout, Layout::Flat(_)) {
            gradients = self.slots.iter().map(fused::gradient).collect();
        }
        let norm = match &mut self.layout {
            Layout::Fused => fused::norm::<f32>(&gradients),
            Layout::FusedDouble => fused::norm::<f64>(&gradients),
            Layout::Flat(groups) => flat::norm(groups, &self.slots),
        };
        if !norm.is_finite() {
            return Err(self.non_finite());
        }
        self.steps += 1;
        let clip = max_norm.map_or(1.0, |m| (m / (norm + 1e-6)).min(1.0));
        let updates: Vec<Update> = self
            .groups
            .iter()
            .enumerate()
            .map(|(at, g)| Update::new(self.rule, *g, lr_scale(at), clip, self.steps))
            .collect();
        match &mut self.layout {
            Layout::Fused => fused::update::<f32>(&mut self.slots, &mut gradients, &updates),
            Layout::FusedDouble => {
                fused::update::<f64>(&mut self.slots, &mut gradients, &updates);
            }
            Layout::Flat(groups) => groups.iter_mut().for_each(|g| g.update(&updates)),
        }
        Ok(norm)
    }

    /// L2 norm of the accumulated gradient of each group, before clipping, by its index.
    #[must_use]
    pub fn norms(&self) -> Vec<f64> {
        let mut squares = vec![0.0; self.groups.len()];
        for slot in &self.slots {
            let gradient = slot.value.grad();
            if gradient.defined() {
                let norm = gradient.norm().double_value(&[]);
                squares[slot.group] += norm * norm;
            }
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// Names the first parameter whose gradient is not finite.
    fn non_finite(&self) -> TrainError {
        let bad = |s: &&Slot| {
            let g = s.value.grad();
            g.defined() && g.isfinite().all().int64_value(&[]) == 0
        };
        // Finite entries can have an infinite norm too.
        let culprit = self.slots.iter().find(bad);
        let culprit = culprit.map_or("the model", |s| s.name.as_str());
        TrainError::NonFinite {
            what: format!("gradient of {culprit}"),
            step: self.steps,
        }
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
                checkpoint::copy_tensor(state, &format!("{prefix}.{}", s.name), target)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// The scalars of one update of one group: with `g = clip * gradient + l2 * w`,
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w = shrink * w - step * m / (sqrt(v) * root + eps)`.
#[derive(Debug, Clone, Copy)]
struct Update {
    clip: f64,
    l2: f64,
    shrink: f64,
    step: f64,
    root: f64,
}

impl Update {
    /// Of update number `at`, from 1.
    fn new(rule: Rule, group: Group, lr_scale: f64, clip: f64, at: i64) -> Self {
        let lr = group.lr * lr_scale;
        let (l2, shrink) = match rule {
            Rule::Adam => (group.weight_decay, 1.0),
            Rule::AdamW => (0.0, 1.0 - lr * group.weight_decay),
        };
        Self {
            clip,
            l2,
            shrink,
            step: lr / (1.0 - BETA1.powf(at as f64)),
            root: 1.0 / (1.0 - BETA2.powf(at as f64)).sqrt(),
        }
    }
}
