//! Lines of times, as SubRip and WebVTT have them.

use super::Wrong;

/// What stands between two times.
pub(super) const ARROW: &str = "-->";

/// `00:00:01,000 --> 00:00:02,500`, and whatever stands behind it: beginning and end in seconds.
pub(super) fn parse(line: &str, number: usize) -> Result<(f64, f64), Wrong> {
    let expected = "times such as 00:00:01,000 --> 00:00:02,500";
    let wrong = || Wrong::line(number, expected, line);
    let (start, rest) = line.split_once(ARROW).ok_or_else(wrong)?;
    let end = rest.split_whitespace().next().unwrap_or_default();
    let times = seconds(start.trim()).zip(seconds(end));
    let (start_s, end_s) = times.ok_or_else(wrong)?;
    if end_s < start_s {
        return Err(Wrong::line(number, "an end behind the beginning", line));
    }
    Ok((start_s, end_s))
}

/// `[hours:]minutes:seconds[,.]fraction` in seconds.
fn seconds(time: &str) -> Option<f64> {
    let (clock, fraction) = time.split_once([',', '.']).unwrap_or((time, "0"));
    let digits = |part: &str, most: usize| {
        let sound = (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        sound.then(|| part.parse::<u32>().ok()).flatten()
    };
    let mut parts = clock.rsplit(':');
    let second = digits(parts.next()?, 2).filter(|&s| s < 60)?;
    let minute = digits(parts.next()?, 2).filter(|&m| m < 60)?;
    let hour = parts.next().map_or(Some(0), |hour| digits(hour, 4))?;
    if parts.next().is_some() {
        return None;
    }
    let thousandths = f64::from(digits(fraction, 3)?) * 10_f64.powi(3 - fraction.len() as i32);
    Some(f64::from(3_600 * hour + 60 * minute + second) + thousandths / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        for (time, expected) in [
            ("00:00:01,000", Some(1.0)),
            ("1:02:03.5", Some(3_600.0 + 2.0 * 60.0 + 3.5)),
            ("02:03.045", Some(2.0 * 60.0 + 3.045)),
            ("0:0", Some(0.0)),
            ("60:00", None),
            ("00:60", None),
            ("1:00:00:00", None),
            ("00:00:01,0000", None),
            ("00:00:-1,0", None),
            ("-1:00", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
