//! Who waits for which reply.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::asked::Asked;
use crate::exchange::Failure;
use crate::{ExchangeErrorKind, MessageIds};

/// The messages of one connection that are under way, by their ids.
#[derive(Debug)]
pub(super) struct InFlight {
    room: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// `None`: the id is reserved and its message is not sent yet.
    by_id: HashMap<u16, Option<Waiting>>,
    /// Callers who did not wait for their replies, since the last one came.
    given_up: u32,
    ended: bool,
}

/// A message that was sent. It keeps its place until its reply is there, whether or not its caller still is.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asked: Asked,
    pub(super) to_caller: oneshot::Sender<Result<Vec<u8>, Failure>>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// So many callers in a row who give up.
const DEAD_AFTER: u32 = 16;

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

    /// An id that nobody has; `None` after the end.
    pub(super) fn reserve(&self, ids: &MessageIds) -> Option<u16> {
        let mut table = self.lock();
        if table.ended {
            return None;
        }
        // At most one id in 64 is taken, and each comes once in a while, so this ends soon.
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

    /// Whether the reply can still come.
    pub(super) fn expect_reply(&self, waiting: Waiting) -> bool {
        let mut table = self.lock();
        if table.ended {
            return false;
        }
        table.by_id.insert(waiting.asked.id(), Some(waiting));
        true
    }

    /// A caller waits no longer. After many, and no reply between, nothing may be at the other end.
    pub(super) fn given_up(&self) {
        let mut table = self.lock();
        table.given_up = table.given_up.saturating_add(1);
        let is_dead = table.given_up >= DEAD_AFTER;
        drop(table);
        if is_dead {
            self.retire();
        }
    }

    /// Gives the reply to the caller that waits for it.
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
                // Nobody is woken while the lock is held: what that does is not known here.
                drop(table);
                if let Some(waiting) = waiting {
                    // A caller that is gone does not want it.
                    let _ = waiting.to_caller.send(Ok(reply));
                }
                Ok(())
            }
            _ => Err(foreign()),
        }
    }

    /// No reply will come any more.
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

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}
