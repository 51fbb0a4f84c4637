//! What happens to a simulated fleet: its size, its zone, its misfortunes.

use std::time::{Duration, SystemTime};

use fleetcert_names::{DomainName, HostName};
use fleetcert_schedule::Margin;
use fleetcert_schedule::budget::Limits;
use fleetcert_schedule::known_ca::Profile;

use crate::limiter::CaLimits;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// 2026-12-01, before the next change of lives that Let's Encrypt has announced.
const START: Duration = Duration::from_secs(1_796_083_200);

/// What happens to a fleet, from its first day to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The first moment. No device has a certificate.
    pub start: SystemTime,
    /// So many days.
    pub days: u32,
    /// So many devices want their first certificate at the start.
    pub devices: u32,
    /// So many devices more after 30 days, of a thousand; they are born one by one.
    pub growth_per_mille: u32,
    /// All chance comes from here: the same seed, the same result.
    pub seed: u64,
    /// Profile of the certificates.
    pub profile: Profile,
    /// How the zone is counted by the CA.
    pub zone: Zone,
    /// The devices belong to so many customers.
    pub tenants: u32,
    /// How long an order takes from its placing to its certificate, at least and at most.
    pub order_takes: (Duration, Duration),
    /// The CA answers nothing.
    pub ca_outages: Vec<Span>,
    /// The zone takes no records.
    pub zone_outages: Vec<Span>,
    /// The control server is away.
    pub control_outages: Vec<Span>,
    /// The CA revokes certificates and says so by their renewal windows.
    pub incidents: Vec<Incident>,
    /// Devices that sleep from their first certificate on, and all return at one moment.
    pub returning: Option<Returning>,
    /// What devices do by themselves.
    pub habits: Habits,
    /// What the control server's renewals leave room for; `None` for the CA's window as it is.
    pub margin: Option<Margin>,
}

/// What devices do by themselves, each as so many of a million devices in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Are switched off, for one day to eight months.
    pub fall_asleep: u32,
    /// Change their address.
    pub move_away: u32,
    /// Lose their disk, with the key of the certificate.
    pub lose_disk: u32,
    /// So many devices in all begin anew every twenty minutes, for ever.
    pub reinstall_in_a_loop: u32,
    /// So many devices in all ask a thousand times a second for an hour of the second day, and once a minute after it.
    pub hostile: u32,
}

/// A stretch of time, from the start of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// It begins after this.
    pub after: Duration,
    /// It lasts so long.
    pub length: Duration,
}

/// Certificates that the CA had to revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When, from the start.
    pub after: Duration,
    /// So many of a thousand certificates.
    pub per_mille: u32,
}

/// Devices that all come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// So many. They belong to one customer.
    pub devices: u32,
    /// When, from the start.
    pub after: Duration,
}

/// How the CA counts the names of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The zone is on the public suffix list: each device is a registered domain.
    PublicSuffix,
    /// The devices are spread over so many registered domains.
    Domains(u32),
}

impl Scenario {
    /// The year that a fleet is tried with: a zone on the public suffix list, certificates of 45 days, 1 % growth in
    /// 30 days; devices that sleep, move, lose their disks, and some that are broken or hostile; an outage of the
    /// zone, of the control server and of the CA, and one incident in which the CA revokes a tenth.
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

    /// The last moment.
    pub fn end(&self) -> SystemTime {
        self.start + DAY * self.days
    }

    /// The name of a device.
    pub fn name_of(&self, device: u32) -> HostName {
        let name = match self.zone {
            Zone::PublicSuffix => format!("d{device:07}.{LISTED}"),
            Zone::Domains(domains) => format!("d{device:07}.fleet{}.example", device % domains.max(1)),
        };
        name.parse().expect("digits between known names")
    }

    /// The limits with which the control server schedules: Let's Encrypt's, and that the zone is listed.
    pub fn limits(&self) -> Limits {
        let limits = Limits::lets_encrypt_production();
        match self.zone {
            Zone::PublicSuffix => limits.with_public_suffix(listed()),
            Zone::Domains(_) => limits,
        }
    }

    /// The limits of the CA: Let's Encrypt's, and that the zone is listed.
    pub fn ca_limits(&self) -> CaLimits {
        let mut limits = CaLimits::production();
        if self.zone == Zone::PublicSuffix {
            limits.extra_public_suffixes.insert(listed());
        }
        limits
    }
}

/// The account of the control server, in every scenario.
pub const ACCOUNT: &str = "https://ca.example/account/1";

fn listed() -> DomainName {
    LISTED.parse().expect("a domain name")
}

/// The zone that is on the public suffix list, in this scenario.
const LISTED: &str = "fleet.example";

impl Span {
    /// Whether `time` lies in it.
    pub fn contains(&self, start: SystemTime, time: SystemTime) -> bool {
        let begin = start + self.after;
        begin <= time && time < begin + self.length
    }
}
