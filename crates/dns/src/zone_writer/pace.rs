//! The pace of a zone: when its next batch may go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        Self { options, limit, failures: 0, expected: 0, wait_until: UNIX_EPOCH, closed_until: None }
    }

    /// Takes the end of a batch into account, with the number of calls that wait now.
    pub(super) fn learn(&mut self, end: BatchEnd, waiting: usize, now: SystemTime) {
        self.expected = end.calls + waiting;
        self.failures = if end.failure.is_some() { self.failures.saturating_add(1) } else { 0 };
        let max = self.options.max_backoff;
        let asked_for = end.failure.as_ref().and_then(BackendError::retry_after).unwrap_or_default();
        let backoff = Backoff::new(FIRST_BACKOFF, max).delay(self.failures).max(asked_for).min(max);
        let gather = end.took.min(self.options.gather);
        self.wait_until = now + if self.failures > 0 { backoff } else { gather };
        if asked_for > max {
            self.closed_until = now.checked_add(asked_for).zip(end.failure);
        }
    }

    /// Ends the current wait. The timer decides, not the clock, which may be set back.
    pub(super) fn end_wait(&mut self) {
        self.wait_until = UNIX_EPOCH;
    }

    /// Decides the next step, and takes its batch from the queue. Fails the waiting calls while the server asked for
    /// no calls.
    pub(super) fn turn(&mut self, queue: &mut Queue, in_flight: usize, now: SystemTime) -> Turn {
        let mut remembered = IDLE_LIMIT;
        if let Some((until, failure)) = &self.closed_until
            && let Ok(left) = until.duration_since(now)
            // Never longer than the server asked for, even if the clock is set back.
            && (Duration::from_nanos(1)..=failure.retry_after().unwrap_or_default()).contains(&left)
        {
            queue.refuse_all(&failure.clone().with_retry_after(left));
            remembered = left.max(IDLE_LIMIT);
        }
        if queue.calls() == 0 {
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
