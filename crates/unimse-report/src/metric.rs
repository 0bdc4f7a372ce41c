//! How metrics are called in the literature and how their values are printed.

use unimse_eval::Metric;

/// The name of the literature with the direction of improvement, as in "MAE ↓"; a coverage with the share it should have.
pub(crate) fn with_arrow(metric: Metric) -> String {
    if let Some(nominal) = metric.nominal() {
        return format!("{}, best {}", metric.title(), number(nominal * 100.0, 0));
    }
    let arrow = if metric.higher_is_better() {
        '↑'
    } else {
        '↓'
    };
    format!("{} {arrow}", metric.title())
}

/// A value with the literature's number of digits: percent with two decimals, MAE and Corr with three.
pub(crate) fn show(metric: Metric, value: f64) -> String {
    if metric.in_percent() {
        percent(value)
    } else {
        number(value, 3)
    }
}

/// A share in percent with two decimals.
pub(crate) fn percent(share: f64) -> String {
    number(share * 100.0, 2)
}

/// The same as [`show`] with an explicit sign, for differences.
pub(crate) fn show_difference(metric: Metric, value: f64) -> String {
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

/// A count that may not be recorded.
pub(crate) fn count(n: Option<usize>) -> String {
    n.map_or_else(|| "not recorded".to_owned(), |n| n.to_string())
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
        assert_eq!(show(Metric::Acc2Non0, 0.8372), "83.72");
        assert_eq!(show(Metric::Mae, 0.7616), "0.762");
        assert_eq!(show(Metric::Corr, -0.00001), "0.000");
        assert_eq!(show_difference(Metric::Mae, -0.25), "−0.250");
        assert_eq!(show_difference(Metric::WeightedF1, 0.05), "+5.00");
        assert_eq!(show_difference(Metric::WeightedF1, 0.0), "0.00");
        assert_eq!(number(1e300, 2), "1.000e300");
        assert_eq!(
            (count(Some(7)), count(None)),
            ("7".to_owned(), "not recorded".to_owned())
        );
        assert_eq!(duration(3700.0), "1 h 02 min");
    }

    #[test]
    fn arrows_point_to_better() {
        assert_eq!(with_arrow(Metric::Mae), "MAE ↓");
        assert_eq!(with_arrow(Metric::UnweightedAverageRecall), "UAR ↑");
        assert_eq!(with_arrow(Metric::Ece), "ECE ↓");
        assert_eq!(
            with_arrow(Metric::Coverage90),
            "In the central 90 %, best 90"
        );
    }
}
