//! The fleet that is planned for, its growth, and the reserve.

use std::num::NonZeroU16;
use std::time::Duration;

use fleetcert_names::DomainName;
use fleetcert_schedule::budget::Account;
use fleetcert_schedule::known_ca::Profile;

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

/// How the devices' names are spread over registered domains. The CA counts certificates by registered domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Zones {
    /// Number of registered domains, all with equally many devices.
    ///
    /// With more domains than the account may order at once (300 by default), a planned time can be too early: by less
    /// than the time in which the account orders one certificate for each domain.
    Domains(NonZeroU16),
    /// One zone on the public suffix list, so that each device's name is a registered domain of its own.
    ///
    /// The list's maintainers refuse entries whose only purpose is to avoid a CA's limits. An entry separates the
    /// devices' cookies and sites from each other, is hard to undo, and takes effect when the CA deploys the newer
    /// list.
    PublicSuffix,
}

impl Zones {
    /// One registered domain.
    pub const ONE: Self = Self::Domains(NonZeroU16::MIN);
}

impl Fleet {
    /// Returns a fleet of `devices` in one registered domain, renewed in the window that the CA suggests.
    pub fn new(devices: u32, profile: Profile) -> Self {
        Self { devices, profile, zones: Zones::ONE, scope: None, smear: Duration::ZERO }
    }

    /// Returns the same devices with other names.
    #[must_use]
    pub fn with_zones(self, zones: Zones) -> Self {
        Self { zones, ..self }
    }

    /// Returns the same devices for this account and in this domain, so that their overrides apply. Without this call
    /// the defaults of the limits apply.
    #[must_use]
    pub fn ordered_by(self, account: Account, domain: DomainName) -> Self {
        Self { scope: Some((account, domain)), ..self }
    }

    /// Returns the same devices, each renewed the first time up to `over` early, all moments being equally likely.
    ///
    /// Certificates issued in a wave are due as a wave in each cycle, unless they are spread once. An early renewal is
    /// outside the window and still exempt as the same set of names; it costs one more of the five certificates that a
    /// set has in a week. A longer time than a cycle counts as a cycle.
    #[must_use]
    pub fn smeared(self, over: Duration) -> Self {
        Self { smear: over, ..self }
    }

    pub(crate) fn scope(&self) -> Option<&(Account, DomainName)> {
        self.scope.as_ref()
    }
}

/// New devices a week, in addition to the fleet, evenly over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth(pub u32);

/// The share of each shared limit that the rollout leaves for new devices and emergencies: of its burst and of its
/// refill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reserve(u8);

impl Reserve {
    /// The rollout uses all of the limits.
    pub const NONE: Self = Self(0);

    /// Returns a reserve of `percent`; `None` from 100 on, which would leave nothing for the rollout.
    pub const fn percent(percent: u8) -> Option<Self> {
        if percent < 100 { Some(Self(percent)) } else { None }
    }

    /// Returns the per cent.
    pub fn as_percent(self) -> u8 {
        self.0
    }
}
