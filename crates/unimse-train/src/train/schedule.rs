//! The factor on every learning rate over a training, and when it ends for want of progress: warm-up, then linear decay or halving on
//! a plateau of dev; patience.

use serde::{Deserialize, Serialize};

use unimse_model::config::Share;

use crate::config::{Schedule, TrainConfig};

/// How dev has gone: what a checkpoint keeps of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs since the best one.
    pub stale: usize,
    /// Epochs since the best one or the last halving of the rate.
    pub plateau: usize,
    /// Factor the plateau schedule has reached, 1 at first.
    pub scale: f64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            stale: 0,
            plateau: 0,
            scale: 1.0,
        }
    }
}

/// The rules, fixed for a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    schedule: Schedule,
    updates: i64,
    /// Updates of the warm-up.
    warm: i64,
    /// Updates in which the backbone stands still.
    held: f64,
    /// Updates over which the contrastive losses rise.
    contrast: f64,
    plateau_patience: usize,
    patience: usize,
}

impl Rates {
    /// For a training of `updates` updates. The warm-up takes the share `train.warmup` of them, rounded up; that of the contrastive losses
    /// the share `contrast`.
    #[must_use]
    pub fn new(config: &TrainConfig, contrast: Share, updates: i64) -> Self {
        Self {
            schedule: config.schedule,
            updates,
            warm: (config.warmup.get() * updates as f64).ceil() as i64,
            held: config.head_warmup.get() * updates as f64,
            contrast: contrast.get() * updates as f64,
            plateau_patience: config.plateau_patience,
            patience: config.patience,
        }
    }

    /// Whether the backbone stands still in the update after `done` ones.
    #[must_use]
    pub fn holds_backbone(&self, done: i64) -> bool {
        (done as f64) < self.held
    }

    /// Factor on the weights of the contrastive losses for the update after `done` ones: it rises by equal steps from 0 at the first one.
    #[must_use]
    pub fn contrast(&self, done: i64) -> f64 {
        if self.contrast == 0.0 {
            return 1.0;
        }
        (done as f64 / self.contrast).min(1.0)
    }

    /// Factor on every group's rate for the update after `done` ones. In the warm-up it rises by equal steps, to 1 at its last update;
    /// then it falls by equal steps, from 1 to one step above 0 at the last update of all (`linear`), or is what dev says (`plateau`).
    #[must_use]
    pub fn factor(&self, done: i64, progress: &Progress) -> f64 {
        let next = done + 1;
        if next <= self.warm {
            return next as f64 / self.warm as f64;
        }
        let (left, length) = (self.updates - done, self.updates - self.warm);
        match self.schedule {
            Schedule::Linear => (left as f64 / length as f64).max(0.0),
            Schedule::Plateau => progress.scale,
        }
    }

    /// Notes an epoch, `best` where none was better. The plateau schedule halves the rate after more than `train.plateau_patience`
    /// epochs without a best one, and counts again.
    pub fn note(&self, progress: &mut Progress, best: bool) {
        if best {
            (progress.stale, progress.plateau) = (0, 0);
            return;
        }
        progress.stale += 1;
        progress.plateau += 1;
        if self.schedule == Schedule::Plateau && progress.plateau > self.plateau_patience {
            progress.scale *= 0.5;
            progress.plateau = 0;
        }
    }

    /// Whether more than `train.patience` epochs have gone without a best one.
    #[must_use]
    pub fn exhausted(&self, progress: &Progress) -> bool {
        progress.stale > self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup: f64, updates: i64) -> Rates {
        let config = TrainConfig {
            schedule,
            warmup: Share::literal(warmup),
            plateau_patience: 1,
            patience: 3,
            ..TrainConfig::default()
        };
        Rates::new(&config, Share::literal(0.0), updates)
    }

    /// Factors of every update of a training, dev never looked at.
    fn factors(rates: &Rates) -> Vec<f64> {
        let factor = |done| rates.factor(done, &Progress::default());
        (0..rates.updates).map(factor).collect()
    }

    #[test]
    fn the_rate_rises_by_equal_steps_and_falls_by_equal_steps() {
        // 2 of 6 updates are warm-up
        let linear = factors(&rates(Schedule::Linear, 1.0 / 3.0, 6));
        assert_eq!(linear, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        let plateau = factors(&rates(Schedule::Plateau, 1.0 / 3.0, 6));
        assert_eq!(plateau, [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let cold = factors(&rates(Schedule::Linear, 0.0, 4));
        assert_eq!(cold, [1.0, 0.75, 0.5, 0.25]);
        // a tenth of 5 updates is one of them
        let some = factors(&rates(Schedule::Linear, 0.1, 5));
        assert_eq!(some, [1.0, 1.0, 0.75, 0.5, 0.25]);
        let only = factors(&rates(Schedule::Linear, 0.9, 2));
        assert_eq!(only, [0.5, 1.0]);
    }

    #[test]
    fn the_backbone_waits_and_the_contrast_rises() {
        let config = TrainConfig {
            head_warmup: Share::literal(0.2),
            ..TrainConfig::default()
        };
        let rates = Rates::new(&config, Share::literal(0.5), 10);
        let held: Vec<bool> = (0..4).map(|done| rates.holds_backbone(done)).collect();
        assert_eq!(held, [true, true, false, false]); // 0.2 of 10 updates
        let rising: Vec<f64> = [0, 1, 4, 5, 9].map(|done| rates.contrast(done)).to_vec();
        assert_eq!(rising, [0.0, 1.0 / 5.0, 4.0 / 5.0, 1.0, 1.0]);
        let plain = Rates::new(&TrainConfig::default(), Share::literal(0.0), 10);
        assert!(!plain.holds_backbone(0) && plain.contrast(0) == 1.0);
    }

    #[test]
    fn a_training_that_goes_on_too_long_stands_still() {
        let linear = rates(Schedule::Linear, 0.5, 4);
        assert_eq!(linear.factor(4, &Progress::default()), 0.0);
        assert_eq!(linear.factor(9, &Progress::default()), 0.0);
    }

    #[test]
    fn a_plateau_halves_the_rate_once_and_counts_again() {
        let rates = rates(Schedule::Plateau, 0.0, 100);
        let mut progress = Progress::default();
        let epochs = [true, false, false, false, false, true, false, false];
        let scales = epochs.map(|best| {
            rates.note(&mut progress, best);
            rates.factor(50, &progress)
        });
        // one epoch without a best one is suffered, the second halves; a best one keeps the rate and counts from 0
        assert_eq!(scales, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
        assert_eq!((progress.stale, progress.plateau), (2, 0));
    }

    #[test]
    fn the_linear_schedule_does_not_listen_to_dev() {
        let rates = rates(Schedule::Linear, 0.0, 10);
        let mut progress = Progress::default();
        (0..9).for_each(|_| rates.note(&mut progress, false));
        assert_eq!(rates.factor(5, &progress), 0.5);
        assert_eq!(progress.scale, 1.0);
    }

    #[test]
    fn patience_ends_after_more_than_so_many_epochs_without_a_best_one() {
        for schedule in [Schedule::Linear, Schedule::Plateau] {
            let rates = rates(schedule, 0.0, 100);
            let mut progress = Progress::default();
            let epochs = [true, false, false, true, false, false, false, false];
            let ends = epochs.map(|best| {
                rates.note(&mut progress, best);
                rates.exhausted(&progress)
            });
            let expected = [false, false, false, false, false, false, false, true];
            assert_eq!(ends, expected, "{schedule:?}");
        }
    }
}
