//! One batch on its way: merged, sent, and split when one caller may have spoilt it for the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_names::DomainName;

use super::lane::Lane;
use super::pace::Ended;
use super::queue::Call;
use crate::{BackendError, BackendErrorKind, Change, DnsBackend, Operation, TxtValue};

/// Calls that are under way together. Whatever happens to it, each of them gets a result.
pub(super) struct Batch<B: DnsBackend + 'static> {
    lane: Arc<Lane<B>>,
    calls: Vec<Call>,
    /// The calls from here on have no result yet.
    settled: usize,
}

impl<B: DnsBackend + 'static> Batch<B> {
    pub(super) fn new(lane: Arc<Lane<B>>, calls: Vec<Call>) -> Self {
        Self { lane, calls, settled: 0 }
    }

    pub(super) async fn run(mut self) -> Ended {
        let lane = self.lane.clone();
        let began = lane.parts.clock.now();
        let mut failure = None;
        // How many calls go together next; the later groups wait at the bottom.
        let mut groups = vec![self.calls.len()];
        while let Some(size) = groups.pop() {
            let group = &self.calls[self.settled..self.settled + size];
            let answer = lane.parts.backend.apply(&lane.zone, &merged(group)).await;
            match answer {
                Err(error) if size > 1 && may_be_one_callers(&error) => {
                    groups.extend([size - size / 2, size / 2]);
                }
                answer => {
                    self.settle(size, &answer);
                    failure = answer.err().filter(is_the_servers);
                    if let Some(failure) = &failure {
                        // The others would only wait for the same.
                        self.settle_rest(failure);
                        break;
                    }
                }
            }
        }
        let took = lane.parts.clock.now().duration_since(began).unwrap_or_default();
        Ended { calls: self.calls.len(), took, failure }
    }

    /// Gives the next `size` calls their result.
    fn settle(&mut self, size: usize, answer: &Result<(), BackendError>) {
        for call in &self.calls[self.settled..self.settled + size] {
            self.lane.settle(call.ticket, answer.clone());
        }
        self.settled += size;
    }

    fn settle_rest(&mut self, failure: &BackendError) {
        self.settle(self.calls.len() - self.settled, &Err(failure.clone()));
    }
}

impl<B: DnsBackend + 'static> Drop for Batch<B> {
    fn drop(&mut self) {
        self.lane.release(&self.calls);
        if self.settled < self.calls.len() {
            // The backend panicked, or nobody waits any more.
            let why = "the call of the backend was given up";
            let error =
                BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, &self.lane.zone, why);
            self.settle_rest(&error);
            self.lane.go_on();
        }
    }
}

/// Whether a part of the batch may succeed although the whole has failed.
fn may_be_one_callers(error: &BackendError) -> bool {
    match error.kind() {
        BackendErrorKind::InvalidInput
        | BackendErrorKind::NotInZone
        | BackendErrorKind::Conflict
        | BackendErrorKind::Refused => true,
        // Too many records at one name, as no time to wait is given.
        BackendErrorKind::Quota => error.retry_after() == Some(Duration::ZERO),
        BackendErrorKind::Unauthenticated | BackendErrorKind::Unavailable => false,
    }
}

/// Whether the server cannot, whatever it is asked.
fn is_the_servers(error: &BackendError) -> bool {
    matches!(error.kind(), BackendErrorKind::Unavailable | BackendErrorKind::Quota)
        && !may_be_one_callers(error)
}

/// The changes of all calls in their order, without those that are the last word on their record already.
fn merged(calls: &[Call]) -> Vec<Change> {
    if let [call] = calls {
        return call.changes.clone();
    }
    let mut last_words: HashMap<(&DomainName, Option<&TxtValue>), &Change> = HashMap::new();
    let mut merged = Vec::new();
    for change in calls.iter().flat_map(|call| &call.changes) {
        if last_words.insert(change.subject(), change) != Some(change) {
            merged.push(change.clone());
        }
    }
    merged
}
