//! The limits of a CA as data.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetcert_names::{DomainName, HostName};

use super::key::{Account, BucketKey, LimitKind};
use super::limit::Limit;
use super::suffix::Suffixes;

/// One limit of a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The CA has the limit, with these numbers.
    Limited(Limit),
    /// The CA does not have the limit.
    Unlimited,
    /// The CA does not publish the limit. Only its refusals can be mirrored.
    Unknown,
}

/// The limits of one CA, and the overrides that it granted.
///
/// The numbers of Let's Encrypt are those of its documentation of August 2026 (production) and April 2026
/// (staging).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rules in the order of [`LimitKind::ALL`].
    rules: [Rule; 9],
    orders: BTreeMap<Account, Limit>,
    domains: BTreeMap<DomainName, Limit>,
    domains_of_account: BTreeMap<Account, Limit>,
    suffixes: Suffixes,
}

/// An override that Let's Encrypt grants: a limit, and its account or domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Override {
    /// [`LimitKind::NewOrdersPerAccount`] of one account.
    NewOrdersPerAccount(Account),
    /// [`LimitKind::CertificatesPerDomain`] of one registered domain.
    CertificatesPerDomain(DomainName),
    /// [`LimitKind::CertificatesPerDomainPerAccount`] of one account, in each registered domain. It takes the place
    /// of the check per domain.
    CertificatesPerDomainPerAccount(Account),
}

/// The warning about an override that refills more slowly than the limit that it replaces.
///
/// This holds for the small tiers for new orders at Let's Encrypt (1,000, 5,000 and 10,000 in a week): the default is
/// 16,800 in a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowerThanDefault {
    /// Limit without the override.
    pub default: Limit,
    /// Limit with the override.
    pub replaced_by: Limit,
}

impl Limits {
    /// Returns the limits of Let's Encrypt's production service.
    pub fn lets_encrypt_production() -> Self {
        Self::of([
            Rule::Limited(PRODUCTION_REGISTRATIONS_PER_ADDRESS),
            Rule::Limited(REGISTRATIONS_PER_RANGE),
            Rule::Limited(PRODUCTION_NEW_ORDERS),
            Rule::Limited(PRODUCTION_FAILED),
            Rule::Limited(PRODUCTION_PER_DOMAIN),
            Rule::Unlimited,
            Rule::Limited(PRODUCTION_EXACT_SET),
            Rule::Limited(PRODUCTION_PAUSING),
            Rule::Unlimited,
        ])
    }

    /// Returns the limits of Let's Encrypt's staging service.
    pub fn lets_encrypt_staging() -> Self {
        Self::of([
            Rule::Limited(STAGING_REGISTRATIONS_PER_ADDRESS),
            Rule::Limited(REGISTRATIONS_PER_RANGE),
            Rule::Limited(STAGING_NEW_ORDERS),
            Rule::Limited(STAGING_FAILED),
            Rule::Limited(STAGING_PER_DOMAIN),
            Rule::Unlimited,
            Rule::Limited(STAGING_EXACT_SET),
            Rule::Limited(STAGING_PAUSING),
            Rule::Unlimited,
        ])
    }

    /// Returns the limits of a CA that publishes none: only its refusals are mirrored, and each order costs as much as a
    /// new one.
    ///
    /// Known in 2026 about CAs other than Let's Encrypt:
    ///
    /// - ZeroSSL does not publish its limits. It has limits per second at every endpoint, and refuses with the status 429
    ///   and an HTML page without details; orders with several names meet it sooner. It has asked for a wait of a day.
    /// - Google Trust Services asks clients to honour `Retry-After`. It has a quota for each project; its size is not
    ///   published. No help link names the limit.
    /// - SSL.com publishes none.
    ///
    /// Use [`with_rule`](Self::with_rule) for limits of a contract.
    pub fn unknown() -> Self {
        Self::of([Rule::Unknown; 9])
    }

    fn of(rules: [Rule; 9]) -> Self {
        let (orders, domains, domains_of_account) = Default::default();
        Self { rules, orders, domains, domains_of_account, suffixes: Suffixes::default() }
    }

    /// Returns the limits with another rule for `kind`.
    #[must_use]
    pub fn with_rule(mut self, kind: LimitKind, rule: Rule) -> Self {
        self.put_rule(kind, rule);
        self
    }

    /// Returns the limits of a CA that counts `suffix` as a public suffix: each name below it is a registered domain.
    ///
    /// Use it for a zone that was added to the public suffix list after this crate was built. The CA must use the new
    /// list as well, or it refuses orders that the mirror allows.
    #[must_use]
    pub fn with_public_suffix(mut self, suffix: DomainName) -> Self {
        self.suffixes.add(suffix);
        self
    }

    /// Iterates over the suffixes that [`with_public_suffix`](Self::with_public_suffix) added.
    pub fn added_suffixes(&self) -> impl Iterator<Item = &DomainName> {
        self.suffixes.iter()
    }

    /// Returns the domain by which the CA counts certificates for this name: the registered domain, or the name itself if
    /// it is a public suffix.
    pub fn counted_domain(&self, name: &HostName) -> DomainName {
        self.suffixes.counted_domain(name)
    }

