//! Durations in the notation of the Go language.

use std::time::Duration;

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Longest notation; Go writes fewer characters for its longest duration.
const MAX_LEN: usize = 32;

/// Reads `168h0m0s`, `1h30m5.5s`, `300ms`. Returns `None` for other text, for negative durations, and for more than
/// 292 years, the longest duration of Go.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() || text.len() > MAX_LEN {
        return None;
    }
    let (mut rest, mut nanos) = (text, 0u128);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|char: char| !char.is_ascii_digit() && char != '.')?);
        let (unit, after) = after
            .split_at(after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len()));
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos = nanos.checked_add(scaled(number, *scale)?)?;
        rest = after;
    }
    i64::try_from(nanos).ok().map(|nanos| Duration::from_nanos(nanos.unsigned_abs()))
}

/// Returns a decimal number times `scale`, rounded down.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    // Beyond the 15th digit there is less than a nanosecond of an hour.
    let fraction = fraction.get(..15).unwrap_or(fraction);
    let part = digits(fraction)?.checked_mul(scale)? / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    digits(whole)?.checked_mul(scale)?.checked_add(part)
}
