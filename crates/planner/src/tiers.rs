//! The overrides that the CA offers, and which of them to ask for.

use std::time::Duration;

use fleetcert_schedule::budget::{Limit, LimitKind, Rule, SlowerThanDefault};

use crate::fleet::Zones;
use crate::newcomers::Waiting;
use crate::pace::SharedLimits;
use crate::plan::Rollout;

/// The overrides of [`LimitKind::NewOrdersPerAccount`] that Let's Encrypt's form offers, in a week. The smallest may
/// be granted automatically; all take effect within half an hour of the grant.
///
/// The first three refill more slowly than the default of 16,800 in a week.
pub(crate) const NEW_ORDERS_TIERS: [u32; 12] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 175_000, 250_000, 500_000, 750_000, 1_000_000];

/// The overrides of [`LimitKind::CertificatesPerDomain`].
pub(crate) const PER_DOMAIN_TIERS: [u32; 12] =
    [300, 1_000, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 175_000, 250_000, 500_000, 1_000_000];

/// The overrides of [`LimitKind::CertificatesPerDomainPerAccount`].
pub(crate) const PER_DOMAIN_PER_ACCOUNT_TIERS: [u32; 14] = [
    300, 1_000, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 175_000, 250_000, 500_000, 1_000_000,
    1_750_000, 2_500_000,
];

/// An override as the CA's form offers it: `per_week` as burst, and `per_week` in each week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Limit.
    pub kind: LimitKind,
    /// Number at once and in each week.
    pub per_week: u32,
}

/// Overrides to ask the CA for. Each is a separate request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Override for certificates of a registered domain.
    pub per_domain: Option<Tier>,
    /// Override for new orders of the account.
    pub new_orders: Option<Tier>,
}

/// The result of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Time after the start at which the whole fleet has certificates, by the limits alone. The requests take time in
    /// addition.
    pub complete_after: Duration,
    /// First certificates in a week in the long run.
    pub per_week: u64,
    /// Limit that sets this number.
    pub binds: Option<LimitKind>,
    /// Whether new devices wait.
    pub waiting: Waiting,
}

/// The effect of one tier, alone and together with the same tier of the other limit. `None` if the CA does not offer
/// it, or if it has no effect with these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierRow {
    /// Number in a week.
    pub per_week: u32,
    /// Effect as an override for certificates of a registered domain.
    pub per_domain: Option<Effect>,
    /// Effect as an override for new orders.
    pub new_orders: Option<Effect>,
    /// Effect as both.
    pub both: Option<Effect>,
    /// Set if new orders would refill more slowly than without the override.
    pub slower: Option<SlowerThanDefault>,
}

/// The override to ask for so that the fleet is done in time and the queue of new devices is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The current limits suffice.
    NothingToAskFor,
    /// The fewest requests that suffice, with the smallest tiers.
    Ask {
        /// Overrides to ask for.
        ask: Ask,
        /// Effect of the overrides.
        effect: Effect,
    },
    /// No tier suffices; this is the fastest.
    OutOfReach {
        /// Overrides to ask for.
        ask: Ask,
        /// Effect of the overrides.
        effect: Effect,
    },
}

impl Tier {
    /// Returns the override as a limit; `None` for zero.
    pub(crate) fn limit(&self) -> Option<Limit> {
        Limit::new(self.per_week, self.per_week, WEEK).ok()
    }

    fn rule(self, otherwise: Rule) -> Rule {
        self.limit().map_or(otherwise, Rule::Limited)
    }
}

impl Effect {
    /// Returns whether the fleet is done within this time and the queue of new devices is bounded.
    pub fn meets(&self, within: Duration) -> bool {
        self.complete_after <= within && !matches!(self.waiting, Waiting::ForEver { .. })
    }
}

impl Rollout {
    /// Returns the result with the current limits.
    pub fn as_it_is(&self) -> Effect {
        self.effect(&self.shared, self.fleet.zones)
    }

    /// Returns the result with these overrides.
    pub(crate) fn with_ask(&self, ask: &Ask) -> Effect {
        let SharedLimits { domain_kind, domain, orders } = self.shared;
        let shared = SharedLimits {
            domain_kind: ask.per_domain.map_or(domain_kind, |tier| tier.kind),
            domain: ask.per_domain.map_or(domain, |tier| tier.rule(domain)),
            orders: ask.new_orders.map_or(orders, |tier| tier.rule(orders)),
        };
        self.effect(&shared, self.fleet.zones)
    }

