//! The journal of an order: each step is written to it before the step is taken.

use std::error::Error;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::Fault;
use crate::order::OrderState;

/// Durable storage for the entries of one order, so that the order can be resumed after a crash.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_acme::{Entry, Journal, JournalError};
///
/// /// Keeps the last entry of an order in a file.
/// struct FileJournal(std::path::PathBuf);
///
/// #[async_trait]
/// impl Journal for FileJournal {
///     async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
///         let json = serde_json::to_vec(&entry.state)
///             .map_err(JournalError::new)?;
///         // A real one writes to a temporary file, syncs it, renames it.
///         std::fs::write(&self.0, json).map_err(JournalError::new)
///     }
/// }
/// ```
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records an entry. When the call returns, the entry survives a crash.
    ///
    /// The entry replaces the one before. From now on the challenge records of [`OrderState::records`] may be in the zone.
    ///
    /// **Cancellation.** The entry may or may not be stored; the step that it announces was not taken.
    ///
    /// # Errors
    /// The entry may not be stored, or another process owns the order now. The order is not driven further.
    async fn record(&self, entry: &Entry) -> Result<(), JournalError>;
}

/// One entry of an order's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// State of the order. It is all that has to be stored.
    pub state: OrderState,
    /// Fault of the CA that led to this state, if one did.
    pub fault: Option<Fault>,
}

/// A failure to record an entry.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the order's journal")]
pub struct JournalError(#[source] Box<dyn Error + Send + Sync + 'static>);

impl JournalError {
    /// Returns an error with its cause.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(source.into())
    }
}

/// A journal in memory, which keeps every entry. For tests and experiments.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<Entry>>);

impl MemoryJournal {
    /// Returns all entries, the oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().clone()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        self.0.lock().push(entry.clone());
        Ok(())
    }
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn Journal> = None;
