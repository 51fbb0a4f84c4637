//! The cost of an order: which tokens it takes, and when.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_names::{DomainName, IdentifierSet};

use super::key::{Account, BucketKey, LimitKind};
use super::limits::{Limits, Rule};

/// Time after its last issuance for which a set of names is a renewal for Let's Encrypt.
pub const SAME_SET_WINDOW: Duration = Duration::from_secs(120 * 86_400);
/// Maximum time of an order, from the request to the certificate. After it the order is given up.
pub const MAX_ORDER_AGE: Duration = Duration::from_secs(86_400);
/// Maximum difference between the CA's clock and ours: an order this close to an end of the window counts as outside.
pub const WINDOW_MARGIN: Duration = Duration::from_secs(60);

/// The kind of an order by the CA's rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// A new order, which is exempt from no limit.
    New,
    /// An order for the exact set of names of a certificate that the CA issued, to any account, less than
    /// [`SAME_SET_WINDOW`] ago.
    SameSet,
    /// An order inside the suggested window that names its predecessor in `replaces` (RFC 9773 section 5). The same
    /// account ordered the predecessor, and they share a name.
    AriWindow {
        /// Whether it also is a [`SameSet`](Self::SameSet).
        same_set: bool,
    },
}

impl OrderKind {
    /// Returns the kind of an order that is sent at `now` and may take [`MAX_ORDER_AGE`].
    ///
    /// `replaces_window` is the window that the CA named for the predecessor, if the order names that one in `replaces`.
    pub fn at(
        replaces_window: Option<(SystemTime, SystemTime)>,
        last_issued: Option<SystemTime>,
        now: SystemTime,
    ) -> Self {
        let is_inside = |(start, end)| start + WINDOW_MARGIN <= now && now + WINDOW_MARGIN < end;
        Self::of(replaces_window.is_some_and(is_inside), last_issued, now + MAX_ORDER_AGE)
    }

    /// Returns the kind of an order that will be done at `done_at`.
    ///
    /// The CA checks the age of the last certificate with the exact set twice, at the order and at issuance, so
    /// `done_at` should be the latest end of the order. A set that was issued after `done_at` is a renewal.
    pub fn of(replaces_in_window: bool, last_issued: Option<SystemTime>, done_at: SystemTime) -> Self {
        let same_set = last_issued
            .is_some_and(|issued| done_at.duration_since(issued).map_or(true, |age| age < SAME_SET_WINDOW));
        match (replaces_in_window, same_set) {
            (true, same_set) => Self::AriWindow { same_set },
            (false, true) => Self::SameSet,
            (false, false) => Self::New,
        }
    }
}

/// The event at which the CA takes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Spent {
    /// The CA accepts the request: a new order, or a new account.
    AtRequest,
    /// The CA issues the certificate.
    AtIssuance,
    /// A validation of the name fails.
    AtFailedValidation,
}

/// One token of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Bucket.
    pub key: BucketKey,
    /// Whether the CA checks the bucket at the request, and refuses the request if it is empty.
    pub checked: bool,
    /// Event at which the CA takes the token.
    pub spent: Spent,
}

/// The cost of one request: one token of each bucket. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charges {
    charges: Arc<[Charge]>,
    /// The whole-account bucket of the ordering account; it is read and never spent.
    whole: Option<BucketKey>,
}

