//! Outages of the CA as the polls for renewal windows see them.

use std::time::{Duration, SystemTime};

use fleetcert_ambient::Backoff;

/// Back-off of all polls while the CA does not answer. The renewal times are stored, so nothing is lost by waiting.
const OUTAGE_BACKOFF: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));

/// What a poll says of the CA itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaState {
    /// It answered.
    Answers,
    /// It was not reached, or cannot serve now, and wants to be left alone for this time if it says so.
    Away(Option<Duration>),
}

/// An outage of the CA's renewal information: one for all certificates, because the fault belongs to none of them.
///
/// It is apart from the CA's circuit breaker, because a CA whose renewal information is away may still issue, and its orders
/// must not stop. The other direction is shared: while the breaker stops new orders, no poll is sent either.
#[derive(Debug, Default)]
pub(super) struct Outage {
    failures: u32,
    until: Option<SystemTime>,
}

impl Outage {
    pub(super) fn record(&mut self, state: CaState, now: SystemTime, random: u64) {
        match state {
            CaState::Answers => *self = Self::default(),
            // The polls that were in flight together are one failure.
            CaState::Away(_) if self.lasts(now) => {}
            CaState::Away(asked) => {
                self.failures = self.failures.saturating_add(1);
                let wait = OUTAGE_BACKOFF.jittered(self.failures, random).max(asked.unwrap_or_default());
                self.until = now.checked_add(wait);
            }
        }
    }

    pub(super) fn lasts(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        NOON + Duration::from_secs(seconds)
    }

    #[test]
    fn outage_backs_off_once_for_polls_in_flight_together_and_ends_with_an_answer() {
        let mut outage = Outage::default();
        for _ in 0..4 {
            outage.record(CaState::Away(None), NOON, u64::MAX);
        }
        assert_eq!((outage.failures, outage.until), (1, Some(at(60))));
        assert!(outage.lasts(at(59)) && !outage.lasts(at(60)));
        outage.record(CaState::Away(None), at(60), u64::MAX);
        assert_eq!(outage.until, Some(at(60 + 120)));
        outage.record(CaState::Answers, at(180), u64::MAX);
        assert!(!outage.lasts(at(180)));
    }

    #[test]
    fn outage_is_polled_once_an_hour_at_least_unless_the_ca_asks_for_more() {
        let mut outage = Outage { failures: 50, until: None };
        outage.record(CaState::Away(None), NOON, u64::MAX);
        assert_eq!(outage.until, Some(at(3600)));
        outage.record(CaState::Away(Some(Duration::from_secs(7200))), at(3600), 0);
        assert_eq!(outage.until, Some(at(3600 + 7200)));
    }
}
