//! What is left for new devices.

use std::time::Duration;

use super::fleet::{Growth, Reserve};
use super::pace::{Paces, from_nanos};

/// How much is left for new devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many new devices a week the reserve lets through while the rollout lasts.
    pub during: u64,
    /// How many a week all limits together let through when it is done; `u64::MAX` when nothing limits them.
    pub after: u64,
    /// How many of these are free when the growth has taken its part.
    pub spare: u64,
    /// Whether the new devices of the growth wait.
    pub waiting: Waiting,
}

/// Whether new devices wait for their first certificate for lack of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// None does.
    Nobody,
    /// The reserve is smaller than the growth: the queue grows until the fleet is done.
    Until {
        /// How many wait then.
        most: u64,
        /// How long after the start nobody waits any more.
        after: Duration,
        /// The smallest reserve with which none would wait.
        reserve: Option<Reserve>,
    },
    /// More come than the limits let through, even without a rollout: the queue grows for ever.
    ForEver {
        /// By how many it grows in a week.
        per_week: u64,
    },
}

/// The new devices' way through the limits.
pub(super) struct Newcomers {
    pub(super) whole: Paces,
    reserved: Option<Paces>,
    growth: u64,
    pub(super) rollout_ends: Duration,
}

impl Newcomers {
    pub(super) fn new(whole: Paces, growth: Growth, reserve: Reserve, rollout_ends: Duration) -> Self {
        let reserved = whole.share(reserve.as_percent());
        Self { whole, reserved, growth: growth.0.into(), rollout_ends }
    }

    /// How many have come when this time has passed.
    pub(super) fn come_by(&self, time: Duration) -> u64 {
        let come = u128::from(self.growth).saturating_mul(time.as_nanos()) / WEEK.as_nanos();
        u64::try_from(come).unwrap_or(u64::MAX)
    }

    /// How many of them have got their first certificate when this time has passed.
    pub(super) fn served_by(&self, time: Duration) -> u64 {
        let served = |time| {
            let reserved = self.reserved.as_ref().map_or(0, |reserved| reserved.had_by(time));
            self.come_by(time).min(reserved)
        };
        match time.checked_sub(self.rollout_ends) {
            None => served(time),
            Some(since) => {
                let back = self.whole.come_back_in(since);
                self.come_by(time).min(served(self.rollout_ends).saturating_add(back))
            }
        }
    }

    pub(super) fn room(&self) -> Room {
        let during = self.reserved.as_ref().map_or(0, |reserved| reserved.come_back_in(WEEK));
        let after = self.whole.come_back_in(WEEK);
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

    /// The smallest reserve through which the growth passes.
    fn enough(&self) -> Option<Reserve> {
        let passes =
            |percent| self.whole.share(percent).is_some_and(|share| share.come_back_in(WEEK) >= self.growth);
        (1..100).find(|percent| passes(*percent)).and_then(Reserve::percent)
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);
