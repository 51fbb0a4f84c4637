//! The limits of a CA, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleetcert_names::{DomainName, HostName, registered_domain};

use super::key::{Account, BucketKey, LimitKind};
use super::limit::Limit;

/// What is known of one limit of a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The CA has it, with these numbers.
    Limited(Limit),
    /// The CA is known not to have it.
    Unlimited,
    /// The CA has published nothing. Its refusals are all that can be mirrored.
    Unknown,
}

/// The limits of one CA, and what it granted to us beyond them.
///
/// The numbers of Let's Encrypt are those of its documentation of August 2026 (production) and April 2026
/// (staging).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    rules: BTreeMap<LimitKind, Rule>,
    overrides: BTreeMap<Override, Limit>,
    suffixes: BTreeSet<DomainName>,
}

/// The limits for which Let's Encrypt grants an override, and for whom.
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

/// An override that makes things worse in the long run: it refills more slowly than what it takes the place of.
///
/// The small tiers for new orders that Let's Encrypt offers (1,000, 5,000 and 10,000 in a week) are such: its
/// default lets 16,800 through in a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowerThanDefault {
    /// What holds without the override.
    pub default: Limit,
    /// What holds with it.
    pub replaced_by: Limit,
}

impl Limits {
    /// Those of Let's Encrypt's production service.
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
        ])
    }

    /// Those of Let's Encrypt's staging service.
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
        ])
    }

    /// Those of a CA that publishes none, such as ZeroSSL, Google Trust Services and SSL.com: nothing is known,
    /// and only what the CA refuses is mirrored.
    pub fn unknown() -> Self {
        Self::of([Rule::Unknown; 8])
    }

    fn of(rules: [Rule; 8]) -> Self {
        Self {
            rules: LimitKind::ALL.into_iter().zip(rules).collect(),
            overrides: BTreeMap::new(),
            suffixes: BTreeSet::new(),
        }
    }

    /// The same limits with another rule for `kind`.
    #[must_use]
    pub fn with_rule(mut self, kind: LimitKind, rule: Rule) -> Self {
        self.rules.insert(kind, rule);
        self
    }

    /// The same limits of a CA that counts on `suffix` as on a public suffix: each name below it by itself.
    ///
    /// For a zone that was put on the public suffix list after the list was compiled into this crate. The CA must have
    /// taken the new list up too, or it refuses what the mirror allows.
    #[must_use]
    pub fn with_public_suffix(mut self, suffix: DomainName) -> Self {
        self.suffixes.insert(suffix);
        self
    }

    /// The domain on which the CA counts certificates for this name: the registered domain, or the name itself when
    /// it is a public suffix.
    pub fn counted_domain(&self, name: &HostName) -> DomainName {
        let name = name.as_domain();
        self.suffixes
            .iter()
            .filter_map(|suffix| below(name, suffix))
            .max_by_key(|domain| domain.as_str().len())
            .or_else(|| registered_domain(name))
            .unwrap_or_else(|| name.clone())
    }

    /// Takes `limit` for what `scope` names, from now on, and warns when it is worse than the default in the long
    /// run. It is taken even so: the mirror must show what the CA does.
    pub fn set_override(&mut self, scope: Override, limit: Limit) -> Option<SlowerThanDefault> {
        let default = match &scope {
            Override::NewOrdersPerAccount(_) => self.rule(LimitKind::NewOrdersPerAccount),
            // The override of an account takes the place of the check per domain.
            Override::CertificatesPerDomain(_) | Override::CertificatesPerDomainPerAccount(_) => {
                self.rule(LimitKind::CertificatesPerDomain)
            }
        };
        self.overrides.insert(scope, limit);
        match default {
            Rule::Limited(default) if limit.emission_interval() > default.emission_interval() => {
                Some(SlowerThanDefault { default, replaced_by: limit })
            }
            _ => None,
        }
    }

    /// What holds for those without an override.
    pub fn rule(&self, kind: LimitKind) -> Rule {
        self.rules.get(&kind).copied().unwrap_or(Rule::Unknown)
    }

    /// What holds for one bucket.
    pub fn rule_for(&self, key: &BucketKey) -> Rule {
        let granted = override_of(key).and_then(|scope| self.overrides.get(&scope));
        granted.map_or_else(|| self.rule(key.kind()), |limit| Rule::Limited(*limit))
    }

    /// Whether the certificates of this account in a registered domain are counted for the account alone.
    pub(super) fn counts_domains_for(&self, account: &Account) -> bool {
        self.overrides.contains_key(&Override::CertificatesPerDomainPerAccount(account.clone()))
    }

    /// Takes what the CA itself said of a bucket, and says whether it did. What cannot be overridden has changed for
    /// everybody. Only so many overrides are learned; beyond them the default stays, and each refusal counts alone.
    pub(super) fn learn(&mut self, key: &BucketKey, limit: Limit) -> bool {
        let Some(scope) = override_of(key) else {
            self.rules.insert(key.kind(), Rule::Limited(limit));
            return true;
        };
        let room = self.overrides.len() < MAX_LEARNED || self.overrides.contains_key(&scope);
        if room {
            self.overrides.insert(scope, limit);
        }
        room
    }
}

/// The part of `name` that is one label longer than `suffix`, or `suffix` itself.
fn below(name: &DomainName, suffix: &DomainName) -> Option<DomainName> {
    if !name.is_within(suffix) {
        return None;
    }
    let rest = name.as_str().len() - suffix.as_str().len();
    let label = name.as_str()[..rest.saturating_sub(1)].rfind('.').map_or(0, |dot| dot + 1);
    name.as_str()[label..].parse().ok()
}

const MAX_LEARNED: usize = 10_000;

fn override_of(key: &BucketKey) -> Option<Override> {
    match key {
        BucketKey::NewOrdersPerAccount(account) => Some(Override::NewOrdersPerAccount(account.clone())),
        BucketKey::CertificatesPerDomain(domain) => Some(Override::CertificatesPerDomain(domain.clone())),
        BucketKey::CertificatesPerDomainPerAccount(account, _) => {
            Some(Override::CertificatesPerDomainPerAccount(account.clone()))
        }
        _ => None,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_was_listed_lately_is_counted_below() {
        let listed = |suffix: &str| {
            Limits::lets_encrypt_production().with_public_suffix(suffix.parse().expect("a domain name"))
        };
        let counted = |limits: &Limits, name: &str| {
            limits.counted_domain(&name.parse().expect("a host name")).to_string()
        };
        let before = Limits::lets_encrypt_production();
        assert_eq!(counted(&before, "www.d1.fleet.example.com"), "example.com");
        let after = listed("fleet.example.com");
        assert_eq!(counted(&after, "www.d1.fleet.example.com"), "d1.fleet.example.com");
        assert_eq!(counted(&after, "d1.fleet.example.com"), "d1.fleet.example.com");
        assert_eq!(counted(&after, "fleet.example.com"), "fleet.example.com");
        assert_eq!(counted(&after, "notfleet.example.com"), "example.com");
        let both = after.with_public_suffix("d1.fleet.example.com".parse().expect("a domain name"));
        assert_eq!(counted(&both, "a.www.d1.fleet.example.com"), "www.d1.fleet.example.com");
    }
}
