//! What the CA saw and did, for the test that asks afterwards.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::SystemTime;

use fleetcert_acme_server::{Problem, Resource};
use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::{CertificateId, Chain, Validity};

use crate::limiter::Limit;

/// The books of a [`TestCa`](crate::TestCa): every request counted, every order, validation and certificate
/// written down, oldest first. They are written by the CA alone.
#[derive(Debug)]
pub struct Ledger {
    books: Mutex<Books>,
    size: usize,
}

#[derive(Debug, Default)]
struct Books {
    requests: BTreeMap<Resource, u64>,
    orders: VecDeque<OrderEntry>,
    validations: VecDeque<ValidationEntry>,
    certificates: VecDeque<CertificateEntry>,
    validities: HashMap<CertificateId, Validity>,
    rate_limited: BTreeMap<Limit, u64>,
    turned_away: u64,
}

/// An order that was admitted. One that was used again is here once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// When.
    pub at: SystemTime,
    /// By whom.
    pub account_url: String,
    /// Identifiers that were ordered.
    pub identifiers: IdentifierSet,
    /// Of which profile.
    pub profile: Option<String>,
    /// In whose place.
    pub replaces: Option<CertificateId>,
}

/// A challenge that was validated, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationEntry {
    /// When it was done.
    pub at: SystemTime,
    /// For whom.
    pub account_url: String,
    /// Identifier that was validated.
    pub identifier: Identifier,
    /// How it went.
    pub outcome: Result<(), Problem>,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    /// When.
    pub at: SystemTime,
    /// For whom.
    pub account_url: String,
    /// Its identifier in renewal information.
    pub id: CertificateId,
    /// The certificate and its issuer.
    pub chain: Chain,
    /// Of which profile.
    pub profile: Option<String>,
    /// In whose place.
    pub replaces: Option<CertificateId>,
}

impl Ledger {
    pub(crate) fn new(size: usize) -> Self {
        Self { books: Mutex::default(), size: size.max(1) }
    }

    /// How many requests came for `resource`, refused ones and repetitions included.
    pub fn requests(&self, resource: Resource) -> u64 {
        self.lock().requests.get(&resource).copied().unwrap_or(0)
    }

    /// How many requests came in all.
    pub fn all_requests(&self) -> u64 {
        self.lock().requests.values().sum()
    }

    /// The orders.
    pub fn orders(&self) -> Vec<OrderEntry> {
        self.lock().orders.iter().cloned().collect()
    }

    /// The validations.
    pub fn validations(&self) -> Vec<ValidationEntry> {
        self.lock().validations.iter().cloned().collect()
    }

    /// The certificates.
    pub fn certificates(&self) -> Vec<CertificateEntry> {
        self.lock().certificates.iter().cloned().collect()
    }

    /// Whether the certificate was issued here.
    pub fn has_issued(&self, certificate: &CertificateId) -> bool {
        self.lock().validities.contains_key(certificate)
    }

    /// How many requests were refused with status 429, by limit. Paused names stand at
    /// [`ConsecutiveFailures`](Limit::ConsecutiveFailures).
    pub fn rate_limited(&self) -> BTreeMap<Limit, u64> {
        self.lock().rate_limited.clone()
    }

    /// How many requests were turned away with status 503 by the
    /// [limits on requests](crate::limiter::CaLimits::requests).
    pub fn turned_away(&self) -> u64 {
        self.lock().turned_away
    }

    pub(crate) fn validity_of(&self, certificate: &CertificateId) -> Option<Validity> {
        self.lock().validities.get(certificate).copied()
    }

    pub(crate) fn count_rate_limited(&self, limit: Limit) {
        *self.lock().rate_limited.entry(limit).or_default() += 1;
    }

    pub(crate) fn count_turned_away(&self) {
        self.lock().turned_away += 1;
    }

    pub(crate) fn count(&self, resource: Resource) {
        *self.lock().requests.entry(resource).or_default() += 1;
    }

    pub(crate) fn add_order(&self, entry: OrderEntry) {
        push(&mut self.lock().orders, entry, self.size);
    }

    pub(crate) fn add_validation(&self, entry: ValidationEntry) {
        push(&mut self.lock().validations, entry, self.size);
    }

    pub(crate) fn add_certificate(&self, entry: CertificateEntry) {
        let mut books = self.lock();
        books.validities.insert(entry.id.clone(), entry.chain.leaf().validity());
        if let Some(forgotten) = push(&mut books.certificates, entry, self.size) {
            books.validities.remove(&forgotten.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }
}

/// Adds an entry and gives back the one that had to go for it.
fn push<T>(book: &mut VecDeque<T>, entry: T, size: usize) -> Option<T> {
    book.push_back(entry);
    if book.len() > size { book.pop_front() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_are_bounded() {
        let ledger = Ledger::new(2);
        for day in 0..5 {
            ledger.add_order(OrderEntry {
                at: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(day),
                account_url: String::new(),
                identifiers: "a.fleet.test".parse().unwrap(),
                profile: None,
                replaces: None,
            });
        }
        let kept: Vec<_> = ledger.orders().iter().map(|order| order.at).collect();
        assert_eq!(kept, [3, 4].map(|day| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(day)));
    }
}