    /// Sets an override, and returns a warning if it refills more slowly than the default. It is set in any case, because
    /// the mirror must follow the CA.
    pub fn set_override(&mut self, scope: Override, limit: Limit) -> Option<SlowerThanDefault> {
        let default = match &scope {
            Override::NewOrdersPerAccount(_) => self.rule(LimitKind::NewOrdersPerAccount),
            // The override of an account takes the place of the check per domain.
            Override::CertificatesPerDomain(_) | Override::CertificatesPerDomainPerAccount(_) => {
                self.rule(LimitKind::CertificatesPerDomain)
            }
        };
        self.put_override(scope, limit);
        match default {
            Rule::Limited(default) if limit.emission_interval() > default.emission_interval() => {
                Some(SlowerThanDefault { default, replaced_by: limit })
            }
            _ => None,
        }
    }

    /// Returns the rule without overrides.
    pub fn rule(&self, kind: LimitKind) -> Rule {
        self.rules.get(kind as usize).copied().unwrap_or(Rule::Unknown)
    }

    /// Returns the rule for one bucket.
    pub fn rule_for(&self, key: &BucketKey) -> Rule {
        let granted = match key {
            BucketKey::NewOrdersPerAccount(account) => self.orders.get(account),
            BucketKey::CertificatesPerDomain(domain) => self.domains.get(domain),
            BucketKey::CertificatesPerDomainPerAccount(account, _) => self.domains_of_account.get(account),
            _ => None,
        };
        granted.map_or_else(|| self.rule(key.kind()), |limit| Rule::Limited(*limit))
    }

    /// Returns whether the certificates of this account in a registered domain are counted for the account alone.
    pub(super) fn counts_domains_for(&self, account: &Account) -> bool {
        self.domains_of_account.contains_key(account)
    }

    /// Learns a limit that the CA reported, and returns whether it did. A limit without overrides has changed for all
    /// accounts. At most [`MAX_LEARNED`] overrides are learned; beyond them the default stays.
    pub(super) fn learn(&mut self, key: &BucketKey, limit: Limit) -> bool {
        let (scope, known) = match key {
            BucketKey::WholeAccount(_) => return false,
            BucketKey::NewOrdersPerAccount(account) => {
                (Override::NewOrdersPerAccount(account.clone()), self.orders.contains_key(account))
            }
            BucketKey::CertificatesPerDomain(domain) => {
                (Override::CertificatesPerDomain(domain.clone()), self.domains.contains_key(domain))
            }
            BucketKey::CertificatesPerDomainPerAccount(account, _) => (
                Override::CertificatesPerDomainPerAccount(account.clone()),
                self.domains_of_account.contains_key(account),
            ),
            _ => {
                self.put_rule(key.kind(), Rule::Limited(limit));
                return true;
            }
        };
        let overrides = self.orders.len() + self.domains.len() + self.domains_of_account.len();
        let room = known || overrides < MAX_LEARNED;
        if room {
            self.put_override(scope, limit);
        }
        room
    }

    fn put_rule(&mut self, kind: LimitKind, rule: Rule) {
        if let Some(place) = self.rules.get_mut(kind as usize) {
            *place = rule;
        }
    }

    fn put_override(&mut self, scope: Override, limit: Limit) {
        match scope {
            Override::NewOrdersPerAccount(account) => self.orders.insert(account, limit),
            Override::CertificatesPerDomain(domain) => self.domains.insert(domain, limit),
            Override::CertificatesPerDomainPerAccount(account) => {
                self.domains_of_account.insert(account, limit)
            }
        };
    }
}

const MAX_LEARNED: usize = 10_000;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const THREE_HOURS: Duration = Duration::from_secs(3 * 3600);
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);

const PRODUCTION_REGISTRATIONS_PER_ADDRESS: Limit = limit(10, 10, THREE_HOURS);
const REGISTRATIONS_PER_RANGE: Limit = limit(500, 500, THREE_HOURS);
const PRODUCTION_NEW_ORDERS: Limit = limit(300, 300, THREE_HOURS);
const PRODUCTION_FAILED: Limit = limit(5, 5, HOUR);
const PRODUCTION_PER_DOMAIN: Limit = limit(50, 50, WEEK);
const PRODUCTION_EXACT_SET: Limit = limit(5, 5, WEEK);
const PRODUCTION_PAUSING: Limit = limit(1152, 1, DAY);

const STAGING_REGISTRATIONS_PER_ADDRESS: Limit = limit(50, 50, THREE_HOURS);
const STAGING_NEW_ORDERS: Limit = limit(1500, 1500, THREE_HOURS);
const STAGING_FAILED: Limit = limit(200, 200, HOUR);
const STAGING_PER_DOMAIN: Limit = limit(30_000, 30_000, SECOND);
const STAGING_EXACT_SET: Limit = limit(30_000, 30_000, WEEK);
const STAGING_PAUSING: Limit = limit(3600, 3600, SIX_HOURS);

const fn limit(burst: u32, count: u32, period: Duration) -> Limit {
    match Limit::new(burst, count, period) {
        Ok(limit) => limit,
        // Evaluated by the compiler: a wrong line in this table does not build.
        Err(_) => unreachable!(),
    }
}
