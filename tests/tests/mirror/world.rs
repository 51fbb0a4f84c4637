//! The CA and its mirror, with the same limits and the same names.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use fleetcert_names::{HostName, Identifier, IdentifierSet, registered_domain};
use fleetcert_schedule::budget::{Account, BucketKey, Budgets, Limit, LimitKind, Limits, Override, Rule};
use fleetcert_testkit::limiter::{Bucket, CaLimits, Limiter, Rate};

use crate::random::Random;

/// What happened in all episodes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reserved: u64,
    /// Denied by the mirror and refused by the CA, for the same time.
    pub(crate) equal_denials: u64,
    /// Denied by the mirror alone.
    pub(crate) stricter: u64,
    pub(crate) issued: u64,
    pub(crate) renewals: u64,
    pub(crate) replacements: u64,
    pub(crate) failed: u64,
    pub(crate) refunded: u64,
    pub(crate) expired: u64,
    pub(crate) crashes: u64,
    pub(crate) accounts: u64,
    pub(crate) not_spent_by_the_ca: u64,
    pub(crate) corrections: u64,
    pub(crate) learned: u64,
}

impl Tally {
    pub(crate) fn must_have_seen_everything(&self) {
        let seen = [
            self.reserved,
            self.issued,
            self.renewals,
            self.replacements,
            self.failed,
            self.refunded,
            self.expired,
            self.crashes,
            self.accounts,
            self.not_spent_by_the_ca,
        ];
        assert!(seen.iter().all(|count| *count > 0), "{self:?}");
    }
}

/// One account as both know it.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) url: String,
    pub(crate) account: Account,
}

/// One set of names as both know it.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) hosts: Vec<HostName>,
    pub(crate) set: IdentifierSet,
}

pub(crate) struct World {
    pub(crate) ca: Limiter,
    pub(crate) mirror: Budgets,
    pub(crate) owners: Vec<Owner>,
    pub(crate) sets: Vec<Names>,
    /// The overrides that the CA has, and the limits that the mirror must come to.
    pub(crate) real: HashMap<Override, Limit>,
}

/// Few names, so that they meet: on one registered domain, on two under a public suffix of two labels, under a
/// suffix of the private section, and that suffix itself. A wildcard has the domain and the failures of its base.
const IDENTIFIERS: [&str; 12] = [
    "*.a.example.com",
    "*.c.sub.example.com",
    "*.x.alice.github.io",
    "a.example.com",
    "b.example.com",
    "c.sub.example.com",
    "example.com",
    "a.one.co.uk",
    "a.two.co.uk",
    "x.alice.github.io",
    "bob.github.io",
    "github.io",
];

impl World {
    /// With `hidden` overrides the CA has them, and the mirror does not know.
    pub(crate) fn new(random: &Random, hidden: bool) -> Self {
        let owners: Vec<Owner> = (1..=3)
            .map(|number| format!("https://ca.test/account/{number}"))
            .map(|url| Owner { account: Account::new(&url).unwrap(), url })
            .collect();
        let identifiers = IDENTIFIERS.map(|identifier| identifier.parse::<Identifier>().unwrap());
        let mut sets = BTreeSet::new();
        for _ in 0..random.between(3, 80) {
            let picked = (0..random.between(1, 3)).map(|_| random.one_of(&identifiers).clone());
            sets.insert(IdentifierSet::new(picked).unwrap());
        }
        let names = |set: IdentifierSet| Names { hosts: set.bases().cloned().collect(), set };
        let sets: Vec<Names> = sets.into_iter().map(names).collect();

        let (mut limits, mut mirrored) = if random.percent(20) {
            (CaLimits { jitter: None, ..CaLimits::production() }, Limits::lets_encrypt_production())
        } else {
            small(random)
        };
        let mut real = HashMap::new();
        for (scope, rate) in overrides(random, hidden, &owners, &mut limits) {
            let limit =
                Limit::new(rate.burst.try_into().unwrap(), rate.count.try_into().unwrap(), rate.period);
            real.insert(scope.clone(), limit.unwrap());
            if !hidden {
                mirrored.set_override(scope, limit.unwrap());
            }
        }
        Self { ca: Limiter::new(limits), mirror: Budgets::new(mirrored, 10_000), owners, sets, real }
    }

    /// When the CA says that the bucket is full; `None` for now.
    pub(crate) fn ca_full_at(&self, key: &BucketKey, now: SystemTime) -> Option<SystemTime> {
        self.with_bucket(key, |bucket| self.ca.bucket(bucket, now))
    }

    pub(crate) fn ca_remaining(&self, key: &BucketKey, now: SystemTime) -> u64 {
        self.with_bucket(key, |bucket| self.ca.remaining(bucket, now))
    }

    /// When the mirror says so.
    pub(crate) fn mirror_full_at(&self, key: &BucketKey, now: SystemTime) -> Option<SystemTime> {
        let bucket = self.mirror.row(key)?.bucket;
        (!bucket.is_full(now))
            .then(|| SystemTime::UNIX_EPOCH + Duration::from_nanos(bucket.unix_nanos().try_into().unwrap()))
    }