impl Charges {
    /// Returns what an order of `account` for `identifiers` costs.
    ///
    /// | limit | new | same set | in the ARI window |
    /// | --- | --- | --- | --- |
    /// | new orders | checked and spent at the order | - | - |
    /// | certificates of a domain | checked at the order, spent at issuance | - | spent at issuance, unless it is the same set |
    /// | exact set | checked at the order, spent at issuance | the same | spent at issuance |
    /// | failed validations | checked at the order, spent at a failure | the same | spent at a failure |
    /// | failures in a row | checked at the order, spent at a failure | the same | the same |
    ///
    /// With an override for certificates per domain and account, the account's bucket is checked in place of the
    /// domain's, and both are spent.
    ///
    /// These are the rules of Let's Encrypt. No order is known to be exempt from an unknown limit ([`Rule::Unknown`]), so
    /// each order costs as much as a new one.
    pub fn order(limits: &Limits, kind: OrderKind, account: &Account, identifiers: &IdentifierSet) -> Self {
        let unknown = |limit| limits.rule(limit) == Rule::Unknown;
        let in_window = matches!(kind, OrderKind::AriWindow { .. });
        let checked = |limit| !in_window || unknown(limit);
        let mut charges = Vec::with_capacity(3 + 4 * identifiers.len());
        let mut charge = |key, checked, spent| charges.push(Charge { key, checked, spent });

        if kind == OrderKind::New || unknown(LimitKind::NewOrdersPerAccount) {
            charge(BucketKey::NewOrdersPerAccount(account.clone()), true, Spent::AtRequest);
        }
        let counts = matches!(kind, OrderKind::New | OrderKind::AriWindow { same_set: false });
        if counts || unknown(LimitKind::CertificatesPerDomain) {
            let for_account = limits.counts_domains_for(account);
            let checked = checked(LimitKind::CertificatesPerDomain);
            for domain in counted_domains(limits, identifiers) {
                if for_account {
                    let key = BucketKey::CertificatesPerDomainPerAccount(account.clone(), domain.clone());
                    charge(key, checked, Spent::AtIssuance);
                }
                charge(BucketKey::CertificatesPerDomain(domain), checked && !for_account, Spent::AtIssuance);
            }
        }
        let exact = BucketKey::CertificatesPerFqdnSet(identifiers.clone());
        charge(exact, checked(LimitKind::CertificatesPerFqdnSet), Spent::AtIssuance);
        for host in identifiers.bases() {
            let failed = BucketKey::FailedAuthorizationsPerDomainPerAccount(account.clone(), host.clone());
            let checked = checked(LimitKind::FailedAuthorizationsPerDomainPerAccount);
            charge(failed, checked, Spent::AtFailedValidation);
            let pausing =
                BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account.clone(), host.clone());
            charge(pausing, true, Spent::AtFailedValidation);
        }
        Self { charges: charges.into(), whole: Some(BucketKey::WholeAccount(account.clone())) }
    }

    /// Returns the cost of a new account that is requested from `address`.
    pub fn registration(address: IpAddr) -> Self {
        let mut keys = vec![BucketKey::NewRegistrationsPerIpAddress(address)];
        if let IpAddr::V6(address) = address {
            keys.push(BucketKey::ipv6_range(address));
        }
        let charge = |key| Charge { key, checked: true, spent: Spent::AtRequest };
        Self { charges: keys.into_iter().map(charge).collect(), whole: None }
    }

    /// Iterates over the charges.
    pub fn iter(&self) -> impl Iterator<Item = &Charge> + Clone {
        self.charges.iter()
    }

    /// Iterates over the buckets that decide about a reservation: those of the charges, and the account's
    /// [`LimitKind::WholeAccount`], which is read and never written.
    pub fn keys(&self) -> impl Iterator<Item = &BucketKey> + Clone {
        self.charges.iter().map(|charge| &charge.key).chain(&self.whole)
    }

    /// Iterates over the buckets that the CA checks and that orders for other names draw on as well, and the account's
    /// [`LimitKind::WholeAccount`]. If one of them is empty, all orders that share it wait for the same time.
    pub fn shared(&self) -> impl Iterator<Item = &BucketKey> {
        self.shared_charges().map(|charge| &charge.key).chain(&self.whole)
    }

    pub(super) fn shared_charges(&self) -> impl Iterator<Item = &Charge> {
        let identifiers = self.charges.iter().find_map(|charge| match &charge.key {
            BucketKey::CertificatesPerFqdnSet(set) => Some(set),
            _ => None,
        });
        let checked = self.charges.iter().filter(|charge| charge.checked);
        checked.filter(move |charge| identifiers.is_some_and(|set| charge.key.is_shared_beyond(set)))
    }

    pub(super) fn whole_account(&self) -> Option<&BucketKey> {
        self.whole.as_ref()
    }
}

/// Returns the domains that the CA counts, each once, sorted.
fn counted_domains(limits: &Limits, identifiers: &IdentifierSet) -> Vec<DomainName> {
    let mut domains: Vec<DomainName> = identifiers.bases().map(|name| limits.counted_domain(name)).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}
