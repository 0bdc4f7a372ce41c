//! Scores as tables for a terminal.

use std::path::Path;

use unimse_eval::{Interval, Metric};
use unimse_run::{Against, Generated, Intervals, Scored, ScoredRows};

/// All of it: the whole file, then each group.
pub(super) fn tables(scored: &Scored, file: &Path, against: Option<&Path>) -> String {
    let mut out = format!("{}: {}", file.display(), scored.task.name());
    if let Some(convention) = scored.convention {
        out.push_str(&format!(", convention {convention}"));
    }
    out.push('\n');
    if let Some(other) = against {
        out.push_str(&format!(
            "against {}: its value, then this file less that one\n",
            other.display()
        ));
    }
    out.push_str(&labels("", scored.generated.as_ref()));
    out.push_str(&labels(
        " of the other file",
        scored.generated_against.as_ref(),
    ));
    out.push_str(&rows("", scored, &scored.all));
    for (name, group) in scored.groups.iter() {
        out.push_str(&rows(&format!("{}: ", name.escape_debug()), scored, group));
    }
    if scored.resamples > 0 {
        let what = scored.cluster.as_deref();
        let what = what.map_or("rows".to_owned(), |column| {
            format!("whole values of {column}")
        });
        out.push_str(&format!(
            "\nintervals: 95 %, percentile and BCa, {} resamples of {what}, seed {}\n",
            scored.resamples, scored.seed
        ));
        if against.is_some() {
            out.push_str("p: bootstrap, then approximate randomisation\n");
        }
    }
    out
}

fn labels(of: &str, generated: Option<&Generated>) -> String {
    let Some(read) = generated else {
        return String::new();
    };
    let kinds = read.repairs.iter();
    let kinds: Vec<String> = kinds
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let kinds = if kinds.is_empty() {
        String::new()
    } else {
        format!(" ({})", kinds.join(", "))
    };
    format!(
        "generated labels{of}: {}, {} repaired{kinds}, {} without the value scored\n",
        read.labels, read.repaired, read.unparsed
    )
}

/// A head and a line a metric; then the classes, or each of several emotions.
fn rows(name: &str, scored: &Scored, rows: &ScoredRows) -> String {
    let clusters = match &scored.cluster {
        Some(column) => format!(", {} of {column}", rows.clusters),
        None => String::new(),
    };
    let dealt = rows
        .dealt
        .map(|groups| format!(", dealt at random into {groups} groups, which are resampled whole"));
    let dealt = dealt.unwrap_or_default();
    let mut out = format!("\n{name}n {}{clusters}{dealt}\n", rows.n);
    let metrics = Metric::ALL.into_iter();
    for metric in metrics {
        if let Some(value) = value(metric, rows) {
            out.push_str(&line(metric, &value, rows));
        }
    }
    if let Some(unlike @ 1..) = rows.unlike_probabilities {
        out.push_str(&format!(
            "  predictions without the largest of their probabilities: {unlike}; ECE takes the largest for the answer\n"
        ));
    }
    for class in &rows.per_class {
        out.push_str(&format!(
            "    {:<12} precision {:.4}  recall {:.4}  F1 {:.4}  n {}\n",
            class.label, class.precision, class.recall, class.f1, class.support
        ));
    }
    for (emotion, of_emotion) in rows.emotions.iter() {
        out.push_str(&self::rows(
            &format!("{name}{emotion}: "),
            scored,
            of_emotion,
        ));
    }
    out
}

fn value(metric: Metric, rows: &ScoredRows) -> Option<String> {
    let undefined = || {
        rows.undefined
            .get(&metric)
            .map(|why| format!("undefined: {why}"))
    };
    let value = rows.metrics.get(&metric).map(|value| format!("{value:.4}"));
    value.or_else(undefined)
}

fn line(metric: Metric, value: &str, rows: &ScoredRows) -> String {
    let intervals = rows.intervals.get(&metric).map(intervals);
    let against = rows.against.get(&metric).map(against);
    let line = format!(
        "  {:<24} {value:<7}  {}{}",
        metric.title(),
        intervals.unwrap_or_default(),
        against.unwrap_or_default()
    );
    format!("{}\n", line.trim_end())
}

/// `[0.7012, 0.8120] BCa [0.7033, 0.8141]`.
fn intervals(intervals: &Intervals) -> String {
    let lost = match intervals.lost {
        0 => String::new(),
        lost => format!(" ({lost} resamples without a value left out)"),
    };
    let Intervals {
        percentile, bca, ..
    } = intervals;
    if percentile.undefined.is_some() && percentile.undefined == bca.undefined {
        return bounds(percentile) + &lost;
    }
    format!("{} BCa {}{lost}", bounds(percentile), bounds(bca))
}

fn bounds(interval: &Interval) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!("[{low:.4}, {high:.4}]"),
        _ => format!(
            "none: {}",
            interval.undefined.as_deref().unwrap_or("no value")
        ),
    }
}

/// `| 0.7730, +0.0120 [-0.0030, 0.0270] BCa [-0.0029, 0.0271] p 0.120 0.114`.
fn against(against: &Against) -> String {
    let number = |value: Option<f64>| value.map_or("undefined".to_owned(), |x| format!("{x:.4}"));
    let interval = &against.difference.interval;
    let mut out = format!(" | {}", number(against.value));
    if let Some(difference) = interval.estimate {
        out.push_str(&format!(", {difference:+.4}"));
    }
    if interval.low.is_some() || interval.undefined.is_some() {
        out.push_str(&format!(
            " {} BCa {}",
            bounds(interval),
            bounds(&against.bca)
        ));
    }
    let ps = [against.difference.p, against.p_randomisation];
    let ps: Vec<String> = ps.iter().flatten().map(|p| format!("{p:.4}")).collect();
    if !ps.is_empty() {
        out.push_str(&format!(" p {}", ps.join(" ")));
    }
    out
}
