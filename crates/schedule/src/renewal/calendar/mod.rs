//! Renewals spread over the cycle, so that a wave does not come back.

mod hours;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use self::hours::{Hours, bounded, hour_of, start_of};
use super::window::{Window, fraction, renewal_time};

/// How many renewals are planned in each hour, and where one more fits.
///
/// Certificates that were issued in one day are due in one day, cycle after cycle, because a CA's window is only a
/// fiftieth of a life long. The calendar takes such a wave apart by renewing some of it early. An early renewal
/// costs what a shorter cycle costs, and a token of the limit on the exact set: less than 120 days after the last
/// certificate for the same names, Let's Encrypt counts neither an order nor a certificate of the domain.
///
/// A certificate is moved only when all of its window is fuller than nine eighths of the mean, so a fleet that is
/// spread evenly is left alone. What is moved goes to the first hour from `earliest` on that lies below the mean, or
/// to the emptiest. With `earliest` as [`smear_from`] gives it, 90,000 certificates for 45 days that were issued in one
/// day are spread over half a cycle by their first renewal, and over all of it by their second: from there on no day
/// has more than five quarters of the mean, and nothing is early any more. Until then it costs at most half a cycle of
/// each certificate, once: the mean way from one day to evenly over a cycle, whoever spreads it.
///
/// It is a count, not a list: 96 KiB, whatever the size of the fleet. Who restarts [adds](Self::add) the stored
/// moments again. Where several nodes have a calendar each, each spreads its share evenly, and so all of them do.
///
/// ```
/// use fleetcert_schedule::{Calendar, smear_from, window_without_ari};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let day = Duration::from_secs(86_400);
/// let window = window_without_ari(now, now + 45 * day).expect("a life of 45 days");
/// let mut calendar = Calendar::new(16);
/// let random = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
/// let moments: Vec<_> =
///     (0..10_000).map(|i| calendar.place(window, smear_from(now, window), now, random(i))).collect();
/// // Some in their window, and some up to 15 days before; none after it.
/// assert!(moments.iter().any(|at| window.contains(*at)));
/// assert!(moments.iter().all(|at| now + 15 * day < *at && *at < window.end()));
/// ```
#[derive(Clone, Debug)]
pub struct Calendar {
    planned: Hours,
    unnoticed: u32,
}

impl Calendar {
    /// An empty calendar. Nothing is moved out of an hour with fewer than `unnoticed` renewals.
    ///
    /// A number that is no burden for the control server and the CA keeps small fleets from being moved at all, and
    /// the number that the grown fleet will have in an hour (125 for 90,000 devices with certificates for 45 days)
    /// keeps a fleet from being moved that grows evenly.
    pub fn new(unnoticed: u32) -> Self {
        Self { planned: Hours::new(), unnoticed: unnoticed.max(1) }
    }

    /// Plans a renewal, and gives its moment: store it, and [remove](Self::remove) it when the certificate is
    /// renewed, gone, or planned anew.
    ///
    /// It lies before the end of the window and not before `earliest` nor `now`, whatever the load; but a window that
    /// is over by `now` means now. The moment that `random` picks in the window (RFC 9773 section 4.2) stands as long
    /// as its hour is not too full.
    ///
    /// Give the window's start as `earliest` for what must be renewed in its window; a later one counts as that.
    pub fn place(
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
        // The upper half of the number has picked the hour; the lower half picks the moment in another.
        let moment = |hour, within| moment_in(hour, within, random.rotate_left(32));
        if let Some(hour) = self.emptiest(open).filter(|hour| fits(*hour)) {
            return moment(hour, open);
        }
        let earliest = earliest.max(now).min(open.start());
        let before = Window::new(earliest, open.start());
        let first = before.and_then(|before| {
            // From the front: who is planned next can no longer go there.
            whole_hours(before).find(|hour| self.is_below(*hour, mean, ONE)).map(|hour| moment(hour, before))
        });
        first
            .or_else(|| {
                let all = Window::new(earliest, open.end())?;
                self.emptiest(all).map(|hour| moment(hour, all))
            })
            .unwrap_or(drawn)
    }

    /// Counts a renewal that was planned before a restart.
    pub fn add(&mut self, at: SystemTime) {
        self.planned.add(hour_of(at));
    }

    /// Takes out a renewal that was planned for `at`.
    pub fn remove(&mut self, at: SystemTime) {
        self.planned.remove(hour_of(at));
    }

    /// How many renewals are planned in the hour of `at`.
    #[cfg(test)]
    pub(crate) fn planned(&self, at: SystemTime) -> u32 {
        self.planned.count(hour_of(at))
    }

    /// Of the hours up to the end of the window: the renewals, and how many hours they are.
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

/// From when on a certificate that was issued at `issued` may be renewed to take a wave apart: half way to the end of
/// its window, which is about a third of its life.
///
/// Two renewals with half a cycle of room each can spread one day over a whole cycle; with less room it takes more
/// renewals. A certificate for less than ten days is renewed inside its window: for one of 160 hours, half the way
/// would mean 4.2 certificates a week for the same names, and Let's Encrypt gives five.
pub fn smear_from(issued: SystemTime, window: Window) -> SystemTime {
    let cycle = window.end().duration_since(issued).unwrap_or_default();
    if cycle < SHORT_CYCLE { window.start() } else { window.start().min(issued + cycle / 2) }
}

/// Half of ten days, and the half width of a window: what a life of ten days has at the most without being renewed.
const SHORT_CYCLE: Duration = Duration::from_secs(10 * 86_400 / 100 * 51);

/// The hours that lie inside as a whole; or those that are touched, when none does.
fn whole_hours(within: Window) -> Range<i64> {
    let (first, last) = (hour_of(within.start()), hour_of(within.end()));
    let whole = first.saturating_add(1)..last;
    bounded(if whole.is_empty() { first..last.saturating_add(1) } else { whole })
}

/// A moment in the part of the hour that lies inside.
fn moment_in(hour: i64, within: Window, random: u64) -> SystemTime {
    let start = start_of(hour).map_or(within.start(), |start| start.max(within.start()));
    let end = start_of(hour.saturating_add(1)).map_or(within.end(), |end| end.min(within.end()));
    start + fraction(end.duration_since(start).unwrap_or_default(), random)
}
