//! The pace at which the shared limits allow first certificates.

use std::time::Duration;

use fleetcert_schedule::budget::{BucketKey, Limit, LimitKind, Limits, Rule};

use crate::fleet::{Fleet, Zones};

/// One limit as a queue that is never empty uses it: `burst` at once, then one in each `interval`, in each of `buckets`
/// equal buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) kind: LimitKind,
    burst: u64,
    /// In nanoseconds.
    interval: u128,
    buckets: u64,
}

impl Pace {
    pub(crate) fn new(kind: LimitKind, limit: &Limit, buckets: u16) -> Self {
        let interval = limit.emission_interval().as_nanos();
        Self { kind, burst: limit.burst().into(), interval, buckets: buckets.into() }
    }

    /// Returns a share of the pace, rounded to the slower side.
    fn share(&self, percent: u8) -> Option<Self> {
        let percent = u64::from(percent);
        let interval = (self.interval * 100).div_ceil(u128::from((percent != 0).then_some(percent)?));
        Some(Self { burst: self.burst * percent / 100, interval, ..*self })
    }

    /// Returns when the `device`-th, counted from one, gets its token.
    fn after(&self, device: u64) -> u128 {
        let in_bucket = device.div_ceil(self.buckets);
        u128::from(in_bucket.saturating_sub(self.burst)).saturating_mul(self.interval)
    }

    /// Returns the number of tokens after `nanos`.
    fn certificates_by(&self, nanos: u128) -> u128 {
        (u128::from(self.burst) + nanos / self.interval).saturating_mul(self.buckets.into())
    }

    /// Returns the straight line through the steps, times the buckets.
    fn line(&self, device: u64) -> i128 {
        let beyond = i128::from(device) - i128::from(self.burst) * i128::from(self.buckets);
        beyond.saturating_mul(i128::try_from(self.interval).unwrap_or(i128::MAX))
    }

    /// Returns whether this device waits longer for this limit than for `other`, by the lines.
    fn slower_at(&self, other: &Self, device: u64) -> bool {
        let mine = self.line(device).saturating_mul(other.buckets.into());
        mine > other.line(device).saturating_mul(self.buckets.into())
    }
}

/// All shared limits that a first certificate uses.
///
/// The curve of one bucket is a burst and then even steps. The minimum of these curves is concave, so a queue that
/// follows it never meets an empty bucket, and no queue is faster: the closed form equals a simulation.
///
/// The buckets of several domains step together. With more domains than the account can order at once, the last of
/// them come later than computed: by less than the time in which it orders one for each domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paces(Vec<Pace>);

/// The limits that a fleet shares: certificates of a domain, and orders of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedLimits {
    pub(crate) domain_kind: LimitKind,
    pub(crate) domain: Rule,
    pub(crate) orders: Rule,
}

impl SharedLimits {
    pub(crate) fn of(fleet: &Fleet, limits: &Limits) -> Self {
        let (orders, domain, own) = match fleet.scope() {
            Some((account, domain)) => (
                limits.rule_for(&BucketKey::NewOrdersPerAccount(account.clone())),
                limits.rule_for(&BucketKey::CertificatesPerDomain(domain.clone())),
                limits.rule_for(&BucketKey::CertificatesPerDomainPerAccount(account.clone(), domain.clone())),
            ),
            None => (
                limits.rule(LimitKind::NewOrdersPerAccount),
                limits.rule(LimitKind::CertificatesPerDomain),
                limits.rule(LimitKind::CertificatesPerDomainPerAccount),
            ),
        };
        match own {
            // The override of an account takes the place of the check per domain.
            Rule::Limited(_) => {
                Self { domain_kind: LimitKind::CertificatesPerDomainPerAccount, domain: own, orders }
            }
            Rule::Unlimited | Rule::Unknown => {
                Self { domain_kind: LimitKind::CertificatesPerDomain, domain, orders }
            }
        }
    }

    pub(crate) fn paces(&self, zones: Zones) -> Paces {
        let mut paces = Vec::with_capacity(2);
        if let (Zones::Domains(domains), Rule::Limited(limit)) = (zones, self.domain) {
            paces.push(Pace::new(self.domain_kind, &limit, domains.get()));
        }
        if let Rule::Limited(limit) = self.orders {
            paces.push(Pace::new(LimitKind::NewOrdersPerAccount, &limit, 1));
        }
        Paces(paces)
    }
}

impl Paces {
    /// Returns a share of all paces; `None` for 0 %.
    pub(crate) fn share(&self, percent: u8) -> Option<Self> {
        self.0.iter().map(|pace| pace.share(percent)).collect::<Option<_>>().map(Self).filter(|_| percent > 0)
    }

    /// Returns when the `device`-th, counted from one, gets its certificate.
    pub(crate) fn after(&self, device: u64) -> Duration {
        from_nanos(self.0.iter().map(|pace| pace.after(device)).max().unwrap_or(0))
    }

    /// Returns the number of certificates after this time.
    pub(crate) fn certificates_by(&self, time: Duration) -> u64 {
        let had = self.0.iter().map(|pace| pace.certificates_by(time.as_nanos())).min();
        had.map_or(u64::MAX, |had| u64::try_from(had).unwrap_or(u64::MAX))
    }

    /// Returns the tokens that are refilled in a time, without the burst.
    pub(crate) fn refilled_in(&self, time: Duration) -> u64 {
        let back =
            self.0.iter().map(|pace| time.as_nanos().saturating_mul(pace.buckets.into()) / pace.interval);
        back.min().map_or(u64::MAX, |back| u64::try_from(back).unwrap_or(u64::MAX))
    }

    /// Returns the slowest limit in the long run.
    pub(crate) fn slowest(&self) -> Option<LimitKind> {
        self.0
            .iter()
            .max_by_key(|pace| pace.interval.saturating_mul(u128::from(u16::MAX)) / u128::from(pace.buckets))
            .map(|pace| pace.kind)
    }

    /// Returns the limit that the `device`-th waits for; `None` if it waits for none.
    pub(crate) fn binding(&self, device: u64) -> Option<LimitKind> {
        if self.after(device).is_zero() {
            return None;
        }
        let slowest = |a: Pace, b: Pace| if b.slower_at(&a, device) { b } else { a };
        self.0.iter().copied().reduce(slowest).map(|pace| pace.kind)
    }

    /// Returns the devices up to `last` in groups that wait for the same limit: the limit, and the last device of each.
    pub(crate) fn groups(&self, last: u64) -> Vec<(Option<LimitKind>, u64)> {
        let mut groups = Vec::new();
        let mut first = 1;
        // Two lines cross once, and the burst is before both: each limit binds in one stretch.
        while first <= last {
            let binding = self.binding(first);
            let (mut same, mut other) = (first, last + 1);
            while other - same > 1 {
                let middle = same + (other - same) / 2;
                if self.binding(middle) == binding { same = middle } else { other = middle }
            }
            groups.push((binding, same));
            first = same + 1;
        }
        groups
    }
}

pub(crate) fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    match u64::try_from(nanos / SECOND) {
        Ok(seconds) => Duration::new(seconds, (nanos % SECOND) as u32),
        Err(_) => Duration::MAX,
    }
}
