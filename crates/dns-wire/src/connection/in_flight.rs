//! The messages in flight and their callers.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::asked::Asked;
use crate::exchange::Failure;
use crate::{ExchangeErrorKind, MessageIds};

/// The messages of one connection that are in flight, by id.
#[derive(Debug)]
pub(super) struct InFlight {
    room: Arc<Semaphore>,
    table: Mutex<ReplyTable>,
}

#[derive(Debug, Default)]
struct ReplyTable {
    /// Messages by id; `None` for a reserved id whose message is not sent yet.
    by_id: HashMap<u16, Option<WaitingReply>>,
    /// Callers since the last reply that stopped waiting.
    given_up: u32,
    ended: bool,
}

/// A message that was sent. It keeps its slot until its reply arrives, even if its caller is dropped.
#[derive(Debug)]
pub(super) struct WaitingReply {
    pub(super) asked: Asked,
    pub(super) to_caller: oneshot::Sender<Result<Vec<u8>, Failure>>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Maximum callers in a row that stop waiting before the connection counts as dead.
const MAX_DROPPED_CALLERS: u32 = 16;

impl InFlight {
    pub(super) fn new(room: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(room)), table: Mutex::default() }
    }

    pub(super) fn room(&self) -> Arc<Semaphore> {
        self.room.clone()
    }

    pub(super) fn is_open(&self) -> bool {
        !self.room.is_closed()
    }

    pub(super) fn retire(&self) {
        self.room.close();
    }

    /// Reserves a free id. Returns `None` after the end.
    pub(super) fn reserve(&self, ids: &MessageIds) -> Option<u16> {
        let mut table = self.lock();
        if table.ended {
            return None;
        }
        // At most one id in 64 is in use, and `ids` visits every id, so this ends soon.
        let mut id = ids.next();
        while table.by_id.contains_key(&id) {
            id = ids.next();
        }
        table.by_id.insert(id, None);
        Some(id)
    }

    pub(super) fn release(&self, id: u16) {
        self.lock().by_id.remove(&id);
    }

    /// Registers a sent message. Returns whether its reply can still come.
    pub(super) fn expect_reply(&self, waiting: WaitingReply) -> bool {
        let mut table = self.lock();
        if table.ended {
            return false;
        }
        table.by_id.insert(waiting.asked.id(), Some(waiting));
        true
    }

    /// Notes that a caller stopped waiting. After many without a reply in between, the connection may be dead.
    pub(super) fn given_up(&self) {
        let mut table = self.lock();
        table.given_up = table.given_up.saturating_add(1);
        let is_dead = table.given_up >= MAX_DROPPED_CALLERS;
        drop(table);
        if is_dead {
            self.retire();
        }
    }

    /// Delivers the reply to its caller.
    pub(super) fn deliver(&self, reply: Vec<u8>) -> Result<(), Failure> {
        let foreign = || Failure::from(ExchangeErrorKind::ForeignReply);
        let id = reply.first_chunk().copied().map(u16::from_be_bytes).ok_or_else(foreign)?;
        let mut table = self.lock();
        match table.by_id.entry(id) {
            Entry::Occupied(entry)
                if entry.get().as_ref().is_some_and(|waiting| waiting.asked.is_answered_by(&reply)) =>
            {
                let waiting = entry.remove();
                table.given_up = 0;
                // Wake no task while the lock is held: a waker may run arbitrary code.
                drop(table);
                if let Some(waiting) = waiting {
                    // A dropped caller does not need the reply.
                    let _ = waiting.to_caller.send(Ok(reply));
                }
                Ok(())
            }
            _ => Err(foreign()),
        }
    }

    /// Fails all callers: no reply will come any more.
    pub(super) fn end(&self, failure: &Failure) {
        self.room.close();
        let mut table = self.lock();
        table.ended = true;
        let told = std::mem::take(&mut table.by_id);
        drop(table);
        for waiting in told.into_values().flatten() {
            let _ = waiting.to_caller.send(Err(failure.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReplyTable> {
        self.table.lock()
    }
}
