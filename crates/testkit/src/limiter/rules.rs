//! What is checked when, and what is spent when.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fleetcert_acme_server::Resource;
use fleetcert_ambient::{Entropy, SeededEntropy};
use fleetcert_names::{DomainName, HostName, IdentifierSet};

use super::buckets::Buckets;
use super::counts::Counts;
use super::key::{Bucket, Key, account_key, registered_domains, request_key, set_key};
use super::limit::Limit;
use super::limits::CaLimits;
use super::pauses::Pauses;
use super::rate::{Decision, Nanos, Rate, nanos, time};
use super::refused::{Refused, Wait};

/// What an order is to the limits.
#[derive(Clone, Copy, Debug)]
pub struct OrderFacts<'a> {
    /// The account, by any text that is its own; a test CA takes its URL.
    pub account: &'a str,
    /// Identifiers of the order.
    pub identifiers: &'a IdentifierSet,
    /// Whether it replaces a certificate of the same account that nothing else replaces, inside the window of that
    /// certificate: `start <= now < end` (RFC 9773 section 5).
    pub replaces_in_window: bool,
}

/// The limits of a CA at work.
///
/// An order takes two calls: [`new_order`](Self::new_order), and then either
/// [`order_not_created`](Self::order_not_created) or, when its certificate is issued, [`issued`](Self::issued).
/// The time of a call should not lie before that of the one before; where it does, buckets that were forgotten as
/// full stay full.
#[derive(Debug)]
pub struct Limiter {
    limits: CaLimits,
    buckets: Buckets,
    /// When an order for the names is no renewal any more, by the names.
    renewable_until: Buckets,
    pauses: Pauses,
    counts: Counts,
    jitter: Option<SeededEntropy>,
    latest: Nanos,
}

impl Limiter {
    /// A CA that has seen nothing yet.
    pub fn new(limits: CaLimits) -> Self {
        Self {
            jitter: limits.jitter.map(SeededEntropy::new),
            limits,
            buckets: Buckets::new(),
            renewable_until: Buckets::new(),
            pauses: Pauses::default(),
            counts: Counts::default(),
            latest: 0,
        }
    }

    /// A new order. Spends a token of new orders, and nothing when it is refused.
    ///
    /// Paused names refuse every order. An order that [replaces](OrderFacts::replaces_in_window) a certificate in
    /// its window meets no other limit. An order for exactly the names of a certificate that was issued in the
    /// last 120 days, by whatever account, is a renewal: it meets neither the limit of new orders nor that of the
    /// registered domain. Certificates and failures are only looked at here; they are spent when they happen, so
    /// that orders side by side can pass more of them than there are.
    ///
    /// # Errors
    /// The refusal. Of several, the one that clears last.
    pub fn new_order(&mut self, order: &OrderFacts<'_>, now: SystemTime) -> Result<(), Refused> {
        let now = self.see(now);
        let paused = self.pauses.paused(order.account, order.identifiers);
        if !paused.is_empty() {
            let token = format!("{:032x}", account_key(order.account));
            let url = &self.limits.unpause_url;
            let refused = Refused::paused(&paused, &self.limits.consecutive_failures, url, &token);
            return Err(self.count_refusal(refused));
        }
        if order.replaces_in_window {
            self.counts.orders += 1;
            self.counts.replacements += 1;
            return Ok(());
        }

        let set = set_key(order.identifiers);
        let is_renewal = self.is_renewal(set, now);
        let (orders, orders_rate) =
            (Bucket::Orders { account: order.account }, self.orders_rate(order.account));
        let orders_key = orders.key();
        let mut strictest = Strictest::default();
        let mut spend = None;
        if !is_renewal {
            let decision = orders_rate.decide(self.buckets.get(orders_key), now);
            if let Decision::Allowed { full_at } = decision {
                spend = Some(full_at);
            }
            strictest.add(orders, orders_rate, decision);
        }
        let failures = self.limits.failed_authorizations;
        for name in order.identifiers.bases() {
            let bucket = Bucket::Failures { account: order.account, name };
            strictest.add(bucket, failures, failures.decide(self.buckets.get(bucket.key()), now));
        }
        let domains =
            if is_renewal { Vec::new() } else { registered_domains(&self.limits, order.identifiers) };
        for domain in &domains {
            let (bucket, rate) = self.certificates_checked(order.account, domain);
            strictest.add(bucket, rate, rate.decide(self.buckets.get(bucket.key()), now));
        }
        let exact = self.limits.certificates_per_exact_set;
        let bucket = Bucket::ExactSet { identifiers: order.identifiers };
        strictest.add(bucket, exact, exact.decide(self.buckets.get(set), now));

        if let Some((bucket, rate, retry_in)) = strictest.denied {
            return Err(self.refuse(&bucket, &rate, retry_in, now));
        }
        if let Some(full_at) = spend {
            self.spend(Limit::NewOrdersPerAccount, orders_key, full_at, now);
        }
        self.counts.orders += 1;
        self.counts.renewals += u64::from(is_renewal);
        Ok(())
    }

