//! When the test split was opened, as ISO 8601.

use crate::{FileError, Receipt, RunFolder};

/// Seconds since 1970 of the last opening of the test split by a run, or by the latest of its seeds.
pub(super) fn last_opening(run: &RunFolder) -> Result<Option<u64>, FileError> {
    let mut last = Receipt::last_opened(&run.receipts())?;
    for (_, seed) in RunFolder::seeds(&run.run)? {
        last = last.max(Receipt::last_opened(&seed.receipts())?);
    }
    Ok(last)
}

/// `2022-12-07T09:05:03Z`.
pub(super) fn timestamp(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "{}T{hours:02}:{minutes:02}:{:02}Z",
        date(seconds),
        seconds % 60
    )
}

/// `2022-12-07`, in the Gregorian calendar.
pub(super) fn date(seconds: u64) -> String {
    let (mut year, mut days) = (1970, seconds / 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
        if year > 9999 {
            return "9999-12-31".to_owned(); // a clock that stands wrong must not keep us for ages
        }
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        const DAY: u64 = 86_400;
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(
            timestamp(DAY - 1 + 31 * DAY + 28 * DAY),
            "1970-03-01T23:59:59Z"
        );
        // 30 years to 2000, seven of them leap years; 2000 is one too, though 100 divides it
        assert_eq!(date((30 * 365 + 7 + 31 + 28) * DAY), "2000-02-29");
        assert_eq!(timestamp(1_000_000_000), "2001-09-09T01:46:40Z");
        assert_eq!(date(u64::MAX), "9999-12-31");
    }
}
