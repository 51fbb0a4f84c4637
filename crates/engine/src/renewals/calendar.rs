//! The calendar of planned renewals, shared by the tasks of a process.

use std::time::SystemTime;

use fleetcert_schedule::{Calendar, Window, renewal_time};
use parking_lot::Mutex;

/// The planned renewals, so that those of one day are not all due on one later day; `None` leaves each in its window.
#[derive(Debug)]
pub(super) struct RenewalCalendar(Option<SharedCalendar>);

#[derive(Debug)]
struct SharedCalendar {
    unnoticed: u32,
    planned: Mutex<Calendar>,
}

impl RenewalCalendar {
    pub(super) fn new(unnoticed: Option<u32>) -> Self {
        let shared = |unnoticed| SharedCalendar { unnoticed, planned: Mutex::new(Calendar::new(unnoticed)) };
        Self(unnoticed.map(shared))
    }

    /// Forgets all planned renewals. Returns whether there is a calendar to fill again.
    pub(super) fn clear(&self) -> bool {
        let Some(SharedCalendar { unnoticed, planned }) = &self.0 else { return false };
        *planned.lock() = Calendar::new(*unnoticed);
        true
    }

    fn with<R>(&self, f: impl FnOnce(&mut Calendar) -> R) -> Option<R> {
        let calendar = self.0.as_ref()?;
        Some(f(&mut calendar.planned.lock()))
    }

    /// Plans a renewal, and returns its time. It takes the place of what was planned for the certificate before.
    pub(super) fn place(
        &self,
        instead_of: Option<SystemTime>,
        window: Window,
        earliest: SystemTime,
        now: SystemTime,
        random: u64,
    ) -> SystemTime {
        let placed = self.with(|calendar| {
            instead_of.into_iter().for_each(|at| calendar.remove(at));
            calendar.place(window, earliest, now, random)
        });
        placed.unwrap_or_else(|| renewal_time(window, random))
    }

    /// Replaces a planned renewal by another.
    pub(super) fn replace(&self, one: Option<SystemTime>, other: Option<SystemTime>) {
        if one != other {
            self.with(|calendar| {
                one.into_iter().for_each(|at| calendar.remove(at));
                other.into_iter().for_each(|at| calendar.add(at));
            });
        }
    }
}
