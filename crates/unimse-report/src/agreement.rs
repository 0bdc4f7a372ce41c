//! What borrowed labels are worth: the agreement of donors with known labels, and what the labels of test rows gave away.

use maud::html;
use unimse_eval::Interval;
use unimse_run::{Agreed, Leak};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::Run;
use crate::metric::number;
use crate::svg::{self, Forest, Look, Mark, Part, Row, Stack};

/// A panel a measure, a row a question and corpus; then what the labels of test rows gave away.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let all = &run.results.agreement;
    let mut measures: Vec<&str> = Vec::new();
    for agreed in all {
        if !measures.contains(&agreed.measure.as_str()) {
            measures.push(&agreed.measure);
        }
    }
    let panels = measures.into_iter().filter_map(|measure| {
        let asked = all.iter().filter(|agreed| agreed.measure == measure);
        let rows: Vec<Row> = asked.map(row).collect();
        svg::forest(&Forest {
            title: &sentence_case(measure),
            x: measure,
            reference: None,
            rows: &rows,
        })
    });
    if let Some(panels) = svg::panels(panels.collect()) {
        let key = svg::key(LENDERS.map(|(name, colour)| (name, colour, Look::Dot)));
        let caption = "What borrowed labels are worth: donors asked for labels that are known, never within the same dialogue or video. Accuracy: more \
                       is better; mean absolute error: less. A random donor and the most frequent class (for intensities the median) are of the same \
                       candidates. Intervals are 95 % bootstrap intervals that draw dialogues or videos.";
        doc.figure(caption, html! { (key) (panels) }, Some(table(all)));
    }
    if let Some(leak) = &run.results.leak {
        self::leak(doc, leak);
    }
}

/// Who is asked, with the colour of the answer.
const LENDERS: [(&str, usize); 3] = [("nearest donor", 0), ("random donor", 1), ("majority", 5)];

fn row(agreed: &Agreed) -> Row {
    let answers = [&agreed.donor, &agreed.random, &agreed.majority];
    let mark = |((who, colour), interval): ((&str, usize), &Interval)| {
        let value = interval.estimate?;
        Some(Mark {
            value,
            interval: interval.low.zip(interval.high),
            colour,
            says: format!(
                "{}, {}, {who}: {}",
                agreed.question.name(),
                agreed.corpus,
                three(Some(value))
            ),
            shown: three(Some(value)),
            hollow: false,
        })
    };
    Row {
        name: format!("{} · {}", agreed.question.name(), agreed.corpus),
        marks: LENDERS.into_iter().zip(answers).filter_map(mark).collect(),
    }
}

fn sentence_case(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn table(all: &[Agreed]) -> Table {
    let value = |interval: &Interval| three(interval.estimate);
    let difference = |i: &Interval| {
        format!(
            "{} [{}, {}]",
            three(i.estimate),
            three(i.low),
            three(i.high)
        )
    };
    let rows = all.iter().map(|agreed| {
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
    let mut head = ["Asked for", "Corpus", "Measure"].map(words).to_vec();
    head.extend(
        [
            "n",
            "Nearest donor",
            "Random donor",
            "Majority",
            "Nearest minus random",
            "Nearest minus majority",
        ]
        .map(numbers),
    );
    Table::of_figure(head, rows.collect())
}

/// Who lent the borrowed values, and how many of them would be others without the test rows.
fn leak(doc: &mut Document, leak: &Leak) {
    let part = |(name, amount, colour): (&str, usize, usize)| Part {
        name: name.to_owned(),
        amount: amount as f64,
        colour,
        shown: amount.to_string(),
    };
    let stack = |name: &str, parts: [(&str, usize, usize); 3]| Stack {
        name: name.to_owned(),
        parts: parts.map(part).to_vec(),
    };
    let train = leak.borrowed.saturating_sub(leak.from_test + leak.from_dev);
    let same = leak.borrowed.saturating_sub(leak.changed);
    let unread = leak.test_rows.saturating_sub(leak.test_rows_read);
    let stacks = [
        stack(
            "lent by",
            [
                ("train rows", train, 0),
                ("dev rows", leak.from_dev, 2),
                ("test rows", leak.from_test, 1),
            ],
        ),
        stack(
            "value",
            [
                ("as without test", same, 0),
                ("", 0, 2),
                ("another", leak.changed, 1),
            ],
        ),
        stack(
            "test rows",
            [
                ("label not read", unread, 0),
                ("", 0, 2),
                ("label read", leak.test_rows_read, 1),
            ],
        ),
    ];
    let Some(picture) = svg::stacked_bars("What the leak is worth", &stacks) else {
        return;
    };
    let key = [
        ("train rows, nothing changed, label not read", 0),
        ("dev rows", 2),
        ("test rows, another value, label read", 1),
    ];
    let key = svg::key(key.map(|(name, colour)| (name, colour, Look::Fill)));
    let pictures = html! { (key) @if let Some(panels) = svg::panels(vec![picture]) { (panels) } };
    doc.figure(
        leak_sentence(leak).trim().to_owned(),
        pictures,
        Some(leak_table(leak)),
    );
}

fn leak_table(leak: &Leak) -> Table {
    let count = |name: &str, n: usize| vec![Line::from(name), n.to_string().into()];
    let rows = vec![
        count("borrowed values", leak.borrowed),
        count("lent by test rows", leak.from_test),
        count("lent by dev rows", leak.from_dev),
        count("other values than train donors lend", leak.changed),
        count("test rows", leak.test_rows),
        count("test rows whose label was read", leak.test_rows_read),
        vec![
            "mean similarity of the donors".into(),
            three(Some(leak.similarity)).into(),
        ],
        vec![
            "mean similarity of train donors".into(),
            three(Some(leak.similarity_train)).into(),
        ],
    ];
    Table::of_figure(vec![words("Of the leak"), numbers("Value")], rows)
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
