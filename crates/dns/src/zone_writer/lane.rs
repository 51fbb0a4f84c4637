//! The work of one zone, driven by whoever waits for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::Parts;
use super::batch::Batch;
use super::pace::{Ended, Pace, Turn};
use super::queue::{Call, Limits, Queue, Ticket};
use crate::{BackendError, BackendErrorKind, Change, DnsBackend, Operation};

/// After how long a caller for whom the queue had no room may come again.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(100);
/// How often one poll looks at what is under way. Work that is woken again and again must not keep a thread: tokio makes
/// it wait by that until the task has yielded.
const LOOKS_AT_ONCE: usize = 32;

/// One zone: who waits, what is under way, and how it is driven.
///
/// There is no task. Each waiting call drives all the work of the zone when it is polled, and all of them are woken
/// when something of it has moved: so the work goes on as long as one of them is polled, be it the last. Locks are
/// taken in the order engine, desk, and held for no longer than a poll.
pub(super) struct Lane<B> {
    pub(super) parts: Arc<Parts<B>>,
    pub(super) zone: DomainName,
    desk: Mutex<Desk>,
    engine: Mutex<Engine>,
    /// The engine has something to do that it has not looked at.
    stirred: AtomicBool,
}

/// Who waits.
#[derive(Default)]
struct Desk {
    next_ticket: Ticket,
    queue: Queue,
    callers: BTreeMap<Ticket, Waiting>,
}

#[derive(Default)]
struct Waiting {
    waker: Option<Waker>,
    result: Option<Result<(), BackendError>>,
}

/// What is under way.
#[derive(Default)]
struct Engine {
    batches: FuturesUnordered<BoxFuture<'static, Ended>>,
    pace: Pace,
    timer: Option<BoxFuture<'static, ()>>,
}

impl<B: DnsBackend + 'static> Lane<B> {
    pub(super) fn new(parts: Arc<Parts<B>>, zone: DomainName) -> Arc<Self> {
        let (desk, engine) = (Mutex::default(), Mutex::default());
        Arc::new(Self { parts, zone, desk, engine, stirred: AtomicBool::new(false) })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits, or the next caller must know what the last one learned.
    pub(super) fn is_needed(&self, now: SystemTime) -> bool {
        if !self.desk().callers.is_empty() {
            return true;
        }
        // Without callers nobody holds the engine for long.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).pace.remembers(now)
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let desk = self.desk();
        desk.callers.is_empty() && desk.queue.is_idle()
    }

    /// Gives a call its result, if anybody waits for it.
    pub(super) fn settle(&self, ticket: Ticket, result: Result<(), BackendError>) {
        let mut desk = self.desk();
        let Some(waiting) = desk.callers.get_mut(&ticket) else { return };
        waiting.result = Some(result);
        let waker = waiting.waker.take();
        drop(desk);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The calls are no longer under way.
    pub(super) fn release(&self, calls: &[Call]) {
        self.desk().queue.release(calls);
    }

    /// Has the engine looked at by whoever is polled next.
    pub(super) fn go_on(&self) {
        self.stirred.store(true, SeqCst);
        let wakers: Vec<Waker> =
            self.desk().callers.values_mut().filter_map(|waiting| waiting.waker.take()).collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Drops what is under way, if nobody waits any more.
    fn give_up(&self) {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = self.desk();
        let dropped = desk.callers.is_empty().then(|| (mem::take(&mut engine.batches), engine.timer.take()));
        drop(desk);
        drop(engine);
        // Dropped batches come to the desk.
        drop(dropped);
        if self.stirred.load(SeqCst) {
            // Somebody has come meanwhile, and found the engine taken.
            self.go_on();
        }
    }

    fn drive(self: &Arc<Self>) {
        for _ in 0..LOOKS_AT_ONCE {
            // Between what one thread stirred and its failing to lock, and between another's unlocking and its look
            // at what was stirred: one of them sees the other.
            fence(SeqCst);
            if !self.stirred.load(SeqCst) {
                return;
            }
            let mut after_panic = GoOnAfterPanic { lane: self, had_engine: false };
            let mut engine = match self.engine.try_lock() {
                Ok(engine) => engine,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Whoever has it looks again before it goes.
                Err(TryLockError::WouldBlock) => return,
            };
            after_panic.had_engine = true;
            self.stirred.store(false, SeqCst);
            let waker = Waker::from(self.clone());
            self.advance(&mut engine, &mut Context::from_waker(&waker));
        }
        fence(SeqCst);
        if self.stirred.load(SeqCst) {
            // Other tasks have their turn first.
            self.go_on();
        }
    }

    fn advance(self: &Arc<Self>, engine: &mut Engine, context: &mut Context<'_>) {
        loop {
            while let Poll::Ready(Some(ended)) = engine.batches.poll_next_unpin(context) {
                let waiting = self.desk().queue.calls();
                engine.pace.learn(ended, waiting, self.parts.clock.now(), &self.parts.options);
                engine.timer = None;
            }
            let Some(batch) = self.next_batch(engine, context) else { return };
            engine.batches.push(batch.run().boxed());
        }
    }

    fn next_batch(self: &Arc<Self>, engine: &mut Engine, context: &mut Context<'_>) -> Option<Batch<B>> {
        let Parts { backend, clock, options } = &*self.parts;
        let limits =
            Limits { changes: backend.capabilities().max_changes.max(1), octets: options.max_octets };
        loop {
            let mut desk = self.desk();
            if desk.queue.calls() == 0 {
                return None;
            }
            let in_flight = engine.batches.len();
            match engine.pace.turn(&desk.queue, in_flight, limits, clock.now(), options) {
                Turn::Go => {
                    let calls = desk.queue.take(limits);
                    drop(desk);
                    engine.timer = None;
                    return (!calls.is_empty()).then(|| Batch::new(self.clone(), calls));
                }
                Turn::Later => return None,
                Turn::After(wait) => {
                    // A timer that runs out while it is polled wakes us at once, and that comes to the desk.
                    drop(desk);
                    let clock = clock.clone();
                    let timer =
                        engine.timer.get_or_insert_with(|| async move { clock.sleep(wait).await }.boxed());
                    if timer.poll_unpin(context).is_pending() {
                        return None;
                    }
                    engine.timer = None;
                    engine.pace.waited();
                }
                Turn::Never(error, left) => {
                    let tickets = desk.queue.drain();
                    drop(desk);
                    for ticket in tickets {
                        self.settle(ticket, Err(error.clone().with_retry_after(left)));
                    }
                }
            }
        }
    }
}

/// Who has found the engine taken relies on whoever has it, and that one may panic with the backend.
struct GoOnAfterPanic<'a, B: DnsBackend + 'static> {
    lane: &'a Lane<B>,
    had_engine: bool,
}

impl<B: DnsBackend + 'static> Drop for GoOnAfterPanic<'_, B> {
    fn drop(&mut self) {
        if self.had_engine && thread::panicking() {
            self.lane.go_on();
        }
    }
}

impl<B: DnsBackend + 'static> Wake for Lane<B> {
    fn wake(self: Arc<Self>) {
        self.go_on();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.go_on();
    }
}

/// One call that waits; a future of its result. Dropped, it leaves the queue.
pub(super) struct Caller<B: DnsBackend + 'static> {
    lane: Arc<Lane<B>>,
    ticket: Ticket,
}

