//! `cargo xtask test`: all tests of the workspace, and how many lacked what they run on: real data, a Python, Chromium.
//!
//! A test without its data prints `skipped: <test> needs UNIMSE_DATA` and passes; the test harness hides what passing tests print. So it is
//! asked to show that output, and the lines are counted here instead of shown. A test of data that nobody must have prints
//! `left out: <test> needs FILE`; that line is shown, and not counted.

use crate::checkout::Checkout;
use crate::{child, setup};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Set-up, then `cargo test --release --workspace`; fails as it fails, and with `complete` also where a test was skipped.
pub(crate) fn run(checkout: &Checkout, complete: bool) -> Result<()> {
    setup::ensure(checkout)?;
    for model in [
        setup::Model::Faces,
        setup::Model::VoiceActivity,
        setup::Model::Onnxruntime,
    ] {
        setup::ensure_model(checkout, model)?; // small, and what tests of clips run on
    }
    let mut cargo = checkout.cargo();
    cargo
        .args([
            "test",
            "--release",
            "--workspace",
            "--no-fail-fast",
            "--",
            "--show-output",
        ])
        .stdout(Stdio::piped());
    let mut filter = Filter::default();
    let result = child::run_with("cargo test", &mut cargo, |child| {
        let Some(stdout) = child.stdout.take() else {
            return Ok(());
        };
        let mut reader = BufReader::new(stdout);
        let (mut line, mut out) = (Vec::new(), std::io::stdout());
        while reader.read_until(b'\n', &mut line)? > 0 {
            if filter.shows(String::from_utf8_lossy(&line).trim_end()) {
                out.write_all(&line)?;
            }
            line.clear();
        }
        Ok(())
    });
    let mut out = std::io::stdout();
    for summary in filter.summary(|name| std::env::var_os(name).is_some()) {
        writeln!(out, "{summary}")?;
    }
    result?;
    if complete && !filter.skipped.is_empty() {
        bail!("tests were skipped, and none may be here");
    }
    Ok(())
}

/// Sees the harness's output line by line.
#[derive(Default)]
struct Filter {
    in_successes: bool,
    /// What was missing, and for how many tests; false where the test did not say what it needs, but something else.
    skipped: BTreeMap<(bool, String), usize>,
}

impl Filter {
    /// Whether the line belongs to what the harness shows by itself.
    fn shows(&mut self, line: &str) -> bool {
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ if line.starts_with("test result: ") => self.in_successes = false,
            _ => {}
        }
        if let Some(rest) = line.strip_prefix("skipped: ") {
            let needs = rest.split_once(" needs ").map(|(_, needs)| needs);
            let reason = (needs.is_some(), needs.unwrap_or(rest).trim().to_owned());
            *self.skipped.entry(reason).or_default() += 1;
        }
        !self.in_successes || line.starts_with("left out: ")
    }

    fn summary(&self, is_set: impl Fn(&str) -> bool) -> Vec<String> {
        if self.skipped.is_empty() {
            return vec!["0 tests skipped".to_owned()];
        }
        let reason = |(told, needs): &(bool, String)| {
            if !told {
                needs.clone()
            } else if needs.starts_with("UNIMSE_") && !needs.contains(' ') && !is_set(needs) {
                format!("{needs} is unset")
            } else {
                format!("they need {needs}")
            }
        };
        self.skipped
            .iter()
            .map(|(needs, count)| {
                format!(
                    "{count} test{} skipped: {}",
                    if *count == 1 { "" } else { "s" },
                    reason(needs)
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_counted_and_the_rest_is_as_ever() {
        let output = "\nrunning 3 tests\ntest a ... ok\ntest b ... ok\ntest c ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nskipped: a needs UNIMSE_DATA\n\n---- b stdout ----\nnoise\nskipped: b needs a server\nleft out: b needs a model\n\nsuccesses:\n    a\n    b\n\nfailures:\n\n---- c stdout ----\nassertion failed\n\nfailures:\n    c\n\ntest result: FAILED. 2 passed; 1 failed\n\nrunning 1 test\ntest d ... ok\n\nsuccesses:\n\n---- d stdout ----\nskipped: d needs UNIMSE_DATA\nskipped: golden is absent\n\nsuccesses:\n    d\n\ntest result: ok. 1 passed\n";
        let mut filter = Filter::default();
        let shown: Vec<&str> = output
            .lines()
            .filter(|line| filter.shows(line))
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(
            shown,
            [
                "running 3 tests",
                "test a ... ok",
                "test b ... ok",
                "test c ... FAILED",
                "left out: b needs a model",
                "failures:",
                "---- c stdout ----",
                "assertion failed",
                "failures:",
                "    c",
                "test result: FAILED. 2 passed; 1 failed",
                "running 1 test",
                "test d ... ok",
                "test result: ok. 1 passed"
            ]
        );
        assert_eq!(
            filter.summary(|_| false),
            [
                "1 test skipped: golden is absent",
                "2 tests skipped: UNIMSE_DATA is unset",
                "1 test skipped: they need a server"
            ]
        );
        assert_eq!(
            filter.summary(|_| true)[1],
            "2 tests skipped: they need UNIMSE_DATA"
        );
        assert_eq!(Filter::default().summary(|_| false), ["0 tests skipped"]);
    }
}
