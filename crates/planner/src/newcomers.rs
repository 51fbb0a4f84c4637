//! The room that the limits leave for new devices.

use std::time::Duration;

use crate::fleet::{Growth, Reserve};
use crate::pace::{Paces, from_nanos};

/// The room that the limits leave for new devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// New devices a week during the rollout, by the reserve.
    pub during: u64,
    /// New devices a week after the rollout, by all limits; `u64::MAX` without a limit.
    pub after: u64,
    /// New devices a week after the rollout beyond the growth.
    pub spare: u64,
    /// Whether the new devices of the growth wait.
    pub waiting: Waiting,
}

/// Whether new devices wait for their first certificate for lack of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// No device waits.
    Nobody,
    /// The reserve is smaller than the growth: the queue grows until the fleet is done.
    Until {
        /// Devices that wait then.
        most: u64,
        /// Time after the start from which no device waits.
        after: Duration,
        /// Smallest reserve with which no device would wait.
        reserve: Option<Reserve>,
    },
    /// The growth exceeds the limits, even without a rollout: the queue grows without bound.
    ForEver {
        /// Growth of the queue in a week.
        per_week: u64,
    },
}

/// The new devices and the limits that they use.
pub(crate) struct Newcomers {
    pub(crate) whole: Paces,
    reserved: Option<Paces>,
    growth: u64,
    pub(crate) rollout_ends: Duration,
}

impl Newcomers {
    pub(crate) fn new(whole: Paces, growth: Growth, reserve: Reserve, rollout_ends: Duration) -> Self {
        let reserved = whole.share(reserve.as_percent());
        Self { whole, reserved, growth: growth.0.into(), rollout_ends }
    }

    /// Returns the new devices up to this time.
    pub(crate) fn come_by(&self, time: Duration) -> u64 {
        let come = u128::from(self.growth).saturating_mul(time.as_nanos()) / WEEK.as_nanos();
        u64::try_from(come).unwrap_or(u64::MAX)
    }

    /// Returns the new devices that have a certificate at this time.
    pub(crate) fn served_by(&self, time: Duration) -> u64 {
        let served = |time| {
            let reserved = self.reserved.as_ref().map_or(0, |reserved| reserved.certificates_by(time));
            self.come_by(time).min(reserved)
        };
        match time.checked_sub(self.rollout_ends) {
            None => served(time),
            Some(since) => {
                let back = self.whole.refilled_in(since);
                self.come_by(time).min(served(self.rollout_ends).saturating_add(back))
            }
        }
    }

    pub(crate) fn room(&self) -> Room {
        let during = self.reserved.as_ref().map_or(0, |reserved| reserved.refilled_in(WEEK));
        let after = self.whole.refilled_in(WEEK);
        let spare = after.saturating_sub(self.growth);
        Room { during, after, spare, waiting: self.waiting(after) }
    }

    fn waiting(&self, after: u64) -> Waiting {
        if self.growth > after {
            return Waiting::ForEver { per_week: self.growth - after };
        }
        let most = self.come_by(self.rollout_ends).saturating_sub(self.served_by(self.rollout_ends));
        if most == 0 {
            return Waiting::Nobody;
        }
        let faster = u128::from(after - self.growth);
        if faster == 0 {
            return Waiting::ForEver { per_week: 0 };
        }
        let clears = from_nanos(u128::from(most).saturating_mul(WEEK.as_nanos()) / faster);
        Waiting::Until { most, after: self.rollout_ends.saturating_add(clears), reserve: self.enough() }
    }

    /// Returns the smallest reserve that suffices for the growth.
    fn enough(&self) -> Option<Reserve> {
        let passes =
            |percent| self.whole.share(percent).is_some_and(|share| share.refilled_in(WEEK) >= self.growth);
        (1..100).find(|percent| passes(*percent)).and_then(Reserve::percent)
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);
