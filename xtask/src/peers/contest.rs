//! What a contest is: sides that do the same work, what is asked of the ratio of their times, and what bounds ours.

use serde::{Deserialize, Serialize};

/// What runs a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The bench `peers` (`benches/benches/peers`), with the contest's name.
    Ours,
    /// A script of `benches/peers`, in the Python that has the peers.
    Python(&'static str),
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// The peer's seconds over ours in the same round; more is better.
    Speed,
    /// Our seconds over the peer's in the same round; less is better.
    Share,
    /// Our seconds; less is better.
    Seconds,
}

/// What a figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) measure: Measure,
    /// At least that for a speed, at most for the others.
    pub(crate) bound: f64,
}

impl Target {
    pub(crate) const fn speed(bound: f64) -> Option<Self> {
        let measure = Measure::Speed;
        Some(Self { measure, bound })
    }

    pub(crate) const fn share(bound: f64) -> Option<Self> {
        let measure = Measure::Share;
        Some(Self { measure, bound })
    }

    pub(crate) const fn seconds(bound: f64) -> Option<Self> {
        let measure = Measure::Seconds;
        Some(Self { measure, bound })
    }

    /// Whether a figure reaches it.
    pub(crate) fn met_by(&self, figure: f64) -> bool {
        match self.measure {
            Measure::Speed => figure >= self.bound,
            Measure::Share | Measure::Seconds => figure <= self.bound,
        }
    }
}

/// One side of a contest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// What the job calls it.
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// What it does, for the table.
    pub(crate) does: &'static str,
    /// Of a peer: of the ratio of both times; of ours: of our seconds.
    pub(crate) target: Option<Target>,
    /// How far its numbers may be from ours, relative to the largest of ours; none where it has none to compare.
    pub(crate) tolerance: Option<f64>,
    /// Why the target is missed, where that is known; told only where it is missed.
    pub(crate) why_below: Option<&'static str>,
}

/// Sides that do the same work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    /// The work.
    pub(crate) work: &'static str,
    /// What ours cannot be faster than, or is measured by.
    pub(crate) bound: &'static str,
    /// Models it needs, each a folder below `UNIMSE_MODELS` or `.models`.
    pub(crate) models: &'static [&'static str],
    /// What prepares what the sides share, as a side called `prepare`.
    pub(crate) prepare: Program,
    /// Ours first.
    pub(crate) sides: &'static [Side],
}
