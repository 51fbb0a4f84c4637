//! The plan as a value.

use std::time::{Duration, SystemTime};

use super::fleet::{Fleet, Growth, Reserve, Zones};
use super::load::{self, DayLoad};
use super::newcomers::{Newcomers, Room};
use super::pace::{Paces, Shared};
use super::steady::SteadyState;
use super::tiers::Effect;
use crate::budget::{LimitKind, Limits, Rule};

/// How a fleet gets its first certificates, and what follows.
///
/// Times are of a rollout that never idles and at which nothing fails: the soonest that the limits allow.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Fleet that the plan is for.
    pub fleet: Fleet,
    /// New devices that come on top.
    pub growth: Growth,
    /// Share of the limits that the rollout leaves alone.
    pub reserve: Reserve,
    /// Beginning of the rollout.
    pub start: SystemTime,
    exact_set: Rule,
    pub(super) shared: Shared,
    /// Load of each day from the start on: the rollout and two renewal cycles, 400 days at most.
    pub load: Vec<DayLoad>,
}

/// The moment at which a part of the fleet has certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// How many per cent of the fleet, as it is at the start.
    pub percent: u8,
    /// How many devices that are.
    pub devices: u32,
    /// How long after the start.
    pub after: Duration,
    /// When; `None` beyond what the clock of the machine can tell.
    pub at: Option<SystemTime>,
}

/// A part of the rollout in which the same limit binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The limit; `None` for what the full buckets let through at once.
    pub limit: Option<LimitKind>,
    /// The first device of the phase, counted from one.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// How long after the start the phase begins: with the last device of the one before.
    pub from: Duration,
    /// How long after the start its last device has a certificate.
    pub until: Duration,
}

impl Rollout {
    /// Plans the rollout of `fleet` from `start` on, with full buckets.
    ///
    /// The fleet goes through all shared limits but the reserve. New devices go through the reserve, and through
    /// everything when the fleet is done; then nothing is reserved. A limit of which nothing is known is taken not
    /// to bind; [`unknown`](Self::unknown) names it.
    pub fn plan(fleet: Fleet, growth: Growth, limits: &Limits, reserve: Reserve, start: SystemTime) -> Self {
        let shared = Shared::of(&fleet, limits);
        let exact_set = limits.rule(LimitKind::CertificatesPerFqdnSet);
        let mut plan = Self { fleet, growth, reserve, start, exact_set, shared, load: Vec::new() };
        plan.load = load::of(&plan);
        plan
    }

    /// The limits of which the CA has published nothing, so that they were taken not to bind.
    pub fn unknown(&self) -> Vec<LimitKind> {
        let rules = [
            (self.shared.domain_kind, self.shared.domain),
            (LimitKind::NewOrdersPerAccount, self.shared.orders),
            (LimitKind::CertificatesPerFqdnSet, self.exact_set),
        ];
        rules.into_iter().filter(|(_, rule)| *rule == Rule::Unknown).map(|(kind, _)| kind).collect()
    }

    /// When 10, 50, 90 and 100 per cent of the fleet have certificates.
    pub fn milestones(&self) -> [Milestone; 4] {
        [10, 50, 90, 100].map(|percent| self.milestone(percent))
    }

    /// When all of the fleet has.
    pub fn completion(&self) -> Milestone {
        self.milestone(100)
    }

    /// When so many per cent of the fleet, rounded up to a device, have certificates. More than 100 counts as 100.
    pub(crate) fn milestone(&self, percent: u8) -> Milestone {
        let percent = percent.min(100);
        let devices = (u64::from(self.fleet.devices) * u64::from(percent)).div_ceil(100);
        let after = self.paces().after(devices);
        Milestone {
            percent,
            // At most all of them.
            devices: u32::try_from(devices).unwrap_or(u32::MAX),
            after,
            at: self.start.checked_add(after),
        }
    }

    /// How many devices of the fleet have certificates when this time has passed since the start.
    pub fn with_certificate_after(&self, time: Duration) -> u32 {
        let had = self.paces().had_by(time).min(self.fleet.devices.into());
        u32::try_from(had).unwrap_or(u32::MAX)
    }

    /// What binds, from the first device to the last. Empty when there are no devices.
    pub fn phases(&self) -> Vec<Phase> {
        let paces = self.paces();
        let number = |device: u64| u32::try_from(device).unwrap_or(u32::MAX);
        let mut before = 0;
        let phase = |(limit, last)| {
            let phase = Phase {
                limit,
                first: number(before + 1),
                last: number(last),
                from: if before == 0 { Duration::ZERO } else { paces.after(before) },
                until: paces.after(last),
            };
            before = last;
            phase
        };
        paces.groups(self.fleet.devices.into()).into_iter().map(phase).collect()
    }

    /// How much is left for new devices, and whether they wait.
    pub fn room(&self) -> Room {
        self.newcomers().room()
    }

    /// The renewals of the fleet when all have certificates, of the life that a certificate has which is issued
    /// then.
    pub fn steady_state(&self) -> SteadyState {
        let at = self.completion().at.unwrap_or(self.start);
        SteadyState::new(self.fleet.devices, self.fleet.profile.life_at(at))
    }

    /// What would change if the devices were named otherwise.
    pub fn with_zones(&self, zones: Zones) -> Effect {
        self.effect(&self.shared, zones)
    }

    /// The smallest number of registered domains, all with the limits that one has, with which the fleet is done
    /// within this time and new devices do not wait for ever. `None` when more domains do not help.
    pub fn domains_for(&self, within: Duration) -> Option<u16> {
        let enough = |domains: u16| {
            let domains = std::num::NonZeroU16::new(domains)?;
            Some(self.with_zones(Zones::Domains(domains)).meets(within))
        };
        if enough(u16::MAX) != Some(true) {
            return None;
        }
        let (mut few, mut many) = (0, u16::MAX);
        while many - few > 1 {
            let middle = few + (many - few) / 2;
            if enough(middle) == Some(true) { many = middle } else { few = middle }
        }
        Some(many)
    }

    pub(super) fn effect(&self, shared: &Shared, zones: Zones) -> Effect {
        let newcomers = self.newcomers_through(&shared.paces(zones));
        Effect {
            complete_after: newcomers.rollout_ends,
            per_week: newcomers.room().after,
            binds: newcomers.whole.slowest(),
            waiting: newcomers.room().waiting,
        }
    }

    pub(super) fn newcomers(&self) -> Newcomers {
        self.newcomers_through(&self.whole())
    }

    fn newcomers_through(&self, whole: &Paces) -> Newcomers {
        let ends = self.of_the_fleet(whole).after(self.fleet.devices.into());
        Newcomers::new(whole.clone(), self.growth, self.reserve, ends)
    }

    /// All that the shared limits let through.
    pub(super) fn whole(&self) -> Paces {
        self.shared.paces(self.fleet.zones)
    }

    /// What the fleet gets of it.
    fn paces(&self) -> Paces {
        self.of_the_fleet(&self.whole())
    }

    fn of_the_fleet(&self, whole: &Paces) -> Paces {
        // A reserve is less than 100 %, so something is always left.
        whole.share(100 - self.reserve.as_percent()).unwrap_or_else(|| whole.clone())
    }

    pub(super) fn exact_set(&self) -> Rule {
        self.exact_set
    }
}
