//! Where each step is written before it is taken.

use parking_lot::Mutex;
use std::error::Error;

use async_trait::async_trait;

use crate::order::State;

/// Where an order's states are written, so that whoever comes after a crash can go on.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records that the order stands here now. When it returns, the entry outlives a crash.
    ///
    /// It replaces the entry before. A challenge record of [`State::records`] may be in the zone from now on.
    ///
    /// **Cancellation.** The entry may or may not be there; nothing was done that it names.
    ///
    /// # Errors
    /// The entry is not there for sure, or somebody else has the order now. The order is not driven on.
    async fn record(&self, entry: &State) -> Result<(), JournalError>;
}

/// A journal that did not take an entry.
#[derive(Debug, thiserror::Error)]
#[error("the order's journal did not take an entry")]
pub struct JournalError(#[source] Box<dyn Error + Send + Sync + 'static>);

impl JournalError {
    /// The failure below it.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(source.into())
    }
}

/// A journal in memory: it keeps every entry, and forgets them with the process. For tests and for trying things
/// out.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<State>>);

impl MemoryJournal {
    /// All entries, the oldest first.
    pub fn entries(&self) -> Vec<State> {
        self.0.lock().clone()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn record(&self, entry: &State) -> Result<(), JournalError> {
        self.0.lock().push(entry.clone());
        Ok(())
    }
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn Journal> = None;
