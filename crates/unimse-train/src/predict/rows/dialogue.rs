//! The texts around each row: its own, or those of its neighbours in dialogue or file.

use unimse_corpus::windows;

use super::{Row, Texts};

/// Which neighbours of a row are its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// At most so many before it.
    pub before: usize,
    /// At most so many after it.
    pub after: usize,
    /// Whether rows without a dialogue are neighbours of each other.
    pub everywhere: bool,
}

impl Neighbours {
    /// As `--context` asks; `model` is what the model was trained with, before and after, and the most it reads.
    #[must_use]
    pub fn new(asked: Option<usize>, model: (usize, usize)) -> Self {
        let most = asked.unwrap_or(usize::MAX);
        Self {
            before: model.0.min(most),
            after: model.1.min(most),
            everywhere: asked.is_some(),
        }
    }

    /// Whether rows around `row` can be its context.
    #[must_use]
    pub fn matter(self, row: &Row) -> bool {
        self.everywhere || row.dialogue.is_some()
    }
}

/// The texts around each of `rows`, which are in the order of the file. A dialogue is in order of `turn` where all its rows have one.
#[must_use]
pub fn contexts(rows: &[Row], neighbours: Neighbours) -> Vec<Texts> {
    let lacking: std::collections::BTreeSet<_> = rows
        .iter()
        .filter(|r| r.turn.is_none())
        .map(|r| &r.dialogue)
        .collect();
    let places = rows.iter().enumerate().map(|(at, row)| {
        let turn = row.turn.filter(|_| !lacking.contains(&row.dialogue));
        // a row that has no neighbours is alone in a dialogue of its own
        let alone = (!neighbours.matter(row)).then_some(at);
        ((&row.dialogue, alone), (turn, at))
    });
    let windows = windows(places, neighbours.before, neighbours.after);
    let line = |&at: &usize| rows[at].spoken.clone();
    rows.iter()
        .zip(windows)
        .map(|(row, window)| {
            row.own.clone().unwrap_or_else(|| Texts {
                before: window.before.iter().map(line).collect(),
                after: window.after.iter().map(line).collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::data::reader::Spoken;
    use serde_json::{Value, json};

    use super::*;

    fn rows(values: &[Value]) -> Vec<Row> {
        let row = |v: &Value| {
            let object = v.as_object().cloned().unwrap_or_default();
            Row::parse(object, String::new(), Some(Path::new(".")))
        };
        values.iter().flat_map(row).collect()
    }

    fn joined(lines: &[Spoken]) -> String {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    fn check(values: &[Value], neighbours: Neighbours, expected: &[(&str, &str)]) {
        let found = contexts(&rows(values), neighbours);
        let found: Vec<(String, String)> = found
            .iter()
            .map(|t| (joined(&t.before), joined(&t.after)))
            .collect();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(b, a)| (b.as_str(), a.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn dialogues_give_context_by_themselves_and_files_when_asked() {
        let values = [
            json!({"text": "a", "dialogue_id": "x", "turn": 3}),
            json!({"text": "b", "dialogue_id": "y"}),
            json!({"text": "c", "dialogue_id": "x", "turn": 1}),
            json!({"text": "d"}),
            json!({"text": "e", "dialogue_id": "y", "turn": 1}),
            json!({"text": "f"}),
            json!({"text": "g", "dialogue_id": "x", "turn": 2, "context": ["own"]}),
            json!({"text": "h", "dialogue_id": "x", "split": "dev", "turn": 2}),
        ];
        // x is c g a by turn, y is b e as in the file, the dev row is of another dialogue x
        let model = Neighbours::new(None, (2, 1));
        let expected = [
            ("cg", ""),
            ("", "e"),
            ("", "g"),
            ("", ""),
            ("b", ""),
            ("", ""),
            ("own", ""),
            ("", ""),
        ];
        check(&values, model, &expected);
        let asked = Neighbours::new(Some(1), (2, 1));
        let expected = [
            ("g", ""),
            ("", "e"),
            ("", "g"),
            ("", "f"),
            ("b", ""),
            ("d", ""),
            ("own", ""),
            ("", ""),
        ];
        check(&values, asked, &expected);
        check(
            &values[..4],
            Neighbours::new(Some(0), (2, 1)),
            &[("", ""); 4],
        );
        // no more than the model was trained with
        assert_eq!(Neighbours::new(Some(9), (2, 1)).before, 2);
    }
}
