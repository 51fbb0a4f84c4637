//! The pace of a zone: when its next batch may go.

use std::time::{Duration, SystemTime};

use fleetcert_ambient::Backoff;
use fleetcert_names::DomainName;

use super::ZoneWriterOptions;
use super::queue::{Call, Queue, Size};
use crate::BackendError;

/// Back-off after the first failure in a row.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

/// Time without calls after which a zone, and what its pace has learned, is forgotten.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// The back-off and gathering of a zone, learned from its earlier batches.
pub(super) struct Pace {
    options: ZoneWriterOptions,
    /// Size of a full batch.
    limit: Size,
    /// Failures since the last success.
    failures: u32,
    /// Calls at the end of the last batch: its own, whose callers may come back, and those that waited.
    expected: usize,
    /// End of the back-off after a failure, or of gathering calls after a success.
    wait_until: SystemTime,
    /// Time until which the server asked for no calls, and its error.
    closed_until: Option<(SystemTime, BackendError)>,
}

/// A batch that has ended.
pub(super) struct BatchEnd {
    pub(super) names: Vec<DomainName>,
    /// Number of its calls.
    pub(super) calls: usize,
    pub(super) took: Duration,
    /// The server's failure, if it failed.
    pub(super) failure: Option<BackendError>,
}

/// The next step of a zone.
pub(super) enum Turn {
    /// Send this batch.
    Send(Vec<Call>),
    /// Wait until a batch ends, a call arrives, or this time has passed.
    Wait(Option<Duration>),
}

impl Pace {
    pub(super) fn new(options: ZoneWriterOptions, limit: Size) -> Self {
        let wait_until = SystemTime::UNIX_EPOCH;
        Self { options, limit, failures: 0, expected: 0, wait_until, closed_until: None }
    }

    /// Takes the end of a batch into account, with the number of calls that wait now.
    pub(super) fn learn(&mut self, end: BatchEnd, waiting: usize, now: SystemTime) {
        self.expected = end.calls + waiting;
        let Some(failure) = end.failure else {
            self.failures = 0;
            self.wait_until = now + end.took.min(self.options.gather);
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let max = self.options.max_backoff;
        let asked_for = failure.retry_after().unwrap_or_default();
        let backoff = Backoff::new(FIRST_BACKOFF, max).delay(self.failures);
        self.wait_until = now + backoff.max(asked_for).min(max);
        if asked_for > max {
            self.closed_until = now.checked_add(asked_for).map(|until| (until, failure));
        }
    }

    /// Ends the current wait. The timer decides, not the clock, which may be set back.
    pub(super) fn end_wait(&mut self) {
        self.wait_until = SystemTime::UNIX_EPOCH;
    }

    /// Returns the error of a server that asked for no calls, with the remaining wait: never more than it asked for,
    /// even if the clock is set back.
    fn closed(&self, now: SystemTime) -> Option<(Duration, BackendError)> {
        let (until, failure) = self.closed_until.as_ref()?;
        let left = until.duration_since(now).ok()?;
        let is_valid = !left.is_zero() && Some(left) <= failure.retry_after();
        is_valid.then(|| (left, failure.clone().with_retry_after(left)))
    }

    /// Decides the next step, and takes its batch from the queue. Fails the waiting calls while the server asked for no
    /// calls.
    pub(super) fn turn(&mut self, queue: &mut Queue, in_flight: usize, now: SystemTime) -> Turn {
        let closed = self.closed(now);
        if let Some((_, failure)) = &closed {
            queue.refuse_all(failure);
        }
        if queue.calls() == 0 {
            let remembered = closed.map_or(IDLE_LIMIT, |(left, _)| left.max(IDLE_LIMIT));
            return Turn::Wait((in_flight == 0).then_some(remembered));
        }
        self.closed_until = None;
        let is_full = queue.fills(self.limit);
        let has_failed = self.failures > 0;
        let max_wait = if has_failed { self.options.max_backoff } else { self.options.gather };
        let wait = self.wait_until.duration_since(now).unwrap_or_default().min(max_wait);
        let gathers = in_flight == 0 && !is_full && queue.calls() < self.expected;
        if !wait.is_zero() && (has_failed || gathers) {
            return Turn::Wait(Some(wait));
        }
        let max_in_flight = if has_failed { 1 } else { self.options.batches_in_flight };
        if in_flight > 0 && (in_flight >= max_in_flight || !is_full) {
            return Turn::Wait(None);
        }
        match queue.take(self.limit) {
            // All calls were dropped, or each has a name in flight.
            batch if batch.is_empty() => Turn::Wait((in_flight == 0).then_some(IDLE_LIMIT)),
            batch => Turn::Send(batch),
        }
    }
}

#[cfg(test)]
mod tests;
