//! The loop of one zone: queues calls and sends them in batches when the pace allows.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_names::DomainName;
use futures_util::future::{Either, OptionFuture, join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::pace::{BatchEnd, Pace, Turn};
use super::queue::{Call, Queue, Size};
use super::{ActiveZones, ZoneWriterOptions};
use crate::{BackendError, BackendErrorKind, Change, DnsBackend, Operation};

/// Time for which a call of the backend continues without a caller. Well below the 10 seconds after which
/// [`Challenges`](crate::challenge::Challenges) assume that a dropped call has ended.
const ABANDONED_LIMIT: Duration = Duration::from_secs(5);

/// The data of the loop and its batches.
pub(super) struct ZoneLoop<'a, B> {
    pub(super) backend: &'a B,
    pub(super) zone: DomainName,
    pub(super) options: ZoneWriterOptions,
    pub(super) ambient: &'a Ambient,
}

impl<B: DnsBackend> ZoneLoop<'_, B> {
    /// Runs until the zone is idle, or the writer is dropped and nothing is in flight.
    pub(super) async fn run(self, mut calls: mpsc::Receiver<Call>, zones: &Weak<ActiveZones>) {
        let changes = self.backend.capabilities().max_changes.max(1);
        let limit = Size { changes, octets: self.options.max_octets };
        let (mut queue, mut pace) = (Queue::default(), Pace::new(self.options, limit));
        let mut batches = FuturesUnordered::new();
        let mut is_open = true;
        loop {
            let wait = match pace.turn(&mut queue, batches.len(), self.ambient.now()) {
                Turn::Send(batch) => {
                    batches.push(self.send(batch));
                    continue;
                }
                Turn::Wait(wait) => wait,
            };
            if !is_open && queue.calls() == 0 && batches.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(end) = batches.next() => {
                    queue.release(&end.names);
                    pace.learn(end, queue.calls(), self.ambient.now());
                }
                call = calls.recv(), if is_open => match call {
                    Some(call) => queue.push(&self.zone, call, self.options.max_waiting),
                    None => is_open = false,
                },
                Some(()) = OptionFuture::from(wait.map(|wait| self.ambient.sleep(wait))) => {
                    if queue.calls() == 0 && self.has_ended(&calls, zones) {
                        return;
                    }
                    pace.end_wait();
                }
            }
        }
    }

    /// Ends the loop of an idle zone, unless a call is on its way to it.
    fn has_ended(&self, calls: &mpsc::Receiver<Call>, zones: &Weak<ActiveZones>) -> bool {
        let Some(zones) = zones.upgrade() else { return true };
        let mut zones = zones.lock();
        // One sender is in the map; callers clone it under the same lock.
        let ends = calls.sender_strong_count() == 1 && calls.is_empty();
        ends && zones.remove(&self.zone).is_some()
    }

    /// Sends the calls together, and settles each.
    async fn send(&self, mut calls: Vec<Call>) -> BatchEnd {
        let (began, count) = (self.ambient.now(), calls.len());
        let names = calls.iter().flat_map(Call::names).cloned().collect();
        let mut failure = None;
        // Sizes of the groups that are sent separately; the last one is next.
        let mut groups = vec![count];
        while failure.is_none()
            && let Some(size) = groups.pop()
        {
            let result = self.apply(&mut calls, size).await;
            if size > 1 && result.as_ref().is_err_and(BackendError::may_concern_one_change) {
                groups.extend([size - size / 2, size / 2]);
                continue;
            }
            failure = result.clone().err().filter(BackendError::concerns_all_changes);
            // After a failure of the server, the other groups would fail in the same way.
            let settled = if failure.is_some() { calls.len() } else { size };
            calls.drain(..settled).for_each(|call| call.settle(result.clone()));
        }
        let took = self.ambient.now().duration_since(began).unwrap_or_default();
        BatchEnd { names, calls: count, took, failure }
    }

    /// Makes one call of the backend for the first `size` calls.
    async fn apply(&self, calls: &mut [Call], size: usize) -> Result<(), BackendError> {
        let changes = Change::merged(calls[..size].iter().map(|call| &call.changes[..]));
        // Callers may use a backend after a panic, so the writer may too.
        let made = AssertUnwindSafe(async { self.backend.apply(&self.zone, &changes).await }).catch_unwind();
        let abandoned = async {
            join_all(calls.iter_mut().map(|call| call.reply.closed())).await;
            self.ambient.sleep(ABANDONED_LIMIT).await;
        };
        let why = match select(pin!(made), pin!(abandoned)).await {
            Either::Left((Ok(result), _)) => return result,
            Either::Left((Err(_), _)) => "the backend panicked",
            Either::Right(_) => "the call of the backend was abandoned, because its callers were dropped",
        };
        Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, &self.zone, why))
    }
}
