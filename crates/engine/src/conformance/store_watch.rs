//! A handle on a store that counts its calls, can be unavailable, and makes the calls of several threads overlap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use fleetcert_store::{
    InterceptedStore, Interceptor, MemoryStore, Store, StoreCall, StoreError, StoreErrorKind,
};
use parking_lot::Mutex;

use super::meeting::Meeting;

/// The watch on one handle. Several handles on one store count and fail each by itself.
#[derive(Debug)]
pub(super) struct StoreWatch {
    calls: AtomicUsize,
    writes: AtomicUsize,
    unavailable: AtomicBool,
    meets_at: MeetsAt,
    meeting: Mutex<Option<Arc<Meeting>>>,
}

/// The calls before which the threads of a meeting wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MeetsAt {
    EachCall,
    EachCommit,
}

impl StoreWatch {
    /// Returns a handle on the store, and the watch on it.
    pub(super) fn on(store: &Arc<MemoryStore>, meets_at: MeetsAt) -> (Arc<dyn Store>, Arc<Self>) {
        let watch = Arc::new(Self {
            calls: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            unavailable: AtomicBool::new(false),
            meets_at,
            meeting: Mutex::new(None),
        });
        (Arc::new(InterceptedStore::new(store.clone(), watch.clone())), watch)
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(super) fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    /// Makes the members of a meeting wait for each other from now on.
    pub(super) fn meet(&self, meeting: &Arc<Meeting>) {
        *self.meeting.lock() = Some(Arc::clone(meeting));
    }
}

#[async_trait]
impl Interceptor for StoreWatch {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.writes.fetch_add(usize::from(call.is_write()), Ordering::SeqCst);
        let meets = self.meets_at == MeetsAt::EachCall || matches!(call, StoreCall::Commit { .. });
        let meeting = self.meeting.lock().clone();
        if let Some(meeting) = meeting.filter(|_| meets) {
            // Each thread has a runtime of its own, so that it may block.
            meeting.wait();
        }
        match self.unavailable.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "the test makes the store unavailable")),
            false => Ok(()),
        }
    }
}
