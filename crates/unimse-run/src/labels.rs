//! What the unifier did, as numbers that results repeat and reports show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::Interval;
use unimse_labels::Question;

/// Where the values of a field came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SourceCounts {
    /// The corpus itself.
    pub gold: usize,
    /// The nearest utterance of the same polarity in another corpus.
    pub donor: usize,
    /// The rule for neutral utterances.
    pub rule: usize,
    /// Nowhere: masked.
    pub missing: usize,
}

impl SourceCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.gold + self.donor + self.rule + self.missing
    }
}

/// How well donors predict known labels of one corpus, with 95 % bootstrap intervals that draw dialogues or videos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreed {
    /// What donors were asked for.
    #[schemars(with = "String")]
    pub question: Question,
    /// The corpus whose labels were predicted.
    pub corpus: String,
    /// `accuracy`, more is better, or `mean absolute error`, less is better.
    pub measure: String,
    /// Predicted utterances.
    pub n: usize,
    /// Their dialogues or videos.
    #[serde(default)]
    pub groups: usize,
    /// The nearest donor.
    pub donor: Interval,
    /// A random donor.
    pub random: Interval,
    /// The most frequent class or the median.
    pub majority: Interval,
    /// The nearest donor minus a random one, drawn for both at once.
    pub over_random: Interval,
    /// The nearest donor minus the majority.
    pub over_majority: Interval,
}

/// What the labels of test rows did to the rows that took labels, compared with the same run with train donors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leak {
    /// Borrowed values of train and dev rows.
    pub borrowed: usize,
    /// Of those: lent by test rows.
    pub from_test: usize,
    /// Of those: lent by dev rows.
    pub from_dev: usize,
    /// Of the borrowed: other values than train donors lend.
    pub changed: usize,
    /// Test rows whose gold label was lent to a train or dev row.
    pub test_rows_read: usize,
    /// Test rows.
    pub test_rows: usize,
    /// Mean similarity of the donors.
    pub similarity: f64,
    /// Mean similarity of train donors.
    pub similarity_train: f64,
}