    /// The order of which `new_order` was asked could not be made after all: its token comes back, if it spent
    /// one. Must follow at the same time, for an order is a renewal or not by what was issued until then.
    pub fn order_not_created(&mut self, order: &OrderFacts<'_>, now: SystemTime) {
        let now = self.see(now);
        if order.replaces_in_window || self.is_renewal(set_key(order.identifiers), now) {
            return;
        }
        let rate = self.orders_rate(order.account);
        self.refund(&Bucket::Orders { account: order.account }, &rate, now);
    }

    /// A certificate was issued for the order. Spends what there is and refuses nothing: a token of the exact set,
    /// and, unless exactly these names were issued in the last 120 days, one of each registered domain.
    pub fn issued(&mut self, order: &OrderFacts<'_>, now: SystemTime) {
        let now = self.see(now);
        let set = set_key(order.identifiers);
        if !self.is_renewal(set, now) {
            for domain in registered_domains(&self.limits, order.identifiers) {
                let (bucket, rate) = self.certificates_checked(order.account, &domain);
                self.spend_if_there(&bucket, &rate, now);
                if bucket.limit() == Limit::CertificatesPerDomainPerAccount {
                    let all = Bucket::Certificates { domain: &domain };
                    self.spend_if_there(&all, &self.certificates_rate(&domain), now);
                }
            }
        }
        let exact = self.limits.certificates_per_exact_set;
        if let Decision::Allowed { full_at } = exact.decide(self.buckets.get(set), now) {
            self.spend(Limit::CertificatesPerExactSet, set, full_at, now);
        }
        let window = u64::try_from(self.limits.renewal_window.as_nanos()).unwrap_or(u64::MAX);
        self.renewable_until.set(set, now.saturating_add(window), now);
        self.counts.issued += 1;
    }

    /// A validation failed. It spends of both limits on failures; when that on consecutive failures has nothing
    /// left to spend, the name is paused for the account, with the 1,153rd failure in a row if they come fast.
    pub fn validation_failed(&mut self, account: &str, name: &HostName, now: SystemTime) {
        let now = self.see(now);
        self.counts.failed_validations += 1;
        let (failures, consecutive) = (self.limits.failed_authorizations, self.limits.consecutive_failures);
        self.spend_if_there(&Bucket::Failures { account, name }, &failures, now);
        let in_a_row = Bucket::ConsecutiveFailures { account, name };
        if !self.spend_if_there(&in_a_row, &consecutive, now) && self.pauses.pause(account, name, now) {
            self.counts.paused += 1;
        }
    }

    /// A validation succeeded: the consecutive failures of the name start over. A name that is paused stays paused.
    pub fn validated(&mut self, account: &str, name: &HostName) {
        self.buckets.forget(Bucket::ConsecutiveFailures { account, name }.key());
    }

