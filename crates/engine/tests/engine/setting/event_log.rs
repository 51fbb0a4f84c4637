//! The events of an engine, as text.

use std::sync::Arc;

use fleetcert_engine::{Event, Events};
use parking_lot::Mutex;

/// Records events. Clones share the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventLog(Arc<Mutex<Vec<String>>>);

impl Events for EventLog {
    fn notify(&self, event: &Event<'_>) {
        self.0.lock().push(format!("{event:?}"));
    }
}

impl EventLog {
    /// Returns whether an event contains this text.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.0.lock().iter().any(|event| event.contains(text))
    }

    /// Returns the number of events of a kind, such as `OrdersHeld`.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.lock().iter().filter(|event| event.starts_with(kind)).count()
    }
}
