//! What a cell should hold and what it is worth: a score, a class, several emotions, a distribution, a generated label.

use unimse_labels::{Field, FieldValue, Grammar};
use unimse_run::{Generated, ScoredTask};

use crate::commands::columns::Cell;

/// How far from 1 the sum of a distribution may be: that of `unimse_eval::calibration_measure`.
const SLACK: f64 = 1e-3;

/// What is asked of the cells of truth and prediction.
pub(super) struct Spec {
    pub(super) task: ScoredTask,
    /// The class list; empty for scores.
    pub(super) labels: Vec<String>,
    /// From where on an emotion counts as predicted.
    pub(super) threshold: f64,
    /// Predictions are labels of this grammar, scored by one of their fields.
    pub(super) generated: Option<(Grammar, Field)>,
    /// What a label without a value counts as: a score, or the index of a class.
    pub(super) unparsed: Option<f64>,
}

/// Expected and found.
pub(super) type Mismatch = (String, String);

/// A cell that is not what it should be.
fn mismatch<T>(expected: impl Into<String>, cell: &Cell<'_>) -> Result<T, Mismatch> {
    Err((expected.into(), cell.found()))
}

impl Spec {
    /// Numbers that a truth or prediction has.
    pub(super) fn width(&self) -> usize {
        match self.task {
            ScoredTask::Presence => self.labels.len(),
            _ => 1,
        }
    }

    pub(super) fn truth(&self, cell: &Cell<'_>, out: &mut Vec<f64>) -> Result<(), Mismatch> {
        match self.task {
            ScoredTask::Sentiment => out.push(number(cell)?),
            ScoredTask::Emotion => out.push(self.class(cell)?),
            ScoredTask::Presence => self.present(cell, |x| x > 0.0, out)?,
        }
        Ok(())
    }

    pub(super) fn prediction(
        &self,
        cell: &Cell<'_>,
        out: &mut Vec<f64>,
        counts: &mut Generated,
    ) -> Result<(), Mismatch> {
        match (&self.generated, self.task) {
            (Some((grammar, field)), _) => out.push(self.label(cell, grammar, *field, counts)?),
            (None, ScoredTask::Presence) => self.present(cell, |x| x >= self.threshold, out)?,
            (None, _) => self.truth(cell, out)?,
        }
        Ok(())
    }

    /// A name of the class list, or an index into it.
    fn class(&self, cell: &Cell<'_>) -> Result<f64, Mismatch> {
        let named = |name: &str| self.labels.iter().position(|label| label == name);
        let indexed = |index: f64| {
            let within = index.fract() == 0.0 && index >= 0.0 && index < self.labels.len() as f64;
            within.then_some(index as usize)
        };
        let found = match cell {
            Cell::Text(text) => {
                let text = text.trim();
                let index = || text.parse::<usize>().ok();
                named(text).or_else(|| index().filter(|&index| index < self.labels.len()))
            }
            Cell::Number(number) => named(&number.to_string()).or_else(|| indexed(*number)),
            Cell::Missing | Cell::Numbers(_) => None,
        };
        match found {
            Some(class) => Ok(class as f64),
            None => mismatch(format!("one of {}", self.labels.join(", ")), cell),
        }
    }

    fn present(
        &self,
        cell: &Cell<'_>,
        is: impl Fn(f64) -> bool,
        out: &mut Vec<f64>,
    ) -> Result<(), Mismatch> {
        let start = out.len();
        numbers(cell, self.labels.len(), out)?;
        out[start..]
            .iter_mut()
            .for_each(|x| *x = f64::from(u8::from(is(*x))));
        Ok(())
    }

    /// The value of `field` in a generated label, or what stands for one that has none.
    fn label(
        &self,
        cell: &Cell<'_>,
        grammar: &Grammar,
        field: Field,
        counts: &mut Generated,
    ) -> Result<f64, Mismatch> {
        let text = match cell {
            Cell::Text(text) => text,
            Cell::Missing => "",
            other => return mismatch("a generated label", other),
        };
        counts.labels += 1;
        let parsed = grammar.parse(text);
        if let Ok(parsed) = &parsed {
            counts.repaired += usize::from(!parsed.repairs.is_empty());
            for repair in &parsed.repairs {
                *counts.repairs.entry(repair.kind().to_owned()).or_default() += 1;
            }
        }
        match parsed.ok().and_then(|parsed| parsed.label.get(field)) {
            Some(FieldValue::Score(score)) => Ok(f64::from(score)),
            Some(FieldValue::Class(class)) => Ok(class as f64),
            None => {
                counts.unparsed += 1;
                let expected = format!(
                    "a label with a value of {field} (or --unparsed VALUE, which such labels then count as)"
                );
                self.unparsed.map_or_else(|| mismatch(expected, cell), Ok)
            }
        }
    }