    /// A new account. Spends a token of its address, and of its /48 when it is an IPv6 one.
    ///
    /// # Errors
    /// The refusal; nothing is spent then.
    pub fn new_account(&mut self, from: IpAddr, now: SystemTime) -> Result<(), Refused> {
        let now = self.see(now);
        let mut strictest = Strictest::default();
        let mut spend = Vec::with_capacity(2);
        for (bucket, rate) in self.registration_buckets(from).into_iter().flatten() {
            let decision = rate.decide(self.buckets.get(bucket.key()), now);
            if let Decision::Allowed { full_at } = decision {
                spend.push((bucket, full_at));
            }
            strictest.add(bucket, rate, decision);
        }
        if let Some((bucket, rate, retry_in)) = strictest.denied {
            return Err(self.refuse(&bucket, &rate, retry_in, now));
        }
        for (bucket, full_at) in spend {
            self.spend(bucket.limit(), bucket.key(), full_at, now);
        }
        self.counts.accounts += 1;
        Ok(())
    }

    /// The account of which `new_account` was asked could not be made after all.
    pub fn account_not_created(&mut self, from: IpAddr, now: SystemTime) {
        let now = self.see(now);
        for (bucket, rate) in self.registration_buckets(from).into_iter().flatten() {
            self.refund(&bucket, &rate, now);
        }
    }

    /// An operator unpauses the account at the portal: up to 50,000 of its names. For two weeks from the latest
    /// time that the limiter was told, they are not paused again. Says how many there were.
    pub fn unpause(&mut self, account: &str) -> usize {
        self.pauses.unpause(account, self.latest)
    }

    /// A request comes to the load balancer, if [there are limits](CaLimits::requests).
    ///
    /// # Errors
    /// The wait that status 503 and `Retry-After` should say, at least a second.
    pub fn request(&mut self, resource: Resource, from: IpAddr, now: SystemTime) -> Result<(), Duration> {
        let now = self.see(now);
        let Some(limits) = &self.limits.requests else { return Ok(()) };
        let own = limits.per_resource.get(&resource).copied();
        let key = request_key(own.map(|_| resource), from.to_canonical());
        match own.unwrap_or(limits.others).decide(self.buckets.get(key), now) {
            Decision::Allowed { full_at } => {
                self.buckets.set(key, full_at, now);
                Ok(())
            }
            Decision::Denied { retry_in } => {
                self.counts.requests_refused += 1;
                Err(Duration::from_nanos(retry_in).max(Duration::from_secs(1)))
            }
        }
    }

    /// When the bucket is full again. `None` when it is full now.
    pub fn bucket(&self, bucket: &Bucket<'_>, now: SystemTime) -> Option<SystemTime> {
        self.buckets.get(bucket.key()).filter(|full_at| *full_at > nanos(now)).map(time)
    }

    /// How many tokens the bucket has.
    pub fn remaining(&self, bucket: &Bucket<'_>, now: SystemTime) -> u64 {
        self.rate(bucket).remaining(self.buckets.get(bucket.key()), nanos(now))
    }

    /// Whether the name is paused for the account.
    pub fn is_paused(&self, account: &str, name: &HostName) -> bool {
        !self.pauses.paused(account, &name.clone().into()).is_empty()
    }

    /// The measure of a bucket, overrides included.
    pub fn rate(&self, bucket: &Bucket<'_>) -> Rate {
        match bucket {
            Bucket::RegistrationsFromAddress(_) => self.limits.new_registrations_per_ip_address,
            Bucket::RegistrationsFromRange(_) => self.limits.new_registrations_per_ipv6_range,
            Bucket::Orders { account } => self.orders_rate(account),
            Bucket::Failures { .. } => self.limits.failed_authorizations,
            Bucket::Certificates { domain } => self.certificates_rate(domain),
            Bucket::CertificatesOfAccount { account, domain } => self
                .limits
                .certificates_of_account
                .get(*account)
                .copied()
                .unwrap_or_else(|| self.certificates_rate(domain)),
            Bucket::ExactSet { .. } => self.limits.certificates_per_exact_set,
            Bucket::ConsecutiveFailures { .. } => self.limits.consecutive_failures,
        }
    }

