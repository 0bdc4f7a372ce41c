//! Rows from standard input, answered as they come: at once, or as soon as the rows behind them that are their context have come.

use std::collections::{BTreeSet, VecDeque};
use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use unimse_train::data::reader::Spoken;
use unimse_train::predict::Input;
use unimse_train::predict::rows::{Neighbours, Row, RowError, Texts};

use super::{CHUNK, Outcome, Printer};
use crate::commands::rows::{json_object, without_bom};
use crate::interrupt::INTERRUPTED;

/// How often a signal is looked for while no row comes.
const PATIENCE: Duration = Duration::from_millis(50);

type Line = std::io::Result<String>;

/// Answers every line of `input`.
///
/// # Errors
/// A line that is no row, or rows of one dialogue that do not follow each other; what was answered before it is printed.
pub(super) fn answer(
    input: std::io::Stdin,
    neighbours: Neighbours,
    printer: &mut Printer,
) -> Result<Outcome> {
    let (send, lines) = sync_channel::<Line>(4 * CHUNK);
    // ends with the process where it still waits for a line then
    std::thread::spawn(move || {
        for line in input.lock().lines() {
            let failed = line.is_err();
            if send.send(line).is_err() || failed {
                break;
            }
        }
    });
    let mut window = Window::new(neighbours);
    let mut number = 0;
    loop {
        let (chunk, ended) = match next(&lines) {
            Some(Next::Lines(chunk)) => (chunk, false),
            Some(Next::End) => (Vec::new(), true),
            None => return Ok(Outcome::Interrupted),
        };
        let mut ready = Vec::new();
        let mut failed = None;
        for line in chunk {
            number += 1;
            if let Err(error) = window.take(line, number, &mut ready) {
                failed = Some(error);
                break;
            }
        }
        window.settle(ended, &mut ready);
        if !ready.is_empty() {
            let inputs = ready
                .into_iter()
                .map(|(row, around): (Row, Texts)| row.input(around, &printer.senses));
            let inputs = inputs.collect::<Result<Vec<Input>, RowError>>()?;
            match printer.answer(inputs)? {
                Outcome::Done => {}
                other => return Ok(other),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if ended {
            if window.count == 0 {
                bail!("standard input: expected at least one row, found none");
            }
            return Ok(Outcome::Done);
        }
    }
}

enum Next {
    /// What is there, at least one line.
    Lines(Vec<Line>),
    End,
}

/// Waits for a line and takes those that are there already; `None` after a signal.
fn next(lines: &Receiver<Line>) -> Option<Next> {
    loop {
        if INTERRUPTED.load(Ordering::SeqCst) {
            return None;
        }
        match lines.recv_timeout(PATIENCE) {
            Ok(first) => {
                let rest = lines.try_iter().take(CHUNK - 1);
                return Some(Next::Lines(std::iter::once(first).chain(rest).collect()));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Some(Next::End),
        }
    }
}

/// The rows of the dialogue under way, as far as they are still needed.
struct Window {
    neighbours: Neighbours,
    /// Lines, and the rows that wait for an answer; the others were answered and are context only.
    open: VecDeque<(Spoken, Option<Row>)>,
    dialogue: Option<[String; 3]>,
    /// Dialogues that have ended.
    ended: BTreeSet<[String; 3]>,
    last_turn: Option<i64>,
    /// Rows so far.
    count: usize,
}

impl Window {
    fn new(neighbours: Neighbours) -> Self {
        Self {
            neighbours,
            open: VecDeque::new(),
            dialogue: None,
            ended: BTreeSet::new(),
            last_turn: None,
            count: 0,
        }
    }

    /// Takes line `number` (from 1); rows that need no more lines go to `ready`.
    fn take(&mut self, line: Line, number: usize, ready: &mut Vec<(Row, Texts)>) -> Result<()> {
        let place = format!("standard input: line {number}");
        let line = line.context(place.clone())?;
        let line = if number == 1 {
            without_bom(&line)
        } else {
            &line
        };
        if line.trim().is_empty() {
            return Ok(());
        }
        let object = json_object(line).context(place.clone())?;
        let row = Row::parse(object, place, Some(Path::new(".")))?;
        self.count += 1;
        if row.dialogue != self.dialogue || !self.neighbours.matter(&row) {
            self.settle(true, ready);
            self.ended.extend(self.dialogue.take());
            self.last_turn = None;
            if let Some(names) = row.dialogue.as_ref().filter(|d| self.ended.contains(*d)) {
                bail!(
                    "{}: field dialogue_id: expected the rows of dialogue {} to follow each other, found others in between; give them as a file",
                    row.place,
                    names[2]
                );
            }
            self.dialogue = row.dialogue.clone();
        }
        if let Some((last, turn)) = self
            .last_turn
            .zip(row.turn)
            .filter(|(last, turn)| turn < last)
        {
            return Err(anyhow!(
                "{}: field turn: expected at least {last}, that of the row before, found {turn}; give rows out of order as a file",
                row.place
            ));
        }
        self.last_turn = row.turn.or(self.last_turn);
        self.open.push_back((row.spoken.clone(), Some(row)));
        Ok(())
    }

    /// Moves to `ready` the rows whose context is there, all of them where the dialogue `ended`, and forgets what is context of none.
    fn settle(&mut self, ended: bool, ready: &mut Vec<(Row, Texts)>) {
        // a row that is context of none, and has none, waits for nobody
        let ended = ended || !(self.neighbours.everywhere || self.dialogue.is_some());
        let behind = if ended { 0 } else { self.neighbours.after };
        let end = self.open.len().saturating_sub(behind);
        for at in 0..end {
            let Some(row) = self.open[at].1.take() else {
                continue;
            };
            let line = |(line, _): &(Spoken, Option<Row>)| line.clone();
            let from = at.saturating_sub(self.neighbours.before);
            let around = Texts {
                before: self.open.range(from..at).map(line).collect(),
                after: self
                    .open
                    .iter()
                    .skip(at + 1)
                    .take(self.neighbours.after)
                    .map(line)
                    .collect(),
            };
            let own = row.own.clone();
            ready.push((row, own.unwrap_or(around)));
        }
        if ended {
            self.open.clear();
        } else {
            self.open
                .drain(..end.saturating_sub(self.neighbours.before));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use serde_json::{Value, json};

    use super::*;
    use unimse_train::predict::rows::contexts;

    /// Answers in the order they come out: text, before, after; and after which line each came.
    fn run(lines: &[Value], neighbours: Neighbours) -> Result<Vec<(usize, String, Texts)>> {
        let mut window = Window::new(neighbours);
        let mut out = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let mut ready = Vec::new();
            window.take(Ok(line.to_string()), at + 1, &mut ready)?;
            window.settle(false, &mut ready);
            out.extend(
                ready
                    .into_iter()
                    .map(|(row, texts)| (at + 1, row.spoken.text, texts)),
            );
        }
        let mut ready = Vec::new();
        window.settle(true, &mut ready);
        out.extend(
            ready
                .into_iter()
                .map(|(row, texts)| (usize::MAX, row.spoken.text, texts)),
        );
        Ok(out)
    }

    fn rows(names: &[&str]) -> Vec<Value> {
        let row = |(at, dialogue): (usize, &&str)| match *dialogue {
            "" => json!({"text": format!("t{at} ")}),
            name => json!({"text": format!("t{at} "), "dialogue_id": name, "turn": at}),
        };
        names.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_stream_is_answered_as_the_file_is() {
        let cases: [&[&str]; 5] = [
            &["x"; 7],
            &["x", "x", "y", "y", "y", "z"],
            &["", "", ""],
            &["x", "x", "", "y", "", ""],
            &["x"],
        ];
        for names in cases {
            for asked in [None, Some(0), Some(1), Some(2)] {
                for model in [(2, 2), (0, 3), (3, 0)] {
                    let neighbours = Neighbours::new(asked, model);
                    let lines = rows(names);
                    let parse = |v: &Value| {
                        Row::parse(
                            v.as_object().unwrap().clone(),
                            String::new(),
                            Some(Path::new(".")),
                        )
                    };
                    let whole: Vec<Row> = lines.iter().map(|v| parse(v).unwrap()).collect();
                    // on standard input rows without a dialogue are neighbours only of those beside them
                    if asked.is_some() && names.contains(&"x") && names.contains(&"") {
                        continue;
                    }
                    let expected = contexts(&whole, neighbours);
                    let found = run(&lines, neighbours).unwrap();
                    let texts: Vec<&str> = found.iter().map(|f| f.1.as_str()).collect();
                    assert_eq!(
                        texts,
                        whole
                            .iter()
                            .map(|r| r.spoken.text.as_str())
                            .collect::<Vec<_>>()
                    );
                    let found: Vec<Texts> = found.into_iter().map(|f| f.2).collect();
                    assert_eq!(found, expected, "{names:?} {neighbours:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_waits_only_for_its_context() {
        let when = |names: &[&str], neighbours| -> Vec<usize> {
            run(&rows(names), neighbours)
                .unwrap()
                .iter()
                .map(|f| f.0)
                .collect()
        };
        let model = Neighbours::new(None, (2, 2));
        let end = usize::MAX;
        assert_eq!(when(&["", "", ""], model), [1, 2, 3]);
        assert_eq!(when(&["x"; 5], model), [3, 4, 5, end, end]);
        assert_eq!(when(&["x", "x", "y", ""], model), [3, 3, 4, 4]);
        assert_eq!(when(&["x"; 3], Neighbours::new(Some(0), (2, 2))), [1, 2, 3]);
    }

    #[test]
    fn a_dialogue_that_comes_again_or_runs_back_is_refused() {
        let model = Neighbours::new(None, (1, 1));
        let error = run(&rows(&["x", "y", "x"]), model).unwrap_err().to_string();
        assert!(error.contains("line 3: field dialogue_id"), "{error}");
        let mut back = rows(&["x", "x"]);
        back[1]["turn"] = json!(-1);
        let error = run(&back, model).unwrap_err().to_string();
        assert!(
            error.contains("line 2: field turn: expected at least 0"),
            "{error}"
        );
    }
}
