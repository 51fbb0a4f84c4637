//! The scenario of a simulated fleet: its size, its zone, its outages.

use std::time::{Duration, SystemTime};

use fleetcert_names::{DomainName, HostName};
use fleetcert_schedule::Margin;
use fleetcert_schedule::budget::Limits;
use fleetcert_schedule::known_ca::Profile;

use crate::limiter::CaLimits;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// 2026-12-01, before the next change of lifetimes that Let's Encrypt has announced.
const START: Duration = Duration::from_secs(1_796_083_200);

/// The scenario of a fleet, from its first day to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Start. No device has a certificate.
    pub start: SystemTime,
    /// Number of days.
    pub days: u32,
    /// Number of devices that request their first certificate at the start.
    pub devices: u32,
    /// Growth in 30 days, in thousandths of the devices, evenly over time.
    pub growth_per_mille: u32,
    /// Seed of all random numbers: the same seed gives the same result.
    pub seed: u64,
    /// Profile of the certificates.
    pub profile: Profile,
    /// How the CA counts the names of the zone.
    pub zone: Zone,
    /// Number of tenants.
    pub tenants: u32,
    /// Minimum and maximum time from the placed order to the certificate.
    pub order_takes: (Duration, Duration),
    /// Outages of the CA.
    pub ca_outages: Vec<Span>,
    /// Times at which the zone refuses records.
    pub zone_outages: Vec<Span>,
    /// Outages of the control server.
    pub control_outages: Vec<Span>,
    /// Revocations by the CA, reported by renewal windows.
    pub incidents: Vec<Incident>,
    /// Devices that sleep after their first certificate and all return at one time.
    pub returning: Option<Returning>,
    /// Behaviour of the devices.
    pub habits: Habits,
    /// Margin of the renewals; `None` for the CA's window.
    pub margin: Option<Margin>,
}

/// The behaviour of devices: each number is the devices of a million that do so in a day, unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Devices that are switched off, for one day to eight months.
    pub fall_asleep: u32,
    /// Devices that change their address.
    pub move_away: u32,
    /// Devices that lose their disk, with the key of the certificate.
    pub lose_disk: u32,
    /// Number of devices that reinstall every twenty minutes.
    pub reinstall_in_a_loop: u32,
    /// Number of devices that send a thousand requests a second for an hour of the second day, and one a minute after
    /// that.
    pub hostile: u32,
}

/// A span of time, from the start of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Begin.
    pub after: Duration,
    /// Length.
    pub length: Duration,
}

/// A mass revocation by the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Time from the start.
    pub after: Duration,
    /// Thousandths of the certificates.
    pub per_mille: u32,
}

/// Devices that all return at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// Number of devices.
    pub devices: u32,
    /// Time from the start.
    pub after: Duration,
}

/// How the CA counts the names of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The zone is on the public suffix list: each device is a registered domain.
    PublicSuffix,
    /// Number of registered domains over which the devices are spread.
    Domains(u32),
}

impl Scenario {
    /// Returns the standard scenario: a zone on the public suffix list, certificates of 45 days, 1 % growth in 30 days;
    /// devices that sleep, move and lose their disks, and some that are broken or hostile; outages of the zone, the
    /// control server and the CA, and one incident in which the CA revokes a tenth.
    pub fn year(devices: u32, days: u32, seed: u64) -> Self {
        let at = |percent: u32| DAY * days * percent / 100;
        Self {
            start: SystemTime::UNIX_EPOCH + START,
            days,
            devices,
            growth_per_mille: 10,
            seed,
            profile: Profile::TlsServer,
            zone: Zone::PublicSuffix,
            tenants: 100,
            order_takes: (Duration::from_secs(5), Duration::from_secs(15)),
            ca_outages: vec![Span { after: at(60), length: 6 * HOUR }],
            zone_outages: vec![Span { after: at(25), length: 2 * HOUR }],
            control_outages: vec![Span { after: at(40), length: HOUR }],
            incidents: vec![Incident { after: at(80), per_mille: 100 }],
            returning: None,
            habits: Habits {
                fall_asleep: 500,
                move_away: 10_000,
                lose_disk: 50,
                reinstall_in_a_loop: 3,
                hostile: 1,
            },
            margin: Some(Margin::default()),
        }
    }

    /// Returns the end.
    pub fn end(&self) -> SystemTime {
        self.start + DAY * self.days
    }

    /// Returns the name of a device.
    pub fn name_of(&self, device: u32) -> HostName {
        let name = match self.zone {
            Zone::PublicSuffix => format!("d{device:07}.{LISTED}"),
            Zone::Domains(domains) => format!("d{device:07}.fleet{}.example", device % domains.max(1)),
        };
        name.parse().expect("digits between known names")
    }

    /// Returns the limits with which the control server schedules: Let's Encrypt's, with the zone listed.
    pub fn limits(&self) -> Limits {
        let limits = Limits::lets_encrypt_production();
        match self.zone {
            Zone::PublicSuffix => limits.with_public_suffix(listed()),
            Zone::Domains(_) => limits,
        }
    }

    /// Returns the limits of the CA: Let's Encrypt's, with the zone listed.
    pub fn ca_limits(&self) -> CaLimits {
        let mut limits = CaLimits::production();
        if self.zone == Zone::PublicSuffix {
            limits.extra_public_suffixes.insert(listed());
        }
        limits
    }
}

/// Account of the control server in every scenario.
pub const ACCOUNT: &str = "https://ca.example/account/1";

fn listed() -> DomainName {
    LISTED.parse().expect("a domain name")
}

/// Zone on the public suffix list.
const LISTED: &str = "fleet.example";

impl Span {
    /// Returns whether `time` is in the span.
    pub fn contains(&self, start: SystemTime, time: SystemTime) -> bool {
        let begin = start + self.after;
        begin <= time && time < begin + self.length
    }
}