    /// The time that the tokens of the bucket take to come back that are held.
    pub(crate) fn mirror_held(&self, key: &BucketKey) -> Duration {
        let held = self.mirror.row(key).map_or(0, |row| row.held);
        match self.mirror.limits().rule_for(key) {
            Rule::Limited(limit) => limit.emission_interval() * held,
            Rule::Unlimited | Rule::Unknown => Duration::ZERO,
        }
    }

    fn with_bucket<T>(&self, key: &BucketKey, look: impl FnOnce(&Bucket<'_>) -> T) -> T {
        look(&match key {
            BucketKey::NewRegistrationsPerIpAddress(address) => Bucket::RegistrationsFromAddress(*address),
            BucketKey::NewRegistrationsPerIpv6Range(range) => Bucket::RegistrationsFromRange(*range),
            BucketKey::NewOrdersPerAccount(account) => Bucket::Orders { account: account.as_str() },
            BucketKey::FailedAuthorizationsPerDomainPerAccount(account, name) => {
                Bucket::Failures { account: account.as_str(), name }
            }
            BucketKey::CertificatesPerDomain(domain) => Bucket::Certificates { domain },
            BucketKey::CertificatesPerDomainPerAccount(account, domain) => {
                Bucket::CertificatesOfAccount { account: account.as_str(), domain }
            }
            BucketKey::CertificatesPerFqdnSet(set) => Bucket::ExactSet { identifiers: set },
            BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name) => {
                Bucket::ConsecutiveFailures { account: account.as_str(), name }
            }
            other => panic!("a bucket that is not known here: {other:?}"),
        })
    }
}

/// Limits whose edges are met often: few at once, and not all of them whole in nanoseconds.
fn small(random: &Random) -> (CaLimits, Limits) {
    let mut mirrored = Limits::lets_encrypt_production();
    let mut rate = |kind, most, longest| {
        let rate = Rate {
            burst: random.between(1, most),
            count: random.between(1, most),
            period: Duration::from_nanos(random.between(1_000_000_000, longest)),
        };
        let limit = Limit::new(rate.burst.try_into().unwrap(), rate.count.try_into().unwrap(), rate.period);
        mirrored = mirrored.clone().with_rule(kind, Rule::Limited(limit.unwrap()));
        rate
    };
    const HOUR: u64 = 3_600_000_000_000;
    let limits = CaLimits {
        new_registrations_per_ip_address: rate(LimitKind::NewRegistrationsPerIpAddress, 10, 3 * HOUR),
        new_registrations_per_ipv6_range: rate(LimitKind::NewRegistrationsPerIpv6Range, 20, 3 * HOUR),
        new_orders_per_account: rate(LimitKind::NewOrdersPerAccount, 30, 3 * HOUR),
        failed_authorizations: rate(LimitKind::FailedAuthorizationsPerDomainPerAccount, 6, HOUR),
        certificates_per_domain: rate(LimitKind::CertificatesPerDomain, 12, 24 * HOUR),
        certificates_per_exact_set: rate(LimitKind::CertificatesPerFqdnSet, 5, 24 * HOUR),
        consecutive_failures: rate(
            LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount,
            30,
            24 * HOUR,
        ),
        jitter: None,
        ..CaLimits::production()
    };
    (limits, mirrored)
}

/// Some overrides, taken by the CA. As all that Let's Encrypt offers, they give back their burst in a period.
fn overrides(
    random: &Random,
    hidden: bool,
    owners: &[Owner],
    limits: &mut CaLimits,
) -> Vec<(Override, Rate)> {
    // A hidden one shows itself only where it is smaller than what the mirror thinks.
    let (percent, most) = if hidden { (80, 4) } else { (40, 40) };
    let rate = || Rate::of(random.between(1, most), Duration::from_secs(random.between(60, 200_000)));
    let mut granted = Vec::new();
    if random.percent(percent) {
        let (owner, rate) = (random.one_of(owners), rate());
        limits.orders_of_account.insert(owner.url.clone(), rate);
        granted.push((Override::NewOrdersPerAccount(owner.account.clone()), rate));
    }
    if random.percent(percent) {
        let identifier: Identifier = random.one_of(&IDENTIFIERS).parse().unwrap();
        let (host, rate) = (identifier.base(), rate());
        let domain = registered_domain(host.as_domain());
        let domain = domain.unwrap_or_else(|| host.as_domain().clone());
        limits.certificates_of_domain.insert(domain.clone(), rate);
        granted.push((Override::CertificatesPerDomain(domain), rate));
    }
    if random.percent(percent) {
        let (owner, rate) = (random.one_of(owners), rate());
        limits.certificates_of_account.insert(owner.url.clone(), rate);
        granted.push((Override::CertificatesPerDomainPerAccount(owner.account.clone()), rate));
    }
    granted
}
