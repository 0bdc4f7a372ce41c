//! Whether a part has become slower.

use super::Measured;
use super::baseline::{Baseline, Count};
use serde::Serialize;

/// By which share instructions and allocations may grow.
const SOFT: f64 = 0.02;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Beyond the limit: the check fails.
    Slower,
    /// Within the limit.
    Same,
    /// As far below as the limit is above: `--bless` makes it the new baseline.
    Faster,
    /// There is nothing to compare it with.
    Unknown,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Name of the part.
    pub(crate) part: String,
    /// What was measured: `instructions`, `blocks` (allocations) or `ratio` (processor time over the reference's).
    pub(crate) of: &'static str,
    /// Of the baseline.
    pub(crate) old: Option<f64>,
    /// Of this run.
    pub(crate) new: f64,
    /// New over old.
    pub(crate) ratio: Option<f64>,
    /// The largest ratio that is taken.
    pub(crate) limit: Option<f64>,
    pub(crate) verdict: Verdict,
}

fn line(part: &str, of: &'static str, old: Option<f64>, new: f64, tolerance: Option<f64>) -> Line {
    // nothing was allocated and nothing is: the ratio is 1
    let ratio = old.map(|old| if old == new { 1.0 } else { new / old });
    let verdict = match (ratio, tolerance) {
        (Some(ratio), Some(most)) if ratio > 1.0 + most => Verdict::Slower,
        (Some(ratio), Some(most)) if ratio < 1.0 - most => Verdict::Faster,
        (Some(_), Some(_)) => Verdict::Same,
        _ => Verdict::Unknown,
    };
    Line {
        part: part.to_owned(),
        of,
        old,
        new,
        ratio,
        limit: tolerance.map(|most| 1.0 + most),
        verdict,
    }
}

/// Parts whose instructions were counted: one line for them, another for allocations.
pub(crate) fn of_counts(known: &Baseline, found: &Measured<Count>) -> Vec<Line> {
    let lines = |(part, new): (&String, &Count)| {
        let old = known.counts.get(part);
        let tolerance = old.map(|_| SOFT);
        let of = |count: fn(&Count) -> u64| (old.map(|old| count(old) as f64), count(new) as f64);
        let ((old_i, new_i), (old_b, new_b)) = (of(|c| c.instructions), of(|c| c.blocks));
        [
            line(part, "instructions", old_i, new_i, tolerance),
            line(part, "blocks", old_b, new_b, tolerance),
        ]
    };
    found.iter().flat_map(lines).collect()
}

/// Kernels that were timed against their references.
pub(crate) fn of_ratios(known: &Baseline, found: &Measured<f64>) -> Vec<Line> {
    let of = |(part, new): (&String, &f64)| {
        let old = known.ratios.get(part);
        let (ratio, tolerance) = (old.map(|old| old.ratio), old.map(|old| old.tolerance));
        line(part, "ratio", ratio, *new, tolerance)
    };
    found.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::baseline::Ratio;
    use super::*;

    fn known() -> Baseline {
        let count = Count {
            instructions: 1000,
            blocks: 0,
            bytes: 0,
        };
        let ratio = Ratio {
            ratio: 2.0,
            tolerance: 0.1,
        };
        Baseline {
            counts: Measured::from([("a".to_owned(), count)]),
            ratios: Measured::from([("k".to_owned(), ratio)]),
            notes: Vec::new(),
        }
    }

    fn counted(instructions: u64, blocks: u64) -> Vec<Verdict> {
        let count = Count {
            instructions,
            blocks,
            bytes: 0,
        };
        let lines = of_counts(&known(), &Measured::from([("a".to_owned(), count)]));
        lines.iter().map(|line| line.verdict).collect()
    }

    fn timed(ratio: f64) -> Verdict {
        of_ratios(&known(), &Measured::from([("k".to_owned(), ratio)]))[0].verdict
    }

    #[test]
    fn two_percent_of_instructions_are_taken_and_more_is_slower() {
        use Verdict::{Faster, Same, Slower};
        assert_eq!(counted(1020, 0), [Same, Same]);
        assert_eq!(counted(1021, 0), [Slower, Same]);
        assert_eq!(counted(979, 0), [Faster, Same]);
        assert_eq!(
            counted(1000, 1),
            [Same, Slower],
            "an allocation where none was"
        );
    }

    #[test]
    fn a_ratio_has_the_tolerance_of_its_baseline() {
        assert_eq!(timed(2.0 * 1.09), Verdict::Same);
        assert_eq!(timed(2.0 * 1.11), Verdict::Slower);
        assert_eq!(timed(2.0 * 0.89), Verdict::Faster);
    }

    #[test]
    fn what_has_no_baseline_is_unknown() {
        let lines = of_ratios(&known(), &Measured::from([("new".to_owned(), 1.0)]));
        assert_eq!((lines[0].verdict, lines[0].limit), (Verdict::Unknown, None));
    }
}
