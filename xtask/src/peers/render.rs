//! `RESULTS.md` from what `RESULTS.json` holds.

use std::fmt::Write as _;

use super::contest::{Measure, Target};
use super::ratio::Figure;
use super::results::{Outcome, Results, SideOutcome, Verdict};

/// The whole page.
pub(crate) fn markdown(results: &Results) -> String {
    let mut out = String::from("# Results of the contests with peers\n\n");
    out.push_str(
        "Written by `cargo xtask bench --peers`; [performance.md](../docs/performance.md) says how a figure is formed. \
         \"Times its speed\" is the peer's time over ours, \"of its time\" ours over the peer's, in the same round; the median, and in brackets an \
         interval of order statistics.\n\n",
    );
    out.push_str(&circumstances(results));
    out.push_str(
        "\n| contest | against | figure | target | verdict | ours, s | theirs, s | bound |\n",
    );
    out.push_str("|---|---|---|---|---|---:|---:|---|\n");
    for outcome in &results.contests {
        rows(&mut out, outcome);
    }
    out.push_str(&below(results));
    out.push_str("\n## What the contests are\n\n");
    for outcome in &results.contests {
        let _ = writeln!(out, "- **{}**: {}.", outcome.name, outcome.work);
        for side in &outcome.sides {
            let peak = side
                .peak_mib
                .map_or_else(String::new, |peak| format!("; peak memory {peak} MiB"));
            let _ = writeln!(out, "  - {}: {}{peak}", side.name, side.does);
        }
    }
    out.push_str("\n## Versions\n\n");
    let version = |(name, version): (&String, &String)| format!("{name} {version}");
    let versions: Vec<String> = results.versions.iter().map(version).collect();
    let _ = writeln!(out, "{}.", versions.join(", "));
    out
}

/// A line for each missed target whose cause is known.
fn below(results: &Results) -> String {
    let mut out = String::new();
    for outcome in &results.contests {
        for side in &outcome.sides {
            if let Some(why) = &side.why_below {
                let _ = writeln!(out, "- {}, {}: {why}.", outcome.name, side.name);
            }
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("\nWhy targets are missed, where it is known:\n\n{out}")
}

/// Where and how it was measured.
fn circumstances(results: &Results) -> String {
    let host = &results.host;
    let mut lines = vec![format!(
        "{} cores of {} ({}), {} threads on every side",
        host.cores.map_or_else(|| "?".to_owned(), |n| n.to_string()),
        host.cpu.as_deref().unwrap_or("an unnamed CPU"),
        results.cpu_features.join(", "),
        results.threads
    )];
    if let Some(hash) = &results.git.hash {
        let changed = match results.git.dirty {
            Some(true) => ", changed",
            _ => "",
        };
        lines.push(format!("commit {hash}{changed}"));
    }
    if let Some(load) = most_load(results) {
        lines.push(format!("load before a contest at most {load:.1}"));
    }
    let mut out = format!("{}.\n", lines.join("; "));
    if results.quick {
        out.push_str(
            "\n**Quick sizes: these figures say that the contests run, nothing about speed.**\n",
        );
    }
    out
}

fn most_load(results: &Results) -> Option<f64> {
    let loads = results.contests.iter().filter_map(|outcome| outcome.load);
    loads.reduce(f64::max)
}

fn rows(out: &mut String, outcome: &Outcome) {
    let (name, bound) = (&outcome.name, &outcome.bound);
    if let Some(why) = &outcome.not_measured {
        let verdict = if why.failed { "failed" } else { "not measured" };
        let reason = why.reason.replace('|', "\\|");
        let _ = writeln!(out, "| {name} | | | | {verdict}: {reason} | | | {bound} |");
        return;
    }
    let Some((ours, peers)) = outcome.sides.split_first() else {
        return;
    };
    if let Some(target) = &ours.target {
        let cells = cells(ours);
        let _ = writeln!(
            out,
            "| {name} | the clock | {} | {} | {} | {} | | {bound} |",
            cells.figure,
            goal(target),
            cells.verdict,
            seconds(ours)
        );
    }
    for peer in peers {
        let cells = cells(peer);
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {bound} |",
            peer.name,
            cells.figure,
            peer.target.as_ref().map_or_else(String::new, goal),
            cells.verdict,
            seconds(ours),
            seconds(peer)
        );
    }
}

struct Cells {
    figure: String,
    verdict: &'static str,
}

fn cells(side: &SideOutcome) -> Cells {
    let verdict = match side.verdict {
        Some(Verdict::Met) => "met",
        Some(Verdict::Below) => "**below**",
        None => "",
    };
    let figure = side
        .figure
        .map_or_else(String::new, |figure| in_words(side.measure, &figure));
    Cells { figure, verdict }
}

fn in_words(measure: Measure, figure: &Figure) -> String {
    let of = match measure {
        Measure::Speed => "times its speed",
        Measure::Share => "of its time",
        Measure::Seconds => "s",
    };
    let [median, low, high] = [figure.median, figure.low, figure.high].map(digits);
    format!(
        "{median} {of} ({low} to {high}, {:.0} %)",
        figure.coverage * 100.0
    )
}

fn goal(target: &Target) -> String {
    let bound = digits(target.bound);
    match target.measure {
        Measure::Speed => format!("at least {bound}"),
        Measure::Share => format!("at most {bound}"),
        Measure::Seconds => format!("at most {bound} s"),
    }
}

/// The median of the rounds.
fn seconds(side: &SideOutcome) -> String {
    Figure::of(side.seconds.clone()).map_or_else(String::new, |figure| digits(figure.median))
}

/// Three digits that say something, thousands whole.
fn digits(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let before = x.abs().log10().floor() as i32 + 1;
    let after = (3 - before).clamp(0, 9) as usize;
    format!("{x:.after$}")
}
