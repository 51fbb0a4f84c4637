//! How much is said to the CA.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many HTTP requests were sent to the CA, by purpose; repeats count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Reading the directory.
    pub directory: u64,
    /// Fetching a nonce.
    pub new_nonce: u64,
    /// Creating, finding and changing accounts.
    pub account: u64,
    /// From newOrder to the download of the certificate.
    pub orders: u64,
    /// Asking for renewal windows.
    pub renewal_info: u64,
    /// Revoking.
    pub revocations: u64,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Directory,
    NewNonce,
    Account,
    Order,
    RenewalInfo,
    Revocation,
}

#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; 6]);

impl Counters {
    pub(super) fn count(&self, purpose: Purpose) {
        self.0[purpose as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Traffic {
        let count = |purpose: Purpose| self.0[purpose as usize].load(Ordering::Relaxed);
        Traffic {
            directory: count(Purpose::Directory),
            new_nonce: count(Purpose::NewNonce),
            account: count(Purpose::Account),
            orders: count(Purpose::Order),
            renewal_info: count(Purpose::RenewalInfo),
            revocations: count(Purpose::Revocation),
        }
    }
}