impl<B: DnsBackend + 'static> Caller<B> {
    pub(super) fn enter(lane: &Arc<Lane<B>>, changes: &[Change]) -> Result<Self, BackendError> {
        let most = lane.parts.options.max_waiting;
        let mut desk = lane.desk();
        let waiting = desk.queue.changes();
        // A list that is longer than the queue must not be refused for ever.
        if waiting > 0 && waiting + changes.len() > most {
            let why = format!("{waiting} changes of the zone wait already, and at most {most} may");
            let error = BackendError::new(BackendErrorKind::Quota, Operation::Apply, &lane.zone, why);
            return Err(error.with_retry_after(FULL_RETRY_AFTER));
        }
        let ticket = desk.next_ticket;
        desk.next_ticket += 1;
        desk.callers.insert(ticket, Waiting::default());
        desk.queue.push(Call { ticket, changes: changes.to_vec() });
        drop(desk);
        lane.stirred.store(true, SeqCst);
        Ok(Self { lane: lane.clone(), ticket })
    }

    fn take_result(&self) -> Option<Result<(), BackendError>> {
        self.lane.desk().callers.get_mut(&self.ticket)?.result.take()
    }

    fn leave_waker(&self, waker: &Waker) {
        let mut desk = self.lane.desk();
        let Some(waiting) = desk.callers.get_mut(&self.ticket) else { return };
        if waiting.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let old = waiting.waker.replace(waker.clone());
        drop(desk);
        // A task may go with its last waker, and with it another call that comes to the desk.
        drop(old);
    }
}

impl<B: DnsBackend + 'static> Future for Caller<B> {
    type Output = Result<(), BackendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.take_result() {
            return Poll::Ready(result);
        }
        // The waker stands at the desk before the engine runs, so that nothing that it starts is missed.
        self.leave_waker(context.waker());
        self.lane.drive();
        self.take_result().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<B: DnsBackend + 'static> Drop for Caller<B> {
    fn drop(&mut self) {
        let mut desk = self.lane.desk();
        let gone = (desk.callers.remove(&self.ticket), desk.queue.remove(self.ticket));
        let last = desk.callers.is_empty();
        drop(desk);
        // A task may go with its last waker, and with it another call that comes to the desk.
        drop(gone);
        if last {
            self.lane.give_up();
        }
    }
}
