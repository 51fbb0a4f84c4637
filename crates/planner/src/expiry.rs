//! What would expire.

use std::time::Duration;

use fleetcert_schedule::budget::{LimitKind, Rule, SAME_SET_WINDOW};

use crate::plan::Rollout;
use crate::profile::cycle_of;

/// Certificates that expire because the limits prevent their renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Devices that have no valid certificate at any time, as planned.
    pub devices: u64,
    /// Cause, also when there are none.
    pub cause: ExpiryCause,
    /// Certificates that the shared limits would keep alive if renewals were not exempt and each came at the last
    /// moment. The growth's first certificates go before.
    pub kept_without_exemption: u64,
    /// Devices of the fleet that would then have no certificate.
    pub without_exemption: u64,
    /// Whether the shared limits would then let each device renew in the middle of its window.
    pub on_time_without_exemption: bool,
}

/// The reason why certificates expire, or do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryCause {
    /// Renewals are exempt from the shared limits, and one set of names gets certificates faster than they expire.
    RenewalsAreExempt,
    /// One set of names gets certificates more slowly than they expire
    /// ([`LimitKind::CertificatesPerFqdnSet`], from which nothing is exempt).
    ExactSet,
}

/// The effect of devices that return after being unreachable since their last certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// Number of devices that return.
    pub devices: u32,
    /// Whether their certificates have expired, by the lifetime of those issued at the rollout's end.
    pub expired: bool,
    /// Whether a new certificate for the same names is still a renewal for the CA, and exempt.
    pub exempt: bool,
    /// Time until all have new certificates. Zero if they are exempt; otherwise they have all of the shared limits,
    /// with full buckets.
    pub served_after: Duration,
    /// Limit that the last of them waits for.
    pub binds: Option<LimitKind>,
}

impl Rollout {
    /// Returns what would expire in the long run, if nothing fails.
    ///
    /// The ARI window is at two thirds of the lifetime (half, below ten days), which leaves a third for devices that
    /// sleep and for outages.
    pub fn expiry(&self) -> Expiry {
        let devices = u64::from(self.fleet.devices);
        let at = self.completion().at.unwrap_or(self.start);
        let life = self.fleet.profile.lifetime_at(at);
        let starves = match self.exact_set() {
            Rule::Limited(limit) => limit.emission_interval() > life,
            Rule::Unlimited | Rule::Unknown => false,
        };
        let cause = if starves { ExpiryCause::ExactSet } else { ExpiryCause::RenewalsAreExempt };
        let kept = |time: Duration| {
            let grown = self.newcomers().come_by(time);
            self.whole().refilled_in(time).saturating_sub(grown)
        };
        let cycle = cycle_of(life);
        Expiry {
            devices: if starves { devices } else { 0 },
            cause,
            kept_without_exemption: kept(life),
            without_exemption: devices.saturating_sub(kept(life)),
            on_time_without_exemption: kept(cycle) >= devices,
        }
    }

    /// Returns what happens when `devices` return at once, `asleep` after their last certificates.
    ///
    /// A certificate for the same names within 120 days is exempt. A control server that keeps a device's last CSR and
    /// renews with it while the device sleeps avoids this case.
    pub fn returning(&self, devices: u32, asleep: Duration) -> Return {
        let exempt = asleep <= SAME_SET_WINDOW;
        let whole = self.whole();
        let served_after = if exempt { Duration::ZERO } else { whole.after(devices.into()) };
        let life = self.fleet.profile.lifetime_at(self.completion().at.unwrap_or(self.start));
        Return {
            devices,
            expired: asleep >= life,
            exempt,
            served_after,
            binds: if served_after.is_zero() { None } else { whole.binding(devices.into()) },
        }
    }
}
