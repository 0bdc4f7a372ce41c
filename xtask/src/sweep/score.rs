//! What dev says of a trial, and who goes on: test is never asked.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fs;
use std::path::PathBuf;
use unimse_run::Event;

/// The dev score of one configuration, trained for some epochs with every seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Score {
    /// `train.epochs`.
    pub(super) epochs: u64,
    /// The mean over seeds of the best epoch's dev score; absent where the training failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mean: Option<f64>,
    /// Corpora whose dev split gave a value, the least of any seed: a mean over more of them is the better one, as in selection.
    #[serde(default)]
    pub(super) defined: usize,
    /// By seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) per_seed: Vec<f64>,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

impl Score {
    /// From the event logs of the seeds.
    pub(super) fn read(epochs: u64, logs: &[PathBuf]) -> Result<Self> {
        let mut seeds = Vec::new();
        for log in logs {
            let text = fs::read_to_string(log)
                .with_context(|| format!("cannot read {}", log.display()))?;
            let best = text.lines().filter_map(best_epoch).next_back();
            let Some(best) = best else {
                bail!(
                    "{}: expected an epoch with a dev score, found none",
                    log.display()
                );
            };
            seeds.push(best);
        }
        let per_seed: Vec<f64> = seeds.iter().map(|(_, score)| *score).collect();
        let mean = per_seed.iter().sum::<f64>() / per_seed.len() as f64;
        Ok(Self {
            epochs,
            mean: Some(mean).filter(|mean| mean.is_finite()),
            defined: seeds.iter().map(|(defined, _)| *defined).min().unwrap_or(0),
            per_seed,
            failed: None,
        })
    }

    /// Of a training that failed.
    pub(super) fn failed(epochs: u64, why: String) -> Self {
        Self {
            epochs,
            mean: None,
            defined: 0,
            per_seed: Vec::new(),
            failed: Some(why),
        }
    }

    /// The better one first; those that failed last.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let place = |score: &Self| (score.defined, score.mean.unwrap_or(f64::NEG_INFINITY));
        let (ours, theirs) = (place(self), place(other));
        let by_count = theirs.0.cmp(&ours.0);
        by_count.then(theirs.1.total_cmp(&ours.1))
    }
}

/// Corpora with a value and score of an epoch that was the best so far.
fn best_epoch(line: &str) -> Option<(usize, f64)> {
    let Ok(Event::Epoch(epoch)) = serde_json::from_str(line) else {
        return None;
    };
    let dev = epoch.dev;
    let defined = dev.corpora.iter().count() - dev.undefined.iter().count();
    dev.score
        .filter(|_| epoch.best)
        .map(|score| (defined, score))
}

/// One rung of successive halving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rung {
    /// `train.epochs` of its trainings.
    pub(super) epochs: u64,
    /// Configurations that are trained.
    pub(super) trials: usize,
}

/// The rungs of successive halving by `factor` (Jamieson and Talwalkar 2016): each trains a `factor`-th of the configurations for `factor`
/// times the epochs, the last for `epochs`. As many rungs as configurations and epochs allow; one without a factor.
pub(super) fn rungs(trials: usize, epochs: u64, factor: Option<u32>) -> Vec<Rung> {
    let Some(factor) = factor else {
        return vec![Rung { epochs, trials }];
    };
    let mut rungs = Vec::new();
    let mut divisor = 1_u64;
    while divisor <= epochs && divisor <= trials as u64 {
        rungs.push(divisor);
        divisor *= u64::from(factor);
    }
    let last = rungs.last().copied().unwrap_or(1);
    rungs
        .iter()
        .map(|divisor| Rung {
            epochs: epochs / (last / divisor),
            trials: (trials / usize::try_from(*divisor).unwrap_or(trials)).max(1),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn rungs_end_with_all_epochs() {
        let pairs = |trials, epochs, factor| -> Vec<(u64, usize)> {
            let rungs = rungs(trials, epochs, factor);
            rungs
                .iter()
                .map(|rung| (rung.epochs, rung.trials))
                .collect()
        };
        assert_eq!(pairs(9, 9, Some(3)), [(1, 9), (3, 3), (9, 1)]);
        assert_eq!(pairs(10, 8, Some(2)), [(1, 10), (2, 5), (4, 2), (8, 1)]);
        assert_eq!(pairs(5, 3, Some(2)), [(1, 5), (3, 2)]);
        assert_eq!(pairs(1, 8, Some(2)), [(8, 1)]);
        assert_eq!(pairs(12, 8, None), [(8, 12)]);
    }

    #[test]
    fn the_best_epoch_of_each_seed_counts_and_hidden_corpora_do_not_win() {
        let folder = tempfile::tempdir().unwrap();
        let log = |name: &str, lines: &str| {
            let path = folder.path().join(name);
            fs::write(&path, lines).unwrap();
            path
        };
        let epoch = |best: bool, score: f64, undefined: &str| {
            format!(
                "{{\"event\": \"epoch\", \"epoch\": 0, \"best\": {best}, \"dev\": {{\"score\": {score}, \"corpora\": {{\"mosi\": {{}}, \"meld\": {{}}}}, \"undefined\": {{{undefined}}}}}}}\n"
            )
        };
        let one = log(
            "one",
            &(epoch(true, 0.25, "") + &epoch(true, 0.5, "") + &epoch(false, 0.4, "")),
        );
        let two = log("two", &epoch(true, 0.75, ""));
        let score = Score::read(3, &[one, two.clone()]).unwrap();
        assert_eq!((score.mean, score.defined), (Some((0.5 + 0.75) / 2.0), 2));
        let hidden = log("hidden", &epoch(true, 0.9, "\"mosi\": \"constant\""));
        let hidden = Score::read(3, &[hidden]).unwrap();
        let failed = Score::failed(3, "no number".to_owned());
        let mut all = [&failed, &hidden, &score];
        all.sort_by(|a, b| a.order(b));
        assert_eq!(all, [&score, &hidden, &failed]);
        let none = log("none", &epoch(false, 0.1, ""));
        assert!(
            Score::read(3, &[two, none])
                .unwrap_err()
                .to_string()
                .contains("none: expected an epoch")
        );
    }
}