    /// What it did so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &CaLimits {
        &self.limits
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.buckets.len() + self.renewable_until.len()
    }

    fn see(&mut self, now: SystemTime) -> Nanos {
        let now = nanos(now);
        self.latest = self.latest.max(now);
        now
    }

    fn is_renewal(&self, set: Key, now: Nanos) -> bool {
        self.renewable_until.get(set).is_some_and(|end| now < end)
    }

    fn orders_rate(&self, account: &str) -> Rate {
        self.limits.orders_of_account.get(account).copied().unwrap_or(self.limits.new_orders_per_account)
    }

    fn certificates_rate(&self, domain: &DomainName) -> Rate {
        let own = self.limits.certificates_of_domain.get(domain);
        own.copied().unwrap_or(self.limits.certificates_per_domain)
    }

    /// The bucket that decides about certificates of this account: with an override of its own, its own.
    fn certificates_checked<'a>(&self, account: &'a str, domain: &'a DomainName) -> (Bucket<'a>, Rate) {
        match self.limits.certificates_of_account.get(account) {
            Some(own) => (Bucket::CertificatesOfAccount { account, domain }, *own),
            None => (Bucket::Certificates { domain }, self.certificates_rate(domain)),
        }
    }

    fn registration_buckets(&self, from: IpAddr) -> [Option<(Bucket<'static>, Rate)>; 2] {
        let from = from.to_canonical();
        let range = match from {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Bucket::RegistrationsFromRange(address)),
        };
        [Some(Bucket::RegistrationsFromAddress(from)), range]
            .map(|bucket| bucket.map(|bucket| (bucket, self.rate(&bucket))))
    }

    /// `false` when the bucket is empty.
    fn spend_if_there(&mut self, bucket: &Bucket<'_>, rate: &Rate, now: Nanos) -> bool {
        let key = bucket.key();
        match rate.decide(self.buckets.get(key), now) {
            Decision::Allowed { full_at } => {
                self.spend(bucket.limit(), key, full_at, now);
                true
            }
            Decision::Denied { .. } => false,
        }
    }

    fn spend(&mut self, limit: Limit, key: Key, full_at: Nanos, now: Nanos) {
        self.buckets.set(key, full_at, now);
        *self.counts.spent.entry(limit).or_default() += 1;
    }

    fn refund(&mut self, bucket: &Bucket<'_>, rate: &Rate, now: Nanos) {
        let key = bucket.key();
        let Some(full_at) = self.buckets.get(key).filter(|full_at| *full_at > now) else { return };
        match rate.refunded(full_at, now) {
            Some(full_at) => self.buckets.set(key, full_at, now),
            None => self.buckets.forget(key),
        }
        if let Some(spent) = self.counts.spent.get_mut(&bucket.limit()) {
            *spent = spent.saturating_sub(1);
        }
    }

    fn refuse(&mut self, bucket: &Bucket<'_>, rate: &Rate, retry_in: u64, now: Nanos) -> Refused {
        let wait = Wait {
            exact: Duration::from_nanos(retry_in),
            told: Duration::from_nanos(retry_in.saturating_add(self.next_jitter(retry_in))),
        };
        self.count_refusal(Refused::by(bucket, rate, wait, time(now)))
    }

    fn count_refusal(&mut self, refused: Refused) -> Refused {
        *self.counts.refused.entry(refused.limit).or_default() += 1;
        refused
    }

    /// Between 0 and 3 % of the wait, uniformly.
    fn next_jitter(&self, retry_in: u64) -> u64 {
        let Some(entropy) = &self.jitter else { return 0 };
        let mut part = [0; 4];
        entropy.fill(&mut part);
        let part = u128::from(u32::from_le_bytes(part));
        u64::try_from(((u128::from(retry_in) * 3 * part) >> 32) / 100).unwrap_or(u64::MAX)
    }
}

/// The denial that clears last; of equals, the last one.
#[derive(Default)]
struct Strictest<'a> {
    denied: Option<(Bucket<'a>, Rate, u64)>,
}

impl<'a> Strictest<'a> {
    fn add(&mut self, bucket: Bucket<'a>, rate: Rate, decision: Decision) {
        if let Decision::Denied { retry_in } = decision
            && self.denied.is_none_or(|(_, _, longest)| longest <= retry_in)
        {
            self.denied = Some((bucket, rate, retry_in));
        }
    }
}
