//! `events.jsonl` -> the curves of a training.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use unimse_run::{Epoch, Event, Step};

use crate::ReportError;

/// A drawn curve has at most this many points.
pub(crate) const MAX_POINTS: usize = 600;

/// What a training logged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curves {
    pub(crate) steps: Vec<Step>,
    pub(crate) epochs: Vec<Epoch>,
    /// Lines that could not be parsed.
    pub(crate) skipped: usize,
    /// Steps logged twice because a resumed run repeated them; the later line counts.
    pub(crate) repeated: usize,
}

/// Reads an event log.
///
/// # Errors
/// When the file is absent or unreadable; lines that do not parse (a killed run leaves half a line) are counted instead.
pub(crate) fn read(path: &Path) -> Result<Curves, ReportError> {
    let fail = |e| ReportError::read(path, e);
    let mut lines = BufReader::new(File::open(path).map_err(fail)?);
    let mut curves = Curves::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            curves.count_epochs_from_one();
            return Ok(curves);
        }
        if !line.trim_ascii().is_empty() {
            curves.push(&line);
        }
    }
}

impl Curves {
    fn push(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Event::Step(step)) => {
                let keep = self.steps.partition_point(|s| s.step < step.step);
                self.repeated += self.steps.len() - keep;
                self.steps.truncate(keep);
                self.steps.push(step);
            }
            Ok(Event::Epoch(epoch)) => {
                let keep = self.epochs.partition_point(|e| e.epoch < epoch.epoch);
                self.epochs.truncate(keep);
                self.epochs.push(epoch);
            }
            Ok(Event::Start(_) | Event::End(_) | Event::Other) => {}
            Err(_) => self.skipped += 1,
        }
    }

    /// Training counts epochs from zero, readers from one.
    fn count_epochs_from_one(&mut self) {
        if self.epochs.first().is_some_and(|e| e.epoch == 0) {
            self.epochs
                .iter_mut()
                .for_each(|e| e.epoch = e.epoch.saturating_add(1));
        }
    }

    /// Logged steps behind one point of a thinned curve.
    pub(crate) fn steps_a_point(&self) -> usize {
        self.steps.len().div_ceil(MAX_POINTS).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> Curves {
        let mut curves = Curves::default();
        lines.iter().for_each(|line| curves.push(line.as_bytes()));
        curves
    }

    #[test]
    fn broken_lines_are_counted_and_unknown_events_ignored() {
        let curves = log(&[
            r#"{"event":"start","seed":1}"#,
            r#"{"event":"step","step":1,"loss":2.0,"text_audio":[null,1]}"#,
            r#"{"event":"step","step":2,"lo"#,
            r#"{"event":"novel"}"#,
            "[]",
        ]);
        assert_eq!((curves.steps.len(), curves.skipped), (1, 2));
        assert_eq!(curves.steps[0].text_audio, [None, Some(1.0)]);
    }

    #[test]
    fn a_resumed_run_replaces_the_steps_it_repeats() {
        let step = |n: u64, loss: f64| format!(r#"{{"event":"step","step":{n},"loss":{loss}}}"#);
        let lines = [step(1, 5.0), step(2, 4.0), step(3, 3.0), step(2, 4.5)];
        let curves = log(&lines.each_ref().map(String::as_str));
        let losses: Vec<_> = curves.steps.iter().map(|s| (s.step, s.loss)).collect();
        assert_eq!(losses, [(1, Some(5.0)), (2, Some(4.5))]);
        assert_eq!(curves.repeated, 2);
    }
}
