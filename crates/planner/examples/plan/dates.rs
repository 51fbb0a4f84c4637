//! Dates, spans and numbers as people read them.

use std::time::{Duration, SystemTime};

use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Parses a day, and returns its beginning in UTC.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let date = date.map_err(|_| "write an existing day, such as 2027-01-31")?;
    Ok(date.with_time(Time::MIDNIGHT).assume_utc().into())
}

/// Returns the beginning of the day of `now`.
pub(crate) fn midnight(now: SystemTime) -> SystemTime {
    OffsetDateTime::from(now).replace_time(Time::MIDNIGHT).into()
}

fn date_of(at: SystemTime) -> Option<OffsetDateTime> {
    // Beyond the year 9999 dates have no four digits for the year.
    let seconds = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_secs()).ok()?,
    };
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// Formats a day as 2027-01-31; `None` beyond the year 9999.
pub(crate) fn day(at: SystemTime) -> Option<String> {
    date_of(at)?.format(format_description!("[year]-[month]-[day]")).ok()
}

/// Returns the day at `after` from a start.
pub(crate) fn day_after(start: SystemTime, after: Duration) -> String {
    start.checked_add(after).and_then(day).unwrap_or_else(|| "after 9999".into())
}

/// Formats a day as 31 Jan.
pub(crate) fn short(at: SystemTime) -> String {
    let format = format_description!("[day padding:none] [month repr:short]");
    date_of(at).and_then(|date| date.format(format).ok()).unwrap_or_default()
}

/// Returns the year of a date.
pub(crate) fn year(at: SystemTime) -> Option<i32> {
    date_of(at).map(OffsetDateTime::year)
}

/// Formats a span: "at once", "40 min", "7.0 h", "37.4 d", "34.5 years".
pub(crate) fn span(after: Duration) -> String {
    const HOUR: f64 = 3600.0;
    const DAY_SECONDS: f64 = 24.0 * HOUR;
    const YEAR: f64 = 365.25 * DAY_SECONDS;
    let seconds = after.as_secs_f64();
    match seconds {
        0.0 => "at once".into(),
        _ if seconds < HOUR => format!("{:.0} min", (seconds / 60.0).max(1.0)),
        _ if seconds < 2.0 * DAY_SECONDS => format!("{:.1} h", seconds / HOUR),
        _ if seconds < 2.0 * YEAR => format!("{:.1} d", seconds / DAY_SECONDS),
        _ if seconds < 1000.0 * YEAR => format!("{:.1} years", seconds / YEAR),
        _ => "1,000+ years".into(),
    }
}

/// Formats a number as 90,000.
pub(crate) fn number(value: impl Into<u64>) -> String {
    let digits = value.into().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_spans_and_numbers_are_readable() {
        let start = parse("2026-11-25").unwrap();
        assert_eq!(day(start).unwrap(), "2026-11-25");
        assert_eq!(midnight(start + DAY - Duration::from_secs(1)), start);
        assert_eq!(day_after(start, DAY * 37), "2027-01-01");
        assert_eq!(day_after(start, DAY * 365 * 9000), "after 9999");
        assert_eq!(day_after(start, Duration::MAX), "after 9999");
        assert_eq!((short(start), year(start)), ("25 Nov".to_owned(), Some(2026)));
        let spans = [0, 30, 25_200, 3_229_200, 1_088_035_200].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(spans, ["at once", "1 min", "7.0 h", "37.4 d", "34.5 years"]);
        assert_eq!(span(Duration::MAX), "1,000+ years");
        assert_eq!([0_u32, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
