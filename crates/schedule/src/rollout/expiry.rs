//! What would expire.

use std::time::Duration;

use super::plan::Rollout;
use crate::budget::{LimitKind, Rule, SAME_SET_WINDOW};

/// How many certificates run out because the limits do not let them be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// How many devices at any time have none that is valid, as planned.
    pub devices: u64,
    /// Why these, or why none.
    pub cause: ExpiryCause,
    /// How many certificates the shared limits would keep alive if renewals were not exempt from them and each
    /// came at the last moment; the growth's first certificates come before.
    pub kept_without_exemption: u64,
    /// How many devices of the fleet would then have none.
    pub without_exemption: u64,
    /// Whether the shared limits would then let each device renew in the middle of its window.
    pub on_time_without_exemption: bool,
}

/// What decides whether certificates run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryCause {
    /// Renewals pass by the shared limits, and one set of names gets certificates more often than its own run out.
    RenewalsAreExempt,
    /// One set of names gets certificates more slowly than they run out
    /// ([`LimitKind::CertificatesPerFqdnSet`], from which nothing is exempt).
    ExactSet,
}

/// What happens when devices come back that were not to be reached since their last certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// How many come back.
    pub devices: u32,
    /// Whether their certificates have run out meanwhile, by the life of those issued at the rollout's end.
    pub expired: bool,
    /// Whether a new certificate for the same names is still a renewal for the CA, and exempt.
    pub exempt: bool,
    /// How long it takes until all have new ones: no time by the shared limits when they are exempt, otherwise
    /// with all of the shared limits, full buckets, and nobody beside them.
    pub served_after: Duration,
    /// What holds the last of them back.
    pub binds: Option<LimitKind>,
}

impl Rollout {
    /// What would expire in the long run, if nothing fails.
    ///
    /// ARI's window lies at two thirds of a life (half, below ten days), so that a third of it is left for
    /// devices that sleep, and for outages.
    pub fn expiry(&self) -> Expiry {
        let devices = u64::from(self.fleet.devices);
        let at = self.completion().at.unwrap_or(self.start);
        let life = self.fleet.profile.life_at(at);
        let starves = match self.exact_set() {
            Rule::Limited(limit) => limit.emission_interval() > life,
            Rule::Unlimited | Rule::Unknown => false,
        };
        let cause = if starves { ExpiryCause::ExactSet } else { ExpiryCause::RenewalsAreExempt };
        let kept = |time: Duration| {
            let grown = self.newcomers().come_by(time);
            self.whole().come_back_in(time).saturating_sub(grown)
        };
        let cycle = self.fleet.profile.cycle_at(at);
        Expiry {
            devices: if starves { devices } else { 0 },
            cause,
            kept_without_exemption: kept(life),
            without_exemption: devices.saturating_sub(kept(life)),
            on_time_without_exemption: kept(cycle) >= devices,
        }
    }

    /// What happens when so many devices come back at once, `asleep` after their last certificates.
    ///
    /// A certificate of the same names within 120 days is exempt: who keeps a device's last CSR and renews with it
    /// while the device sleeps never gets here.
    pub fn returning(&self, devices: u32, asleep: Duration) -> Return {
        let exempt = asleep <= SAME_SET_WINDOW;
        let whole = self.whole();
        let served_after = if exempt { Duration::ZERO } else { whole.after(devices.into()) };
        let life = self.fleet.profile.life_at(self.completion().at.unwrap_or(self.start));
        Return {
            devices,
            expired: asleep >= life,
            exempt,
            served_after,
            binds: if served_after.is_zero() { None } else { whole.binding(devices.into()) },
        }
    }
}
