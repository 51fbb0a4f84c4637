//! Counters of the requests to a CA.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of HTTP requests sent to the CA, by purpose; repeats count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests for the directory.
    pub directory: u64,
    /// Requests for a nonce.
    pub new_nonce: u64,
    /// Requests that create, find, read and change accounts.
    pub account: u64,
    /// Requests about orders, from newOrder to the download of the certificate.
    pub orders: u64,
    /// Requests for renewal windows.
    pub renewal_info: u64,
    /// Revocations.
    pub revocations: u64,
}

/// Purpose of a request.
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
