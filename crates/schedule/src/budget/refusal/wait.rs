//! When a refusal ends.

use std::time::{Duration, SystemTime};

use time::PrimitiveDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// The header `Retry-After`. A date that has passed is no wait.
pub(super) fn header(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than can be told are for ever, and so is their longest wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text.get(..MAX_DATE).unwrap_or(text)).ok()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// More than the longest form of a date has.
const MAX_DATE: usize = 64;

/// The time with which a sentence of Boulder goes on: `2026-11-25 12:00:00 UTC`.
pub(super) fn in_sentence(text: &str) -> Option<SystemTime> {
    let time = text.get(..FORM.len())?;
    PrimitiveDateTime::parse(time, TIME).ok().map(|time| time.assume_utc().into())
}

const FORM: &str = "2006-01-02 15:04:05 UTC";
const TIME: StaticFormatDescription =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