    /// Returns the effect of each tier.
    pub fn tiers(&self) -> Vec<TierRow> {
        let mut sizes = [&NEW_ORDERS_TIERS[..], &PER_DOMAIN_PER_ACCOUNT_TIERS[..]].concat();
        sizes.sort_unstable();
        sizes.dedup();
        let row = |per_week| {
            let per_domain = self.per_domain_tier(per_week);
            let new_orders = Self::new_orders_tier(per_week);
            let with = |per_domain, new_orders| self.with_ask(&Ask { per_domain, new_orders });
            TierRow {
                per_week,
                per_domain: per_domain.map(|tier| with(Some(tier), None)),
                new_orders: new_orders.map(|tier| with(None, Some(tier))),
                both: per_domain.zip(new_orders).map(|(domain, orders)| with(Some(domain), Some(orders))),
                slower: new_orders.and_then(|tier| self.slower(tier)),
            }
        };
        sizes.into_iter().map(row).collect()
    }

    /// Returns what to ask the CA for, so that the whole fleet has certificates `within` this time and the queue of new
    /// devices is bounded. A tier that refills more slowly than the account's limit is never advised, however large its
    /// burst.
    pub fn advice(&self, within: Duration) -> Advice {
        if self.as_it_is().meets(within) {
            return Advice::NothingToAskFor;
        }
        let domains = PER_DOMAIN_PER_ACCOUNT_TIERS.into_iter().filter_map(|size| self.per_domain_tier(size));
        let domains: Vec<_> = std::iter::once(None).chain(domains.map(Some)).collect();
        let orders = NEW_ORDERS_TIERS.into_iter().filter_map(Self::new_orders_tier);
        let orders = orders.filter(|tier| self.slower(*tier).is_none());
        let orders = std::iter::once(None).chain(orders.map(Some));
        let asks = orders.flat_map(|new_orders| {
            domains.iter().map(move |per_domain| Ask { per_domain: *per_domain, new_orders })
        });
        let tried: Vec<_> = asks.map(|ask| (ask, self.with_ask(&ask))).collect();
        let smallest =
            tried.iter().filter(|(_, effect)| effect.meets(within)).min_by_key(|(ask, _)| ask.size());
        if let Some((ask, effect)) = smallest {
            return Advice::Ask { ask: *ask, effect: *effect };
        }
        let fastest = tried.iter().min_by_key(|(ask, effect)| {
            let starving = matches!(effect.waiting, Waiting::ForEver { .. });
            (starving, effect.complete_after, ask.size())
        });
        match fastest {
            Some((ask, effect)) => Advice::OutOfReach { ask: *ask, effect: *effect },
            None => Advice::OutOfReach { ask: Ask::default(), effect: self.as_it_is() },
        }
    }

    /// Returns the tier of this size: the account's, if only the account's override helps or one request covers several
    /// domains.
    fn per_domain_tier(&self, per_week: u32) -> Option<Tier> {
        let Zones::Domains(domains) = self.fleet.zones else { return None };
        let for_account = domains.get() > 1
            || self.shared.domain_kind == LimitKind::CertificatesPerDomainPerAccount
            || !PER_DOMAIN_TIERS.contains(&per_week);
        let kind = if for_account {
            LimitKind::CertificatesPerDomainPerAccount
        } else {
            LimitKind::CertificatesPerDomain
        };
        PER_DOMAIN_PER_ACCOUNT_TIERS.contains(&per_week).then_some(Tier { kind, per_week })
    }

    fn new_orders_tier(per_week: u32) -> Option<Tier> {
        let tier = Tier { kind: LimitKind::NewOrdersPerAccount, per_week };
        NEW_ORDERS_TIERS.contains(&per_week).then_some(tier)
    }

    fn slower(&self, tier: Tier) -> Option<SlowerThanDefault> {
        let (Rule::Limited(default), Some(replaced_by)) = (self.shared.orders, tier.limit()) else {
            return None;
        };
        (replaced_by.emission_interval() > default.emission_interval())
            .then_some(SlowerThanDefault { default, replaced_by })
    }
}

impl Ask {
    /// Returns the number of requests, then the sum of their sizes.
    fn size(&self) -> (usize, u64) {
        let asked = [self.per_domain, self.new_orders];
        let sum = asked.iter().flatten().map(|tier| u64::from(tier.per_week)).sum();
        (asked.iter().flatten().count(), sum)
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);
