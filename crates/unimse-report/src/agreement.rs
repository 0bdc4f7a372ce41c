//! What borrowed labels are worth: the agreement of donors with known labels, and what the labels of test rows gave away.

use unimse_eval::Interval;
use unimse_run::Leak;

use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric::number;

/// A table with one row a question and corpus.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let value = |interval: &Interval| three(interval.estimate);
    let difference = |i: &Interval| {
        format!(
            "{} [{}, {}]",
            three(i.estimate),
            three(i.low),
            three(i.high)
        )
    };
    let rows = run.results.agreement.iter().map(|agreed| {
        vec![
            Line::from(agreed.question.name()),
            agreed.corpus.as_str().into(),
            agreed.measure.as_str().into(),
            agreed.n.to_string().into(),
            value(&agreed.donor).into(),
            value(&agreed.random).into(),
            value(&agreed.majority).into(),
            difference(&agreed.over_random).into(),
            difference(&agreed.over_majority).into(),
        ]
    });
    let head = vec![
        words("Asked for"),
        words("Corpus"),
        words("Measure"),
        numbers("n"),
        numbers("Nearest donor"),
        numbers("Random donor"),
        numbers("Majority"),
        numbers("Nearest minus random"),
        numbers("Nearest minus majority"),
    ];
    doc.table(
        "What borrowed labels are worth: donors asked for labels that are known, never within the same dialogue or video. Accuracy: more \
         is better; mean absolute error: less. A random donor and the most frequent class (for intensities the median) are of the same \
         candidates. Intervals are 95 % bootstrap intervals that draw dialogues or videos.",
        head,
        rows.collect(),
    );
}

fn three(value: Option<f64>) -> String {
    value.map_or_else(|| "—".to_owned(), |value| number(value, 3))
}

/// The size of a leak in one sentence.
pub(crate) fn leak_sentence(leak: &Leak) -> String {
    format!(
        " Of {} values borrowed for training and selection, test rows lent {} and dev rows {}; {} differ from what train rows would have \
         lent. The gold labels of {} of {} test rows were read. Mean similarity of the donors: {}, of train donors alone {}.",
        leak.borrowed,
        leak.from_test,
        leak.from_dev,
        leak.changed,
        leak.test_rows_read,
        leak.test_rows,
        number(leak.similarity, 3),
        number(leak.similarity_train, 3),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_leak_has_its_numbers() {
        let leak: Leak = serde_json::from_str(
            r#"{"borrowed": 10, "from_test": 3, "from_dev": 1, "changed": 2, "test_rows_read": 3, "test_rows": 7,
                "similarity": 0.5, "similarity_train": 0.48}"#,
        )
        .unwrap();
        let text = leak_sentence(&leak);
        assert!(
            text.contains("Of 10 values")
                && text.contains("test rows lent 3 and dev rows 1; 2 differ"),
            "{text}"
        );
        assert!(
            text.contains("3 of 7 test rows")
                && text.contains("0.500, of train donors alone 0.480"),
            "{text}"
        );
    }
}
