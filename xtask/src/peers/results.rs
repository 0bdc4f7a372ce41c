//! What a run of the contests says, as `benches/RESULTS.json` holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unimse_run::{Git, Host};

use super::contest::{Contest, Measure, Side, Target};
use super::ratio::Figure;

/// Version of the file.
pub(crate) const SCHEMA: u32 = 1;

/// One run of the contests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) schema: u32,
    /// Class of machine.
    pub(crate) host: Host,
    /// Those of the CPU's instruction sets that decide which kernels run.
    pub(crate) cpu_features: Vec<String>,
    /// Threads of every side.
    pub(crate) threads: usize,
    /// Whether the work was small: such figures say that it works, nothing else.
    pub(crate) quick: bool,
    pub(crate) git: Git,
    /// By program or package.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) contests: Vec<Outcome>,
}

/// What came of a contest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) work: String,
    pub(crate) bound: String,
    /// Processes at work on the machine before it, over the last minute; a quiet machine has next to none.
    pub(crate) load: Option<f64>,
    /// Why it was not measured; none where it was.
    pub(crate) not_measured: Option<NotMeasured>,
    pub(crate) sides: Vec<SideOutcome>,
}

/// Why a contest has no figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotMeasured {
    pub(crate) reason: String,
    /// Whether something went wrong; else something that it needs is not there.
    pub(crate) failed: bool,
}

/// What came of a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SideOutcome {
    pub(crate) name: String,
    pub(crate) does: String,
    /// Of every round.
    pub(crate) seconds: Vec<f64>,
    /// Largest resident memory of the process; none where others did its work.
    pub(crate) peak_mib: Option<u64>,
    /// What `figure` is.
    pub(crate) measure: Measure,
    pub(crate) figure: Option<Figure>,
    pub(crate) target: Option<Target>,
    /// Whether the figure reaches the target.
    pub(crate) verdict: Option<Verdict>,
    /// Why it does not, where that is known.
    pub(crate) why_below: Option<String>,
}

/// The median against the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Met,
    Below,
}

impl SideOutcome {
    /// What the rounds of a side say beside those of ours.
    pub(crate) fn new(side: &Side, ours: bool, seconds: Vec<f64>, of_ours: &[f64]) -> Self {
        let default = if ours {
            Measure::Seconds
        } else {
            Measure::Speed
        };
        let measure = side.target.map_or(default, |target| target.measure);
        let pairs = seconds.iter().zip(of_ours);
        let figure = Figure::of(match measure {
            Measure::Speed => pairs.map(|(theirs, ours)| theirs / ours).collect(),
            Measure::Share => pairs.map(|(theirs, ours)| ours / theirs).collect(),
            Measure::Seconds => seconds.clone(),
        });
        let verdict = side.target.zip(figure).map(|(target, figure)| {
            if target.met_by(figure.median) {
                Verdict::Met
            } else {
                Verdict::Below
            }
        });
        Self {
            name: side.name.to_owned(),
            does: side.does.to_owned(),
            seconds,
            peak_mib: None,
            measure,
            figure,
            target: side.target,
            verdict,
            why_below: side
                .why_below
                .filter(|_| verdict == Some(Verdict::Below))
                .map(str::to_owned),
        }
    }
}

impl Results {
    /// Whether a contest was measured, or could not be.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.contests.iter().any(|outcome| outcome.name == name)
    }
}

impl Outcome {
    /// Of a contest that was not measured yet.
    pub(crate) fn of(contest: &Contest) -> Self {
        Self {
            name: contest.name.to_owned(),
            work: contest.work.to_owned(),
            bound: contest.bound.to_owned(),
            load: None,
            not_measured: None,
            sides: Vec::new(),
        }
    }

    /// Whether something went wrong.
    pub(crate) fn failed(&self) -> bool {
        self.not_measured.as_ref().is_some_and(|why| why.failed)
    }
}
