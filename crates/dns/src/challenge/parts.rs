//! What publishing, withdrawing and sweeping share.

use std::sync::Arc;

use fleetcert_ambient::Clock;

use super::ledger::{Claim, Ledger};
use super::pace::Pace;
use super::{ChallengeOptions, ChallengeRecord};
use crate::{DnsBackend, Visibility};

/// Maximum zones that are changed at the same time.
pub(super) const ZONES_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) backend: Arc<dyn DnsBackend>,
    pub(super) visibility: Arc<dyn Visibility>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: ChallengeOptions,
    pub(super) ledger: Ledger,
}

impl Parts {
    /// Waits until nobody else in this process has the right to change the records, and takes it.
    pub(super) async fn claim(&self, records: &[ChallengeRecord]) -> Claim<'_> {
        let mut pace = Pace::new(&self.options);
        loop {
            if let Some(claim) = self.ledger.claim(records) {
                return claim;
            }
            self.clock.sleep(pace.next(None)).await;
        }
    }
}
