//! What the unifier did, as numbers that results repeat and reports show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::Interval;
use unimse_labels::{DonorProtocol, Field, QueryProtocol, Question};

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

/// `labels/summary.json`. All numbers are over the rows that take labels: under the clean protocol no test row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelSummary {
    /// Who lent labels.
    pub donors: DonorProtocol,
    /// Who took labels.
    pub queries: QueryProtocol,
    /// The least similarity asked for.
    pub min_similarity: Option<f32>,
    /// One a corpus, in the order of the run.
    pub corpora: Vec<CorpusLabels>,
    /// How well donors predict known labels.
    pub agreement: Vec<Agreed>,
    /// What test rows gave away; present where they donated.
    pub leak: Option<Leak>,
}

/// The labels of one corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorpusLabels {
    /// Its name.
    pub corpus: String,
    /// Rows with a label.
    pub labelled: usize,
    /// Rows outside the label space.
    pub unlabelled: usize,
    /// The three fields.
    pub fields: Vec<FieldLabels>,
}

/// One field of the labels of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldLabels {
    /// Which.
    pub field: Field,
    /// Values of the corpus itself.
    pub gold: usize,
    /// Borrowed values.
    pub donor: usize,
    /// Values by the rule for neutral utterances.
    pub rule: usize,
    /// Rows without a value.
    pub missing: usize,
    /// Borrowed values by the similarity of their donor: equal bins from -1 to 1.
    pub similarities: Vec<usize>,
    /// Borrowed values whose donor won by less than 1e-5, that is by rounding.
    pub close: usize,
    /// The donors that lent most, with the number of values they lent; equals by name.
    pub most_used: Vec<UsedDonor>,
    /// Gold values by class; intensities by the nearest whole number.
    pub before: BTreeMap<String, usize>,
    /// All values by class.
    pub after: BTreeMap<String, usize>,
}

/// A donor and how often it lent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedDonor {
    /// Corpus of the donor.
    pub corpus: String,
    /// Its utterance.
    pub utterance_id: String,
    /// Values lent.
    pub times: usize,
}
