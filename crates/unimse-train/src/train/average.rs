//! The exponential moving average of the trained weights (Polyak and Juditsky, 1992; the schedule is that of common practice), which dev scores
//! and selects instead of the weights themselves.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::TrainError;
use crate::train::checkpoint;

/// Names of the average's tensors in a checkpoint begin with this.
const PREFIX: &str = "average.";

/// The averages of all trained parameters, and the parameters.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    value: Tensor,
    mean: Tensor,
}

impl Average {
    /// Begins with the weights as they stand. `decay` is in (0, 1); parameters without a gradient are left out.
    #[must_use]
    pub fn new(decay: f64, parameters: Vec<(String, Tensor)>) -> Self {
        let trained = parameters.into_iter().filter(|(_, t)| t.requires_grad());
        let members = trained.map(|(name, value)| Member {
            name,
            mean: value.detach().copy(),
            value,
        });
        Self {
            decay,
            members: members.collect(),
        }
    }

    /// Takes the weights after update number `step`, from 1, in: `mean += (1 - d) (weight - mean)` with `d = min(decay, (1 + step) / (10 + step))`.
    pub fn update(&mut self, step: i64) {
        let step = step as f64;
        let decay = self.decay.min((1.0 + step) / (10.0 + step));
        tch::no_grad(|| {
            for member in &mut self.members {
                let _ = member.mean.lerp_(&member.value, 1.0 - decay);
            }
        });
    }

    /// Exchanges weights and averages, bit for bit; a second call exchanges them back.
    pub fn swap(&mut self) {
        tch::no_grad(|| {
            for member in &mut self.members {
                let mean = member.mean.copy();
                member.mean.copy_(&member.value);
                member.value.copy_(&mean);
            }
        });
    }

    /// The averages by name, for a checkpoint.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let entry = |m: &Member| (format!("{PREFIX}{}", m.name), m.mean.shallow_clone());
        self.members.iter().map(entry).collect()
    }

    /// Restores what [`Average::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] that names a missing or misshaped tensor.
    pub fn restore(&mut self, saved: &BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        for member in &mut self.members {
            let name = format!("{PREFIX}{}", member.name);
            checkpoint::copy_tensor(saved, &name, &mut member.mean)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn weights(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    #[test]
    fn the_mean_follows_the_weights() {
        let mut w = weights(&[0.0]);
        let mut average = Average::new(0.25, vec![("w".to_owned(), w.shallow_clone())]);
        let mut mean = 0.0;
        for step in 1..=4 {
            let _ = tch::no_grad(|| w.fill_(step as f64));
            average.update(step);
            // 2/11, 3/12, 4/13 and 5/14 would be the decays of the first updates
            let decay = [2.0 / 11.0, 0.25, 0.25, 0.25][step as usize - 1];
            mean += (1.0 - decay) * (step as f64 - mean);
            let found = average.state()["average.w"].double_value(&[0]);
            assert!(
                (found - mean).abs() < 1e-6,
                "{step}: {found}, expected {mean}"
            );
        }
    }

    #[test]
    fn two_swaps_change_no_bit_and_a_saved_mean_reads_back() {
        let mut w = weights(&[0.1, -0.7]);
        let frozen = Tensor::from_slice(&[1f32]);
        let parameters = vec![
            ("w".to_owned(), w.shallow_clone()),
            ("f".to_owned(), frozen),
        ];
        let mut average = Average::new(0.9, parameters);
        let _ = tch::no_grad(|| w.fill_(0.3));
        average.update(1);
        let (weight, mean) = (w.detach().copy(), average.state()["average.w"].copy());
        average.swap();
        assert_eq!((w.detach(), average.state().len()), (mean.copy(), 1));
        average.swap();
        assert_eq!(w.detach(), weight);
        let mut other = Average::new(0.9, vec![("w".to_owned(), weights(&[0.0, 0.0]))]);
        other.restore(&average.state()).unwrap();
        assert_eq!(other.state()["average.w"], mean);
        let error = other.restore(&BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("average.w is missing"), "{error}");
    }
}
