//! What is planned for.

use std::num::NonZeroU16;
use std::time::Duration;

use fleetcert_names::DomainName;

use super::profile::Profile;
use crate::budget::Account;

/// The devices that have no certificate yet, and how they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Number of devices.
    pub devices: u32,
    /// Profile of their certificates.
    pub profile: Profile,
    /// Registered domains of their names.
    pub zones: Zones,
    scope: Option<(Account, DomainName)>,
    /// Time over which the first renewals are spread.
    pub smear: Duration,
}

/// How the devices' names are spread over registered domains, which is what the CA counts certificates by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Zones {
    /// So many registered domains, each with as many devices as the next.
    ///
    /// With more domains than the account may order at once (300 by default), a plan can tell a device too early: by
    /// less than the time in which the account orders one for each domain.
    Domains(NonZeroU16),
    /// One zone that stands on the public suffix list, so that each device's name is a registered domain of its
    /// own.
    ///
    /// The list's maintainers refuse entries that are only there to get around a CA's limits. An entry cuts the
    /// devices' cookies and sites off from each other, is hard to undo, and counts only when the CA has put the
    /// newer list in service.
    PublicSuffix,
}

impl Zones {
    /// One registered domain.
    pub const ONE: Self = Self::Domains(NonZeroU16::MIN);
}

impl Fleet {
    /// So many devices of one registered domain, renewed in the window that the CA suggests.
    pub fn new(devices: u32, profile: Profile) -> Self {
        Self { devices, profile, zones: Zones::ONE, scope: None, smear: Duration::ZERO }
    }

    /// The same devices, named otherwise.
    #[must_use]
    pub fn with_zones(self, zones: Zones) -> Self {
        Self { zones, ..self }
    }

    /// The same devices, for this account and in this domain, so that the overrides granted to these count.
    /// Otherwise the defaults of the limits count.
    #[must_use]
    pub fn ordered_by(self, account: Account, domain: DomainName) -> Self {
        Self { scope: Some((account, domain)), ..self }
    }

    /// The same devices, each renewed the first time up to `over` too early, all moments being equally likely.
    ///
    /// What was issued in a wave comes back as a wave in each cycle, unless it is smeared once. Too early is
    /// outside the window, and still exempt as the same set of names; it costs one more of the five certificates
    /// that a set has in a week. What is longer than a cycle counts as a cycle.
    #[must_use]
    pub fn smeared(self, over: Duration) -> Self {
        Self { smear: over, ..self }
    }

    pub(super) fn scope(&self) -> Option<&(Account, DomainName)> {
        self.scope.as_ref()
    }
}

/// New devices a week that come on top while the fleet is in service, evenly over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth(pub u32);

/// The share of each shared limit that the rollout leaves alone, for new devices and for emergencies: of the burst
/// as of what comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reserve(u8);

impl Reserve {
    /// The rollout takes all it gets.
    pub const NONE: Self = Self(0);

    /// So many per cent; `None` from 100 on, which would leave nothing for the rollout.
    pub const fn percent(percent: u8) -> Option<Self> {
        if percent < 100 { Some(Self(percent)) } else { None }
    }

    /// How many per cent.
    pub fn as_percent(self) -> u8 {
        self.0
    }
}
