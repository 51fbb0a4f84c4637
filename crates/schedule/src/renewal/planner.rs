//! Renewal times: the CA's window, the margin and the calendar together.

use std::time::SystemTime;

use super::calendar::{Calendar, smear_from};
use super::margin::Margin;
use super::window::{Window, renewal_time};

/// Plans the renewal times of a fleet: the CA's window, moved forward by the [`Margin`] and spread by a calendar.
///
/// The calendar counts the planned renewals of each hour, so that certificates issued on one day are not all due on one
/// later day. It is a count of 96 KiB for any fleet. If each of several nodes has a planner, each spreads its share
/// evenly.
///
/// ```
/// use fleetcert_schedule::{Margin, RenewalPlanner, WindowChange};
/// use fleetcert_schedule::window_without_ari;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let day = Duration::from_secs(86_400);
/// let window = window_without_ari(now, now + 45 * day).expect("45 days");
/// let change = WindowChange {
///     window,
///     is_first: true,
///     not_before: now,
///     not_after: now + 45 * day,
///     planned: None,
/// };
/// let mut planner = RenewalPlanner::new(Margin::NONE, Some(16));
/// let random = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
/// let times: Vec<_> =
///     (0..10_000).map(|i| planner.plan(&change, now, random(i))).collect();
/// // Some are in the window, and some up to 15 days before.
/// assert!(times.iter().any(|at| window.contains(*at)));
/// let spread = now + 15 * day..window.end();
/// assert!(times.iter().all(|at| spread.contains(at)));
/// ```
#[derive(Clone, Debug)]
pub struct RenewalPlanner {
    margin: Margin,
    calendar: Option<Calendar>,
}

/// A new renewal window of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowChange {
    /// The window.
    pub window: Window,
    /// Whether it is the first window of the certificate. Only the first one is spread: a later one is a deliberate
    /// change by the CA.
    pub is_first: bool,
    /// Start of the certificate's validity.
    pub not_before: SystemTime,
    /// End of the certificate's validity.
    pub not_after: SystemTime,
    /// Renewal time that was planned before.
    pub planned: Option<SystemTime>,
}

impl RenewalPlanner {
    /// Returns a planner without planned renewals. No renewal is moved out of an hour with fewer than `unnoticed`
    /// renewals; `None` leaves every renewal in its window.
    ///
    /// Choose a number that is no load for the control server and the CA, so that small fleets are not spread. With the
    /// hourly number of the full fleet (125 for 90,000 devices with certificates of 45 days), a fleet that grows evenly
    /// is not spread either.
    pub fn new(margin: Margin, unnoticed: Option<u32>) -> Self {
        Self { margin, calendar: unnoticed.map(Calendar::new) }
    }

    /// Plans a renewal, and returns its time. Store the time: a restart must not move it.
    ///
    /// The time is before the end of the window. It is `now` for a window that has ended.
    pub fn plan(&mut self, change: &WindowChange, now: SystemTime, random: u64) -> SystemTime {
        let window = self.margin.apply(change.window, change.not_before, change.not_after, now);
        let earliest = if change.is_first { smear_from(change.not_before, window) } else { window.start() };
        self.replace(change.planned, None);
        match &mut self.calendar {
            Some(calendar) => calendar.place(window, earliest, now, random),
            None => renewal_time(window, random),
        }
    }

    /// Replaces a planned renewal by another. Without the first it adds one that was planned before a restart, without
    /// the second it removes one.
    pub fn replace(&mut self, planned: Option<SystemTime>, other: Option<SystemTime>) {
        if let Some(calendar) = self.calendar.as_mut().filter(|_| planned != other) {
            planned.into_iter().for_each(|at| calendar.remove(at));
            other.into_iter().for_each(|at| calendar.add(at));
        }
    }

    /// Removes all planned renewals. Returns whether the planner counts them, so that they must be added again.
    pub fn clear(&mut self) -> bool {
        self.calendar.as_mut().map(Calendar::clear).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::window_without_ari;

    const DAY: Duration = Duration::from_secs(86_400);

    fn first_window(now: SystemTime) -> WindowChange {
        let not_after = now + 45 * DAY;
        let window = window_without_ari(now, not_after).unwrap();
        WindowChange { window, is_first: true, not_before: now, not_after, planned: None }
    }

    #[test]
    fn only_the_first_window_is_spread() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let first = first_window(now);
        let later = WindowChange { is_first: false, ..first };
        for (change, is_spread) in [(first, true), (later, false)] {
            let mut planner = RenewalPlanner::new(Margin::NONE, Some(1));
            let times = (0..1000_u64).map(|i| planner.plan(&change, now, i << 54));
            assert_eq!(times.filter(|at| !change.window.contains(*at)).count() > 0, is_spread);
        }
    }

    #[test]
    fn window_is_moved_by_the_margin_without_a_calendar() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let change = first_window(now);
        let planned = |margin| RenewalPlanner::new(margin, None).plan(&change, now, 0);
        assert_eq!(planned(Margin::NONE), change.window.start());
        let forward = change.window.start().duration_since(planned(Margin::default())).unwrap();
        assert!(forward > 2 * DAY && forward < 3 * DAY, "{forward:?}");
    }

    #[test]
    fn planned_renewal_is_replaced_and_not_counted_twice() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let mut planner = RenewalPlanner::new(Margin::NONE, Some(1));
        let at = planner.plan(&first_window(now), now, 7);
        let again = WindowChange { planned: Some(at), ..first_window(now) };
        assert_eq!(planner.plan(&again, now, 7), at);
        planner.replace(Some(at), None);
        assert!(planner.clear());
        assert!(!RenewalPlanner::new(Margin::NONE, None).clear());
    }
}
