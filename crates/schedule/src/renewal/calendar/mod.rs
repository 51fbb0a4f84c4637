//! The calendar that spreads renewals over the cycle, so that waves do not return.

mod hours;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use self::hours::{Hours, bounded, hour_of, start_of};
use super::window::{Window, fraction, renewal_time};

/// The number of planned renewals in each hour.
///
/// Certificates issued on one day are due on one day, cycle after cycle, because a CA's window is only a fiftieth of the
/// lifetime. The calendar spreads such a wave by renewing some of it early. An early renewal costs a shorter cycle and a
/// token of the limit on the exact set: within 120 days of the last certificate for the same names, Let's Encrypt counts
/// neither an order nor a certificate of the domain.
///
/// A certificate is moved only if every hour of its window exceeds nine eighths of the mean, so an evenly spread fleet
/// is not changed. It moves to the first hour from `earliest` on that is below the mean, or to the emptiest. With
/// `earliest` from [`smear_from`], 90,000 certificates of 45 days issued on one day are spread over half a cycle by
/// their first renewal, and over a whole cycle by their second. After that no day has more than five quarters of the
/// mean, and no renewal is early. The cost is at most half a cycle of each certificate, once.
///
/// The calendar is a count of 96 KiB for any fleet.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    planned: Hours,
    unnoticed: u32,
}

impl Calendar {
    /// Returns an empty calendar. No renewal is moved out of an hour with fewer than `unnoticed` renewals.
    pub(crate) fn new(unnoticed: u32) -> Self {
        Self { planned: Hours::new(), unnoticed: unnoticed.max(1) }
    }

    /// Plans a renewal, and returns its time. Store the time, and [remove](Self::remove) it when the certificate is
    /// renewed, deleted or planned again.
    ///
    /// The time is before the end of the window and not before `earliest` or `now`; for a window that has ended it is
    /// `now`. The time that `random` picks in the window (RFC 9773 section 4.2) is used unless its hour is too full.
    ///
    /// Pass the start of the window as `earliest` to renew inside the window; a later time counts as that.
    pub(crate) fn place(
        &mut self,
        window: Window,
        earliest: SystemTime,
        now: SystemTime,
        random: u64,
    ) -> SystemTime {
        let at = self.find(window, earliest, now, random);
        self.add(at);
        at
    }

    fn find(&self, window: Window, earliest: SystemTime, now: SystemTime, random: u64) -> SystemTime {
        let Some(open) = Window::new(window.start().max(now), window.end()) else { return now };
        let drawn = renewal_time(open, random);
        let mean = self.mean(now, open.end());
        let fits = |hour: i64| self.is_below(hour, mean, NINE_EIGHTHS);
        if fits(hour_of(drawn)) {
            return drawn;
        }
        // The upper half of the number picked the hour; the lower half picks the time in another hour.
        let moment = |hour, within| moment_in(hour, within, random.rotate_left(32));
        if let Some(hour) = self.emptiest(open).filter(|hour| fits(*hour)) {
            return moment(hour, open);
        }
        let earliest = earliest.max(now).min(open.start());
        let before = Window::new(earliest, open.start());
        let first = before.and_then(|before| {
            // From the front, so that the hours fill in order.
            whole_hours(before).find(|hour| self.is_below(*hour, mean, ONE)).map(|hour| moment(hour, before))
        });
        first
            .or_else(|| {
                let all = Window::new(earliest, open.end())?;
                self.emptiest(all).map(|hour| moment(hour, all))
            })
            .unwrap_or(drawn)
    }

    /// Adds a renewal that was planned before a restart.
    pub(crate) fn add(&mut self, at: SystemTime) {
        self.planned.add(hour_of(at));
    }

    /// Removes a renewal that was planned for `at`.
    pub(crate) fn remove(&mut self, at: SystemTime) {
        self.planned.remove(hour_of(at));
    }

    /// Removes all renewals.
    pub(crate) fn clear(&mut self) {
        self.planned = Hours::new();
    }

    /// Returns the renewals of the hours up to `end`, and the number of these hours.
    fn mean(&self, now: SystemTime, end: SystemTime) -> (u64, u64) {
        let hours = bounded(hour_of(now)..hour_of(end).saturating_add(1));
        let count = hours.end.abs_diff(hours.start).max(1);
        (self.planned.sum(hours), count)
    }

    fn is_below(&self, hour: i64, (sum, hours): (u64, u64), eighths: u64) -> bool {
        let planned = self.planned.count(hour);
        // Below 2^32 in each of 2^13 hours: no product needs more than 49 bits.
        planned < self.unnoticed || u64::from(planned) * hours * 8 < sum * eighths
    }

    fn emptiest(&self, within: Window) -> Option<i64> {
        whole_hours(within).min_by_key(|hour| self.planned.count(*hour))
    }
}

const ONE: u64 = 8;
const NINE_EIGHTHS: u64 = 9;

/// Returns the earliest renewal time of a certificate issued at `issued` that spreads a wave: half way to the end of its
/// window, about a third of its lifetime.
///
/// Two renewals with half a cycle of room each can spread one day over a whole cycle; with less room it takes more
/// renewals. A certificate of less than ten days is renewed inside its window: for one of 160 hours, half the way would
/// mean 4.2 certificates a week for the same names, and Let's Encrypt issues five.
pub(crate) fn smear_from(issued: SystemTime, window: Window) -> SystemTime {
    let cycle = window.end().duration_since(issued).unwrap_or_default();
    if cycle < SHORT_CYCLE { window.start() } else { window.start().min(issued + cycle / 2) }
}

/// Longest cycle of a certificate of ten days: half of its lifetime, and half of its window.
const SHORT_CYCLE: Duration = Duration::from_secs(10 * 86_400 / 100 * 51);

/// Returns the hours that are entirely inside, or those that overlap if none is.
fn whole_hours(within: Window) -> Range<i64> {
    let (first, last) = (hour_of(within.start()), hour_of(within.end()));
    let whole = first.saturating_add(1)..last;
    bounded(if whole.is_empty() { first..last.saturating_add(1) } else { whole })
}

/// Returns a time in the part of the hour that is inside.
fn moment_in(hour: i64, within: Window, random: u64) -> SystemTime {
    let start = start_of(hour).map_or(within.start(), |start| start.max(within.start()));
    let end = start_of(hour.saturating_add(1)).map_or(within.end(), |end| end.min(within.end()));
    start + fraction(end.duration_since(start).unwrap_or_default(), random)
}
