//! Course of a training: learning rate (paper 4.2), plateau, patience, and what share of an update a batch is.
//!
//! All of it is a function of the configuration and of [`LoopState`], so that a resumed training takes the same course.

use crate::checkpoint::LoopState;
use crate::config::{Schedule, TrainConfig};

/// The course of one training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course<'a> {
    config: &'a TrainConfig,
    /// Updates of all epochs together.
    updates: i64,
}

impl<'a> Course<'a> {
    pub(crate) fn new(config: &'a TrainConfig, updates: i64) -> Self {
        Self { config, updates }
    }

    /// Factor on every group's learning rate for the next update: a linear rise over the first `train.warmup` of all updates, then a
    /// linear fall that would reach 0 one update after the last, or what the plateaus have left.
    pub(crate) fn rate(&self, state: &LoopState) -> f64 {
        let total = self.updates as f64;
        let warm = (self.config.warmup * total).ceil();
        let next = (state.step + 1) as f64;
        if next <= warm {
            return next / warm;
        }
        match self.config.schedule {
            Schedule::Linear => ((total - next + 1.0) / (total - warm)).max(0.0),
            Schedule::Plateau => state.scale,
        }
    }

    /// Counts an epoch: `best` says whether its dev score is the best so far.
    pub(crate) fn count(&self, state: &mut LoopState, best: bool) {
        if best {
            (state.best_epoch, state.stale, state.plateau) = (state.epoch, 0, 0);
            return;
        }
        state.stale += 1;
        state.plateau += 1;
        let plateau = self.config.schedule == Schedule::Plateau;
        if plateau && state.plateau > self.config.plateau_patience {
            state.scale *= 0.5;
            state.plateau = 0;
        }
    }

    /// Whether no further epoch is to be trained: all are done, or the patience is spent since the best one.
    pub(crate) fn is_over(&self, state: &LoopState) -> bool {
        let spent = state.best.is_some() && state.stale > self.config.patience;
        state.epoch >= self.config.epochs || spent
    }

    /// Whether an update follows when `done` of an epoch's `batches` are done.
    pub(crate) fn updates_after(&self, done: usize, batches: usize) -> bool {
        done.is_multiple_of(self.config.accumulate) || done == batches
    }

    /// Share of its update that batch number `batch`, from 0, of `batches` has: the last update of an epoch may hold fewer than the others.
    pub(crate) fn share(&self, batch: usize, batches: usize) -> f64 {
        let first = batch / self.config.accumulate * self.config.accumulate;
        1.0 / self.config.accumulate.min(batches - first) as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use tch::{Device, Kind, Tensor};

    use super::*;

    fn config(schedule: Schedule) -> TrainConfig {
        TrainConfig {
            warmup: 0.2,
            schedule,
            plateau_patience: 1,
            patience: 2,
            epochs: 9,
            accumulate: 3,
            ..TrainConfig::default()
        }
    }

    fn at(step: i64) -> LoopState {
        LoopState {
            step,
            scale: 1.0,
            ..LoopState::default()
        }
    }

    #[test]
    fn the_rate_rises_over_the_warm_up_and_falls_to_the_last_update() {
        let config = config(Schedule::Linear);
        let course = Course::new(&config, 10);
        // Two of ten updates warm up; eight fall from 1 by an eighth each.
        let rates: Vec<f64> = (0..12).map(|step| course.rate(&at(step))).collect();
        let mut expected = vec![0.5, 1.0];
        expected.extend((1..=8).rev().map(|eighths| f64::from(eighths) / 8.0));
        expected.extend([0.0, 0.0]); // beyond the end it stays there
        assert_eq!(rates, expected);
    }

    #[test]
    fn without_warm_up_the_first_update_has_the_whole_rate() {
        let config = TrainConfig {
            warmup: 0.0,
            ..config(Schedule::Linear)
        };
        assert_eq!(Course::new(&config, 4).rate(&at(0)), 1.0);
        assert_eq!(Course::new(&config, 4).rate(&at(3)), 1.0 / 4.0);
    }

    #[test]
    fn plateaus_halve_the_rate_once_their_patience_is_spent() {
        let config = config(Schedule::Plateau);
        let course = Course::new(&config, 10);
        let mut state = at(5);
        let mut scales = Vec::new();
        for best in [true, false, false, false, false, true, false, false] {
            course.count(&mut state, best);
            scales.push(course.rate(&state));
        }
        // One epoch without a better score is borne, the second halves; a better one starts the count anew.
        assert_eq!(scales, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
        // The linear schedule counts alike and halves nothing.
        let linear = self::config(Schedule::Linear);
        let mut state = at(5);
        (0..6).for_each(|_| Course::new(&linear, 10).count(&mut state, false));
        assert_eq!((state.scale, state.stale), (1.0, 6));
    }

    #[test]
    fn training_ends_when_the_patience_is_spent_or_the_epochs_are() {
        let config = config(Schedule::Linear);
        let course = Course::new(&config, 10);
        let mut state = at(0);
        let mut epochs = 0;
        for best in [false, false, false, true, false, false, false, false] {
            if course.is_over(&state) {
                break;
            }
            if best {
                state.best = Some(0.5);
            }
            course.count(&mut state, best);
            state.epoch += 1;
            epochs += 1;
        }
        // Without any score there is nothing to wait for; after the best (the fourth) two more are borne, the third spends it.
        assert_eq!((epochs, state.best_epoch), (7, 3));
        let whole = LoopState {
            epoch: 9,
            ..LoopState::default()
        };
        assert!(course.is_over(&whole) && !course.is_over(&at(0)));
    }

    /// Seven batches in updates of three: the gradient of each update is the mean over its batches, in the last one over one.
    #[test]
    fn accumulated_gradients_are_those_of_the_mean_of_the_batches() {
        let config = config(Schedule::Linear);
        let course = Course::new(&config, 10);
        let weight = Tensor::zeros([1], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let slopes = [1.0, 2.0, 6.0, -1.0, 0.0, 4.0, 5.0];
        let mut gradients = Vec::new();
        for (batch, slope) in slopes.into_iter().enumerate() {
            let loss = (&weight * slope).sum(Kind::Double);
            (loss * course.share(batch, slopes.len())).backward();
            if course.updates_after(batch + 1, slopes.len()) {
                gradients.push(weight.grad().double_value(&[0]));
                let _ = weight.grad().zero_();
            }
        }
        let expected = [(1.0 + 2.0 + 6.0) / 3.0, (-1.0 + 0.0 + 4.0) / 3.0, 5.0];
        assert_eq!(gradients.len(), expected.len());
        for (found, expected) in gradients.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        }
    }
}
