//! The verdict of a comparison with a baseline: what the paired-bootstrap interval of the difference says, over one seed or several.

use unimse_eval::{Interval, Metric};
use unimse_run::Baseline;

use crate::load::Run;

/// What an interval of "ours minus baseline" says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Beats,
    NoDifference,
    Worse,
}

impl Outcome {
    /// `None` where the difference is undefined.
    pub(crate) fn judge(metric: Metric, difference: &Interval) -> Option<Self> {
        let (low, high) = (difference.low?, difference.high?);
        let (better, worse) = if metric.higher_is_better() {
            (low > 0.0, high < 0.0)
        } else {
            (high < 0.0, low > 0.0)
        };
        Some(match (better, worse) {
            (true, _) => Outcome::Beats,
            (_, true) => Outcome::Worse,
            _ => Outcome::NoDifference,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Beats => "beats",
            Outcome::NoDifference => "no difference beyond the interval",
            Outcome::Worse => "worse",
        }
    }
}

/// One comparison: of the run, or of one of its seeds where the aggregate holds no interval.
pub(crate) struct Comparison<'a> {
    /// Which seed; empty for the run as a whole.
    pub(crate) seed: &'a str,
    pub(crate) baseline: &'a str,
    pub(crate) metric: Metric,
    pub(crate) interval: Interval,
    pub(crate) outcome: Option<Outcome>,
}

/// Every comparison of a corpus: the run's own intervals, else those of its seeds.
pub(crate) fn comparisons<'a>(run: &'a Run, corpus: &str) -> Vec<Comparison<'a>> {
    let own = run.results.corpora.get(corpus);
    let own: Vec<_> = own
        .iter()
        .flat_map(|c| c.test.baselines.iter())
        .flat_map(|(name, baseline)| differences("", name, baseline))
        .collect();
    if !own.is_empty() || !run.aggregate {
        return own;
    }
    run.seeds
        .iter()
        .filter_map(|seed| Some((seed.name.as_str(), seed.results.corpora.get(corpus)?)))
        .flat_map(|(seed, corpus)| corpus.test.baselines.iter().map(move |b| (seed, b)))
        .flat_map(|(seed, (name, baseline))| differences(seed, name, baseline))
        .collect()
}

fn differences<'a>(
    seed: &'a str,
    baseline: &'a str,
    compared: &'a Baseline,
) -> impl Iterator<Item = Comparison<'a>> {
    compared
        .difference
        .iter()
        .map(move |(&metric, interval)| Comparison {
            seed,
            baseline,
            metric,
            interval: interval.clone(),
            outcome: Outcome::judge(metric, interval),
        })
}

/// The outcome of all given comparisons in words: "beats", or "beats in 2 of 3 seeds, worse in 1".
pub(crate) fn summary(comparisons: &[&Comparison<'_>]) -> Option<String> {
    let count = |o| comparisons.iter().filter(|c| c.outcome == Some(o)).count();
    let all = [Outcome::Beats, Outcome::NoDifference, Outcome::Worse];
    let seen: Vec<_> = all.into_iter().filter(|o| count(*o) > 0).collect();
    match (seen.as_slice(), comparisons.len()) {
        ([], _) => None,
        ([one], 1) => Some(one.name().to_owned()),
        ([first, rest @ ..], n) => {
            let mut words = format!("{} in {} of {n} seeds", first.name(), count(*first));
            for outcome in rest {
                words.push_str(&format!(", {} in {}", outcome.name(), count(*outcome)));
            }
            Some(words)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval {
            estimate: Some((low + high) / 2.0),
            low: Some(low),
            high: Some(high),
            undefined: None,
        }
    }

    #[test]
    fn direction_of_the_metric_decides() {
        assert_eq!(
            Outcome::judge(Metric::Mae, &interval(-0.3, -0.1)),
            Some(Outcome::Beats)
        );
        assert_eq!(
            Outcome::judge(Metric::Mae, &interval(0.1, 0.3)),
            Some(Outcome::Worse)
        );
        assert_eq!(
            Outcome::judge(Metric::Corr, &interval(0.1, 0.3)),
            Some(Outcome::Beats)
        );
        assert_eq!(
            Outcome::judge(Metric::Corr, &interval(0.0, 0.3)),
            Some(Outcome::NoDifference)
        );
        assert_eq!(Outcome::judge(Metric::Corr, &Interval::default()), None);
    }

    #[test]
    fn seeds_are_counted() {
        let seed = |low, high| Comparison {
            seed: "seed 1",
            baseline: "mean",
            metric: Metric::Corr,
            interval: interval(low, high),
            outcome: Outcome::judge(Metric::Corr, &interval(low, high)),
        };
        let (a, b, c) = (seed(0.1, 0.2), seed(0.2, 0.3), seed(-0.1, 0.1));
        assert_eq!(summary(&[&a]).unwrap(), "beats");
        assert_eq!(
            summary(&[&a, &b, &c]).unwrap(),
            "beats in 2 of 3 seeds, no difference beyond the interval in 1"
        );
        assert_eq!(summary(&[]), None);
    }
}
