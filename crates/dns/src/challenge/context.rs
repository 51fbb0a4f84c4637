//! The state shared by publishing, withdrawing and sweeping.

use std::sync::Arc;

use fleetcert_ambient::Ambient;

use super::ledger::{Claim, Ledger};
use super::retry_delay::RetryDelay;
use super::{ChallengeOptions, ChallengeRecord};
use crate::{DnsBackend, Visibility};

/// Maximum zones changed at the same time.
pub(super) const ZONES_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct ChallengeContext {
    pub(super) backend: Arc<dyn DnsBackend>,
    pub(super) visibility: Arc<dyn Visibility>,
    pub(super) ambient: Ambient,
    pub(super) options: ChallengeOptions,
    pub(super) ledger: Ledger,
}

impl ChallengeContext {
    /// Waits until no other task of this process has the right to change the records, and takes it.
    pub(super) async fn claim(&self, records: &[ChallengeRecord]) -> Claim<'_> {
        let mut delay = RetryDelay::new(&self.options);
        loop {
            if let Some(claim) = self.ledger.claim(records) {
                return claim;
            }
            self.ambient.sleep(delay.next(None)).await;
        }
    }
}
