//! Orders that are killed before and after each entry of the journal.

use async_trait::async_trait;
use fleetcert_acme::order::OrderState;
use fleetcert_acme::{Entry, Journal, JournalError, MemoryJournal, Outcome};
use parking_lot::Mutex;

use crate::script::Script;
use crate::setting::{Setting, issued, wanted};

/// A journal whose process dies at one entry: before it is written, or right after.
struct DyingJournal {
    entries: Mutex<Vec<OrderState>>,
    dies_at: usize,
    writes_first: bool,
}

#[async_trait]
impl Journal for DyingJournal {
    async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        let mut entries = self.entries.lock();
        let dies = entries.len() == self.dies_at;
        if !dies || self.writes_first {
            entries.push(entry.state.clone());
        }
        if dies { Err(JournalError::new("the process died")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn order_killed_at_any_entry_gets_its_one_certificate() {
    let script = || Script { pending_polls: 1, processing_polls: Some(1), ..Script::default() };
    let whole = MemoryJournal::default();
    issued(Setting::new(script()).await.drive(wanted(), &whole).await.unwrap());
    let entries = whole.entries().len();
    assert!(entries >= 9, "{:#?}", whole.entries());

    for writes_first in [false, true] {
        for dies_at in 0..entries {
            let setting = Setting::new(script()).await;
            let journal = DyingJournal { entries: Mutex::default(), dies_at, writes_first };
            setting.drive(wanted(), &journal).await.unwrap_err();
            let context = format!("at entry {dies_at}, written: {writes_first}");

            let left = journal.entries.lock().last().cloned().unwrap_or_else(wanted);
            // The new process knows nothing but the journal.
            let state: OrderState = serde_json::from_str(&serde_json::to_string(&left).unwrap()).unwrap();
            let outcome = setting.drive(state, &MemoryJournal::default()).await.unwrap();
            assert!(matches!(outcome, Outcome::Issued { .. }), "{context}: {outcome:?}");
            assert_eq!(setting.ca.orders(), 1, "{context}");
            assert_eq!(setting.ca.certificates(), 1, "{context}");
            assert_eq!(setting.ca.answers().1, 0, "{context}: answered before the zone had the value");
            setting.driver.challenges.sweep().await.unwrap();
            assert_eq!(setting.zone.record_sets(), 0, "{context}");
        }
    }
}
