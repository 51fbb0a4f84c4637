//! When the next batch may go.

use std::time::{Duration, SystemTime};

use super::ZoneWriterOptions;
use super::queue::{Limits, Queue};
use crate::BackendError;

/// The rest after the first failure in a row.
const FIRST_REST: Duration = Duration::from_millis(10);

/// What a batch that has ended tells.
#[derive(Debug)]
pub(super) struct Ended {
    /// How many calls it had.
    pub(super) calls: usize,
    pub(super) took: Duration,
    /// Why the server could not, if it could not.
    pub(super) failure: Option<BackendError>,
}

/// What the batches before teach about the next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Failures since the last success.
    failures: u32,
    /// The calls that were there when the last batch ended: its own, which may come back, and those that waited.
    expected: usize,
    gather_until: Option<SystemTime>,
    rest_until: Option<SystemTime>,
    /// Until when the server wants to be left alone, and how it said so.
    alone: Option<(SystemTime, BackendError)>,
}

/// Whether a batch may go.
#[derive(Debug)]
pub(super) enum Turn {
    /// Now.
    Go,
    /// When a batch has ended, or more calls have come.
    Later,
    /// After this time, or as for `Later` if that is earlier.
    After(Duration),
    /// None may; whoever waits is told why.
    Never(BackendError, Duration),
}

impl Pace {
    pub(super) fn learn(
        &mut self,
        ended: Ended,
        waiting: usize,
        now: SystemTime,
        options: &ZoneWriterOptions,
    ) {
        self.expected = ended.calls + waiting;
        self.gather_until = Some(now + ended.took.min(options.gather));
        let Some(failure) = ended.failure else {
            self.failures = 0;
            self.rest_until = None;
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let doubled = FIRST_REST.saturating_mul(1 << (self.failures - 1).min(16));
        let asked_for = failure.retry_after().unwrap_or_default();
        if asked_for > options.longest_rest {
            self.alone = now.checked_add(asked_for).map(|until| (until, failure));
        }
        self.rest_until = Some(now + doubled.max(asked_for).min(options.longest_rest));
    }

    /// Nothing is waited for any longer: a timer has said that the time is over.
    pub(super) fn waited(&mut self) {
        self.gather_until = None;
        self.rest_until = None;
    }

    /// Whether there is anything to remember about the zone.
    pub(super) fn remembers(&self, now: SystemTime) -> bool {
        self.rest_until.is_some_and(|until| until > now) || self.left_alone(now).is_some()
    }

    /// How the server said that it wants to be left alone, and for how long yet. Never for longer than it said, also
    /// when the clock is set back.
    fn left_alone(&self, now: SystemTime) -> Option<(&BackendError, Duration)> {
        let (until, failure) = self.alone.as_ref()?;
        let left = until.duration_since(now).ok()?;
        (!left.is_zero() && Some(left) <= failure.retry_after()).then_some((failure, left))
    }

    pub(super) fn turn(
        &mut self,
        queue: &Queue,
        in_flight: usize,
        limits: Limits,
        now: SystemTime,
        options: &ZoneWriterOptions,
    ) -> Turn {
        let left = |until: SystemTime| until.duration_since(now).unwrap_or_default();
        if let Some((failure, left)) = self.left_alone(now) {
            return Turn::Never(failure.clone(), left);
        }
        self.alone = None;
        if let Some(rest) = self.rest_until.map(left).filter(|rest| !rest.is_zero()) {
            return Turn::After(rest.min(options.longest_rest));
        }
        if in_flight > 0 {
            let window = if self.failures > 0 { 1 } else { options.batches_in_flight };
            return if in_flight < window && queue.fills(limits) { Turn::Go } else { Turn::Later };
        }
        if queue.calls() < self.expected && !queue.fills(limits) {
            let gather = self.gather_until.map(left).unwrap_or_default();
            if !gather.is_zero() {
                return Turn::After(gather.min(options.gather));
            }
        }
        Turn::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BackendErrorKind, Operation};

    #[test]
    fn a_clock_that_is_set_back_leaves_no_server_alone_for_longer() {
        let (hour, noon) = (Duration::from_secs(3600), SystemTime::UNIX_EPOCH + Duration::from_secs(43200));
        let zone = "fleet.test".parse().unwrap();
        let failure = BackendError::new(BackendErrorKind::Quota, Operation::Apply, &zone, "enough")
            .with_retry_after(hour);
        let mut pace = Pace::default();
        let options = ZoneWriterOptions::default();
        let ended = Ended { calls: 1, took: Duration::ZERO, failure: Some(failure) };
        pace.learn(ended, 0, noon, &options);
        pace.waited();
        let limits = Limits { changes: 1, octets: 1 };
        let mut turn = |now| pace.turn(&Queue::default(), 0, limits, now, &options);
        assert!(matches!(turn(noon), Turn::Never(_, left) if left == hour));
        assert!(matches!(turn(noon + hour / 4), Turn::Never(_, left) if left == hour * 3 / 4));
        assert!(matches!(turn(noon - hour), Turn::Go));
        assert!(matches!(turn(noon), Turn::Go), "it was asked since");
    }
}
