//! The pace of a zone: when its next batch may go.

use std::time::{Duration, SystemTime};

use fleetcert_ambient::Backoff;
use fleetcert_names::DomainName;

use super::ZoneWriterOptions;
use super::queue::{Queue, Size};
use crate::BackendError;

/// Back-off after the first failure in a row.
const FIRST_REST: Duration = Duration::from_millis(10);

/// Time without calls after which a zone, and what its pace has learned, is forgotten.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// What earlier batches tell about the next.
#[derive(Debug)]
pub(super) struct Pace {
    options: ZoneWriterOptions,
    /// Size of a full batch.
    limit: Size,
    /// Failures since the last success.
    failures: u32,
    /// Calls at the end of the last batch: its own, whose callers may come back, and those that waited.
    expected: usize,
    gather_until: SystemTime,
    rest_until: SystemTime,
    /// Time until which the server asked for no calls, and its error.
    closed_until: Option<(SystemTime, BackendError)>,
}

/// The end of a batch.
#[derive(Debug)]
pub(super) struct BatchEnd {
    pub(super) names: Vec<DomainName>,
    /// Number of its calls.
    pub(super) calls: usize,
    pub(super) took: Duration,
    /// The server's failure, if it failed.
    pub(super) failure: Option<BackendError>,
}

/// Whether a batch may go.
#[derive(Debug)]
pub(super) enum Turn {
    /// A batch may go now.
    Go,
    /// None may until a batch ends, a call arrives, or this time is over.
    Wait(Option<Duration>),
    /// None may; the waiting calls fail with this error.
    Refuse(BackendError),
}

impl Pace {
    pub(super) fn new(options: ZoneWriterOptions, limit: Size) -> Self {
        let (gather_until, rest_until) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        Self { options, limit, failures: 0, expected: 0, gather_until, rest_until, closed_until: None }
    }

    pub(super) fn learn(&mut self, end: BatchEnd, waiting: usize, now: SystemTime) {
        self.expected = end.calls + waiting;
        self.gather_until = now + end.took.min(self.options.gather);
        let Some(failure) = end.failure else {
            self.failures = 0;
            self.rest_until = now;
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let longest = self.options.longest_rest;
        let asked_for = failure.retry_after().unwrap_or_default();
        let rest = Backoff::new(FIRST_REST, longest).delay(self.failures).max(asked_for);
        self.rest_until = now + rest.min(longest);
        if asked_for > longest {
            self.closed_until = now.checked_add(asked_for).map(|until| (until, failure));
        }
    }

    /// Ends the current wait. The timer decides, not the clock, which may be set back.
    pub(super) fn end_wait(&mut self) {
        self.gather_until = SystemTime::UNIX_EPOCH;
        self.rest_until = SystemTime::UNIX_EPOCH;
    }

    /// Returns the server's request for no calls, with the time left: never more than it asked for, even if the clock is
    /// set back.
    fn closed(&self, now: SystemTime) -> Option<(Duration, BackendError)> {
        let (until, failure) = self.closed_until.as_ref()?;
        let left = until.duration_since(now).ok()?;
        let is_valid = !left.is_zero() && Some(left) <= failure.retry_after();
        is_valid.then(|| (left, failure.clone().with_retry_after(left)))
    }

    pub(super) fn turn(&mut self, queue: &Queue, in_flight: usize, now: SystemTime) -> Turn {
        let options = &self.options;
        let left = |until: SystemTime| until.duration_since(now).unwrap_or_default();
        let closed = self.closed(now);
        if queue.calls() == 0 {
            let remembered = closed.map_or(IDLE_LIMIT, |(left, _)| left.max(IDLE_LIMIT));
            return Turn::Wait((in_flight == 0).then_some(remembered));
        }
        if let Some((_, failure)) = closed {
            return Turn::Refuse(failure);
        }
        self.closed_until = None;
        let rest = left(self.rest_until).min(options.longest_rest);
        if !rest.is_zero() {
            return Turn::Wait(Some(rest));
        }
        if in_flight > 0 {
            let window = if self.failures > 0 { 1 } else { options.batches_in_flight };
            return if in_flight < window && queue.fills(self.limit) { Turn::Go } else { Turn::Wait(None) };
        }
        let gather = left(self.gather_until).min(options.gather);
        if queue.calls() < self.expected && !queue.fills(self.limit) && !gather.is_zero() {
            return Turn::Wait(Some(gather));
        }
        Turn::Go
    }
}

#[cfg(test)]
mod tests;
