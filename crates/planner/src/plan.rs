//! The plan of a rollout.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{LimitKind, Limits, Rule};

use crate::fleet::{Fleet, Growth, Reserve, Zones};
use crate::load::{self, DayLoad};
use crate::newcomers::{Newcomers, Room};
use crate::pace::{Paces, SharedLimits};
use crate::steady::SteadyState;
use crate::tiers::Effect;

/// The plan by which a fleet gets its first certificates, and the load that follows.
///
/// Times are the earliest that the limits allow: the rollout never idles, and nothing fails.
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
    pub(crate) shared: SharedLimits,
    /// Load of each day from the start on: the rollout and two renewal cycles, 400 days at most.
    pub load: Vec<DayLoad>,
}

/// The moment at which a part of the fleet has certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Per cent of the fleet at the start.
    pub percent: u8,
    /// Number of devices.
    pub devices: u32,
    /// Time after the start.
    pub after: Duration,
    /// Date; `None` beyond the range of `SystemTime`.
    pub at: Option<SystemTime>,
}

/// A part of the rollout in which the same limit binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Limit; `None` for the devices that the full buckets allow at once.
    pub limit: Option<LimitKind>,
    /// First device of the phase, counted from one.
    pub first: u32,
    /// Last device.
    pub last: u32,
    /// Begin of the phase after the start: the last device of the phase before.
    pub from: Duration,
    /// Time after the start at which its last device has a certificate.
    pub until: Duration,
}

impl Rollout {
    /// Plans the rollout of `fleet` from `start` on, with full buckets.
    ///
    /// The fleet uses all shared limits except the reserve. New devices use the reserve, and all of the limits when the
    /// fleet is done. An unknown limit counts as one that does not bind; [`unknown`](Self::unknown) names it.
    pub fn plan(fleet: Fleet, growth: Growth, limits: &Limits, reserve: Reserve, start: SystemTime) -> Self {
        let shared = SharedLimits::of(&fleet, limits);
        let exact_set = limits.rule(LimitKind::CertificatesPerFqdnSet);
        let mut plan = Self { fleet, growth, reserve, start, exact_set, shared, load: Vec::new() };
        plan.load = load::of(&plan);
        plan
    }

    /// Returns the limits that the CA does not publish. They count as limits that do not bind.
    pub fn unknown(&self) -> Vec<LimitKind> {
        let rules = [
            (self.shared.domain_kind, self.shared.domain),
            (LimitKind::NewOrdersPerAccount, self.shared.orders),
            (LimitKind::CertificatesPerFqdnSet, self.exact_set),
        ];
        rules.into_iter().filter(|(_, rule)| *rule == Rule::Unknown).map(|(kind, _)| kind).collect()
    }

    /// Returns when 10, 50, 90 and 100 per cent of the fleet have certificates.
    pub fn milestones(&self) -> [Milestone; 4] {
        [10, 50, 90, 100].map(|percent| self.milestone(percent))
    }

    /// Returns when the whole fleet has certificates.
    pub fn completion(&self) -> Milestone {
        self.milestone(100)
    }

    /// Returns when `percent` of the fleet, rounded up to a device, have certificates. More than 100 counts as 100.
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

    /// Returns how many devices of the fleet have certificates after this time.
    pub fn with_certificate_after(&self, time: Duration) -> u32 {
        let had = self.paces().certificates_by(time).min(self.fleet.devices.into());
        u32::try_from(had).unwrap_or(u32::MAX)
    }

    /// Returns the limits that bind, from the first device to the last. Empty for a fleet of no devices.
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

    /// Returns the room for new devices, and whether they wait.
    pub fn room(&self) -> Room {
        self.newcomers().room()
    }

    /// Returns the renewals of the fleet when all have certificates, with the lifetime of that time.
    pub fn steady_state(&self) -> SteadyState {
        let at = self.completion().at.unwrap_or(self.start);
        SteadyState::new(self.fleet.devices, self.fleet.profile.lifetime_at(at))
    }

    /// Returns what would change with other names.
    pub fn with_zones(&self, zones: Zones) -> Effect {
        self.effect(&self.shared, zones)
    }

    /// Returns the smallest number of registered domains, each with the default limits, with which the fleet is done
    /// within this time and the queue of new devices does not grow without bound. `None` if more domains do not help.
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

    pub(crate) fn effect(&self, shared: &SharedLimits, zones: Zones) -> Effect {
        let newcomers = self.newcomers_through(&shared.paces(zones));
        Effect {
            complete_after: newcomers.rollout_ends,
            per_week: newcomers.room().after,
            binds: newcomers.whole.slowest(),
            waiting: newcomers.room().waiting,
        }
    }

    pub(crate) fn newcomers(&self) -> Newcomers {
        self.newcomers_through(&self.whole())
    }

    fn newcomers_through(&self, whole: &Paces) -> Newcomers {
        let ends = self.of_the_fleet(whole).after(self.fleet.devices.into());
        Newcomers::new(whole.clone(), self.growth, self.reserve, ends)
    }

    /// Returns the pace of all of the shared limits.
    pub(crate) fn whole(&self) -> Paces {
        self.shared.paces(self.fleet.zones)
    }

    /// Returns the part of the pace that the fleet uses.
    fn paces(&self) -> Paces {
        self.of_the_fleet(&self.whole())
    }

    fn of_the_fleet(&self, whole: &Paces) -> Paces {
        // A reserve is less than 100 %, so something is always left.
        whole.share(100 - self.reserve.as_percent()).unwrap_or_else(|| whole.clone())
    }

    pub(crate) fn exact_set(&self) -> Rule {
        self.exact_set
    }
}