    /// One probability a class.
    pub(super) fn distribution(&self, cell: &Cell<'_>, out: &mut Vec<f64>) -> Result<(), Mismatch> {
        let start = out.len();
        numbers(cell, self.labels.len(), out)?;
        let sum: f64 = out[start..].iter().sum();
        if out[start..].iter().all(|&p| p >= 0.0) && (sum - 1.0).abs() <= SLACK {
            return Ok(());
        }
        let classes = self.labels.len();
        mismatch(format!("{classes} numbers from 0 that sum to 1"), cell)
    }
}

/// A finite number.
pub(super) fn number(cell: &Cell<'_>) -> Result<f64, Mismatch> {
    let number = match cell {
        Cell::Number(number) => Some(*number),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Missing | Cell::Numbers(_) => None,
    };
    let finite = number.filter(|number: &f64| number.is_finite());
    finite.map_or_else(|| mismatch("a finite number", cell), Ok)
}

/// A list of `n` finite numbers, of which text has the form `[0.2, 0.8]`.
fn numbers(cell: &Cell<'_>, n: usize, out: &mut Vec<f64>) -> Result<(), Mismatch> {
    let start = out.len();
    match cell {
        Cell::Numbers(list) => out.extend_from_slice(list),
        Cell::Number(number) => out.push(*number),
        Cell::Text(text) => out.extend(serde_json::from_str::<Vec<f64>>(text).unwrap_or_default()),
        Cell::Missing => {}
    }
    let list = &out[start..];
    if list.len() == n && list.iter().all(|x| x.is_finite()) {
        Ok(())
    } else {
        mismatch(format!("a list of {n} finite numbers"), cell)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn spec(task: ScoredTask, labels: &[&str]) -> Spec {
        Spec {
            task,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            threshold: 0.5,
            generated: None,
            unparsed: None,
        }
    }

    #[test]
    fn a_class_is_a_name_or_else_an_index() {
        let two = spec(ScoredTask::Emotion, &["joy", "fear"]);
        assert_eq!(two.class(&Cell::Text(" fear ")), Ok(1.0));
        assert_eq!(two.class(&Cell::Text("1")), Ok(1.0));
        assert_eq!(two.class(&Cell::Number(0.0)), Ok(0.0));
        for wrong in [
            Cell::Text("glee"),
            Cell::Text("2"),
            Cell::Number(0.5),
            Cell::Number(-1.0),
            Cell::Number(f64::NAN),
            Cell::Missing,
        ] {
            let (expected, _) = two.class(&wrong).unwrap_err();
            assert_eq!(expected, "one of joy, fear");
        }
        let numbered = spec(ScoredTask::Emotion, &["1", "0"]);
        assert_eq!(numbered.class(&Cell::Number(1.0)), Ok(0.0), "the name wins");
    }

    #[test]
    fn lists_are_as_long_as_the_class_list() {
        let three = spec(ScoredTask::Presence, &["a", "b", "c"]);
        let mut out = Vec::new();
        three.truth(&Cell::Text("[0, 0.33, 3]"), &mut out).unwrap();
        let mut counts = Generated::default();
        let told = Cell::Numbers(&[0.49, 0.5, 1.0]);
        three.prediction(&told, &mut out, &mut counts).unwrap();
        assert_eq!(out, [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        for wrong in [
            Cell::Text("[1, 2]"),
            Cell::Text("joy"),
            Cell::Numbers(&[0.0, f64::NAN, 0.0]),
            Cell::Missing,
        ] {
            let (expected, _) = three.truth(&wrong, &mut out).unwrap_err();
            assert_eq!(expected, "a list of 3 finite numbers");
        }
        assert!(
            three
                .distribution(&Cell::Numbers(&[0.5, 0.5, 0.0]), &mut out)
                .is_ok()
        );
        assert!(
            three
                .distribution(&Cell::Numbers(&[0.5, 0.6, 0.0]), &mut out)
                .is_err()
        );
        assert!(
            three
                .distribution(&Cell::Numbers(&[1.5, -0.5, 0.0]), &mut out)
                .is_err()
        );
    }
}
