//! How metrics are called in the literature and how their values are printed.

/// Keys of `results.json` and the names readers know.
const NAMES: [(&str, &str); 19] = [
    ("mae", "MAE"),
    ("corr", "Corr"),
    ("acc7", "Acc-7"),
    ("acc5", "Acc-5"),
    ("acc3", "Acc-3"),
    ("acc2", "Acc-2"),
    ("acc2_non0", "Acc-2 non0"),
    ("acc2_has0", "Acc-2 has0"),
    ("f1", "F1"),
    ("f1_non0", "F1 non0"),
    ("f1_has0", "F1 has0"),
    ("f1_non0_swapped", "F1 non0 (swapped arguments)"),
    ("accuracy", "Accuracy"),
    ("weighted_f1", "WF1"),
    ("macro_f1", "Macro F1"),
    ("unweighted_average_recall", "UAR"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("score", "Dev score"),
];

/// The literature's name of a metric; an unknown key is its own name.
pub(crate) fn name(metric: &str) -> &str {
    NAMES
        .iter()
        .find(|(key, _)| *key == metric)
        .map_or(metric, |(_, name)| name)
}

/// The name with the direction of improvement, as in "MAE ↓".
pub(crate) fn with_arrow(metric: &str) -> String {
    let arrow = if unimse_eval::higher_is_better(metric) {
        '↑'
    } else {
        '↓'
    };
    format!("{} {arrow}", name(metric))
}

/// Whether a metric is a share of utterances or an F1, printed in percent; MAE and Corr are not.
fn in_percent(metric: &str) -> bool {
    !matches!(metric, "mae" | "corr" | "score") && NAMES.iter().any(|(key, _)| *key == metric)
}

/// A value with the literature's number of digits: percent with two decimals, MAE and Corr with three.
pub(crate) fn show(metric: &str, value: f64) -> String {
    if in_percent(metric) {
        number(value * 100.0, 2)
    } else {
        number(value, 3)
    }
}

/// The same with an explicit sign, for differences.
pub(crate) fn show_difference(metric: &str, value: f64) -> String {
    let shown = show(metric, value);
    let zero = shown.chars().all(|c| matches!(c, '0' | '.'));
    if zero || shown.starts_with('−') || !value.is_finite() {
        shown
    } else {
        format!("+{shown}")
    }
}

/// A number with a true minus sign, never "−0.00" and never hundreds of digits.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let shown = if value.abs() < 1e7 {
        format!("{value:.decimals$}")
    } else {
        format!("{value:.3e}")
    };
    match shown.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| matches!(c, '0' | '.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => shown,
    }
}

/// A count: no decimals unless it is a mean over seeds.
pub(crate) fn count(value: f64) -> String {
    number(value, usize::from(value.fract() != 0.0))
}

/// Seconds for people.
pub(crate) fn duration(seconds: f64) -> String {
    if !(0.0..1e9).contains(&seconds) {
        return "undefined".to_owned();
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).round() as u64;
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, m) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_digits_of_the_literature() {
        assert_eq!(show("acc2_non0", 0.8372), "83.72");
        assert_eq!(show("mae", 0.7616), "0.762");
        assert_eq!(show("corr", -0.00001), "0.000");
        assert_eq!(show_difference("mae", -0.25), "−0.250");
        assert_eq!(show_difference("weighted_f1", 0.05), "+5.00");
        assert_eq!(show_difference("weighted_f1", 0.0), "0.00");
        assert_eq!(number(1e300, 2), "1.000e300");
        assert_eq!((count(7.0), count(7.5)), ("7".to_owned(), "7.5".to_owned()));
        assert_eq!(duration(3700.0), "1 h 02 min");
    }

    #[test]
    fn arrows_point_to_better() {
        assert_eq!(with_arrow("mae"), "MAE ↓");
        assert_eq!(with_arrow("unweighted_average_recall"), "UAR ↑");
    }
}
