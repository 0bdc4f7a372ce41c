//! The lines of a check as text.

use super::baseline::{Baseline, Machine};
use super::verdict::{Line, Verdict};
use std::fmt::Write as _;

const HEAD: [&str; 7] = ["part", "of", "old", "new", "ratio", "limit", "verdict"];

/// A number of instructions or blocks is whole, a ratio has four places.
fn number(line: &Line, value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if line.of == "ratio" => format!("{value:.4}"),
        Some(value) => format!("{value:.0}"),
    }
}

fn cells(line: &Line) -> [String; 7] {
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
    let verdict = match line.verdict {
        Verdict::Slower => "SLOWER",
        Verdict::Same => "same",
        Verdict::Faster => "faster",
        Verdict::Unknown => "no baseline",
    };
    [
        line.part.clone(),
        line.of.to_owned(),
        number(line, line.old),
        number(line, Some(line.new)),
        share(line.ratio),
        share(line.limit),
        verdict.to_owned(),
    ]
}

/// Columns aligned for a terminal.
pub(crate) fn plain(lines: &[Line]) -> String {
    let rows: Vec<[String; 7]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(lines.iter().map(cells))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            let width = widths[at];
            let _ = if (2..6).contains(&at) {
                write!(out, "{cell:>width$}  ")
            } else {
                write!(out, "{cell:<width$}  ")
            };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// A table for a job's summary.
pub(crate) fn markdown(machine: &Machine, known: &Baseline, lines: &[Line]) -> String {
    let mut out = format!(
        "# Benchmarks against the baseline\n\n{} ({}), {}, {}.\n",
        machine.cpu, machine.class, machine.rustc, machine.valgrind
    );
    for note in &known.notes {
        let _ = write!(out, "\n- {note}\n");
    }
    let row = |cells: [String; 7]| format!("| {} |\n", cells.join(" | "));
    out.push('\n');
    out.push_str(&row(HEAD.map(str::to_owned)));
    out.push_str("|---|---|---:|---:|---:|---:|---|\n");
    lines
        .iter()
        .for_each(|line| out.push_str(&row(cells(line))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        vec![
            Line {
                part: "labels/parse".to_owned(),
                of: "instructions",
                old: Some(1000.0),
                new: 1100.0,
                ratio: Some(1.1),
                limit: Some(1.02),
                verdict: Verdict::Slower,
            },
            Line {
                part: "donors".to_owned(),
                of: "ratio",
                old: None,
                new: 0.75,
                ratio: None,
                limit: None,
                verdict: Verdict::Unknown,
            },
        ]
    }

    #[test]
    fn the_terminal_has_aligned_columns() {
        assert_eq!(
            plain(&lines()),
            "part          of             old     new  ratio  limit  verdict\n\
             labels/parse  instructions  1000    1100  1.100  1.020  SLOWER\n\
             donors        ratio            -  0.7500      -      -  no baseline\n"
        );
    }

    #[test]
    fn markdown_says_where_and_with_what() {
        let machine = Machine {
            class: "x-avx2".to_owned(),
            cpu: "X 1".to_owned(),
            rustc: "rustc 1".to_owned(),
            valgrind: "valgrind-3".to_owned(),
        };
        let known = Baseline {
            notes: vec!["a note".to_owned()],
            ..Baseline::default()
        };
        let text = markdown(&machine, &known, &lines());
        assert!(text.contains("X 1 (x-avx2), rustc 1, valgrind-3.\n\n- a note\n\n| part | of |"));
        assert!(text.ends_with("| donors | ratio | - | 0.7500 | - | - | no baseline |\n"));
    }
}
