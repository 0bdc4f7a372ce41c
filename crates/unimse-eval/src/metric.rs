//! The metrics by name, as keys of results and as the literature writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unimse_labels::UnknownName;

/// A metric. The order is that in which every convention lists its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean absolute error of a score.
    Mae,
    /// Pearson's correlation of scores.
    Corr,
    /// Accuracy of scores clipped to [-3, 3] and rounded.
    Acc7,
    /// Accuracy of scores clipped to [-2, 2] and rounded.
    Acc5,
    /// Accuracy of scores clipped to [-1, 1] and rounded.
    Acc3,
    /// Two-class accuracy of [`Convention::Mag`](crate::Convention::Mag).
    Acc2,
    /// F1 of both classes, weighted, of [`Convention::Mag`](crate::Convention::Mag).
    F1,
    /// Two-class accuracy of the rows whose truth is not 0.
    #[serde(rename = "acc2_non0")]
    Acc2Non0,
    /// Weighted F1 of the same two classes.
    #[serde(rename = "f1_non0")]
    F1Non0,
    /// Two-class accuracy of all rows, 0 counted as positive.
    #[serde(rename = "acc2_has0")]
    Acc2Has0,
    /// Weighted F1 of the same two classes.
    #[serde(rename = "f1_has0")]
    F1Has0,
    /// Share of emotions that are right.
    Accuracy,
    /// F1 of the emotions, weighted by their share in the truth.
    WeightedF1,
    /// Mean F1 over the emotions of the class list.
    MacroF1,
    /// Mean recall over the emotions that occur in the truth.
    UnweightedAverageRecall,
    /// Mean recall of present and absent, of one emotion that is there or not: see [`presence_measure`](crate::presence_measure).
    WeightedAccuracy,
    /// F1 of present.
    F1Present,
    /// Expected calibration error of class probabilities: see [`calibration_measure`](crate::calibration_measure).
    Ece,
    /// Brier score of class probabilities, from 0 to 2.
    Brier,
    /// Negative log-likelihood of the true class, in nats.
    Nll,
    /// Share of the truths inside the central 50 % of their distribution: see [`coverage_measure`](crate::coverage_measure).
    #[serde(rename = "coverage50")]
    Coverage50,
    /// Share of the truths inside the central 90 %.
    #[serde(rename = "coverage90")]
    Coverage90,
    /// Mean width of the central 50 %, in the unit of the score.
    #[serde(rename = "width50")]
    Width50,
    /// Mean width of the central 90 %.
    #[serde(rename = "width90")]
    Width90,
}

impl Metric {
    /// Every metric, in order.
    pub const ALL: [Self; 24] = [
        Self::Mae,
        Self::Corr,
        Self::Acc7,
        Self::Acc5,
        Self::Acc3,
        Self::Acc2,
        Self::F1,
        Self::Acc2Non0,
        Self::F1Non0,
        Self::Acc2Has0,
        Self::F1Has0,
        Self::Accuracy,
        Self::WeightedF1,
        Self::MacroF1,
        Self::UnweightedAverageRecall,
        Self::WeightedAccuracy,
        Self::F1Present,
        Self::Ece,
        Self::Brier,
        Self::Nll,
        Self::Coverage50,
        Self::Coverage90,
        Self::Width50,
        Self::Width90,
    ];

    /// Those of [`emotion`](crate::emotion()).
    pub const EMOTION: [Self; 4] = [
        Self::Accuracy,
        Self::WeightedF1,
        Self::MacroF1,
        Self::UnweightedAverageRecall,
    ];

    /// Those of [`presence_measure`](crate::presence_measure).
    pub const PRESENCE: [Self; 3] = [Self::WeightedAccuracy, Self::F1Present, Self::WeightedF1];

    /// Those of [`calibration_measure`](crate::calibration_measure).
    pub const CALIBRATION: [Self; 3] = [Self::Ece, Self::Brier, Self::Nll];

    /// Those of [`coverage_measure`](crate::coverage_measure).
    pub const COVERAGE: [Self; 4] = [
        Self::Coverage50,
        Self::Coverage90,
        Self::Width50,
        Self::Width90,
    ];

    /// Its key in results, and its name in the literature.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Mae => ("mae", "MAE"),
            Self::Corr => ("corr", "Corr"),
            Self::Acc7 => ("acc7", "Acc-7"),
            Self::Acc5 => ("acc5", "Acc-5"),
            Self::Acc3 => ("acc3", "Acc-3"),
            Self::Acc2 => ("acc2", "Acc-2"),
            Self::F1 => ("f1", "F1"),
            Self::Acc2Non0 => ("acc2_non0", "Acc-2 non0"),
            Self::F1Non0 => ("f1_non0", "F1 non0"),
            Self::Acc2Has0 => ("acc2_has0", "Acc-2 has0"),
            Self::F1Has0 => ("f1_has0", "F1 has0"),
            Self::Accuracy => ("accuracy", "Accuracy"),
            Self::WeightedF1 => ("weighted_f1", "WF1"),
            Self::MacroF1 => ("macro_f1", "Macro F1"),
            Self::UnweightedAverageRecall => ("unweighted_average_recall", "UAR"),
            Self::WeightedAccuracy => ("weighted_accuracy", "WA"),
            Self::F1Present => ("f1_present", "F1 present"),
            Self::Ece => ("ece", "ECE"),
            Self::Brier => ("brier", "Brier score"),
            Self::Nll => ("nll", "NLL"),
            Self::Coverage50 => ("coverage50", "In the central 50 %"),
            Self::Coverage90 => ("coverage90", "In the central 90 %"),
            Self::Width50 => ("width50", "Width of the central 50 %"),
            Self::Width90 => ("width90", "Width of the central 90 %"),
        }
    }

    /// Its key in results, as in `acc2_non0`.
    pub const fn key(self) -> &'static str {
        self.names().0
    }

    /// Its name in the literature, as in `Acc-2 non0`.
    pub const fn title(self) -> &'static str {
        self.names().1
    }

    /// Whether a larger value is better: so for all but errors and widths. A coverage is best at its nominal share: see [`Metric::nominal`].
    pub fn higher_is_better(self) -> bool {
        !matches!(
            self,
            Self::Mae | Self::Ece | Self::Brier | Self::Nll | Self::Width50 | Self::Width90
        )
    }

    /// The value that a coverage has where the distributions are right; `None` for every other metric.
    pub const fn nominal(self) -> Option<f64> {
        match self {
            Self::Coverage50 => Some(0.5),
            Self::Coverage90 => Some(0.9),
            _ => None,
        }
    }

    /// Whether it is a share, an F1 or a difference of shares, which the literature prints in percent. Of the others MAE and widths are in the
    /// unit of the score, NLL in nats; Corr and the Brier score have no unit.
    pub fn in_percent(self) -> bool {
        !matches!(
            self,
            Self::Mae | Self::Corr | Self::Brier | Self::Nll | Self::Width50 | Self::Width90
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

impl FromStr for Metric {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.into_iter().find(|metric| metric.key() == text);
        known.ok_or_else(|| UnknownName::new("metric", text, &Self::ALL.map(Self::key)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn keys_are_read_back_and_are_those_of_json() {
        for metric in Metric::ALL {
            assert_eq!(metric.key().parse(), Ok(metric));
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.key());
        }
        let error = "wf1".parse::<Metric>().unwrap_err().to_string();
        assert!(error.starts_with("unknown metric `wf1`"), "{error}");
    }
}
