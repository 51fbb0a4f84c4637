//! One simulated device, and what the control server knows of it.

use std::time::SystemTime;

use fleetcert_schedule::Window;
use fleetcert_schedule::order_queue::Predecessor;

use super::report::{Reason, Report};

/// A device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) certificate: Option<Certificate>,
    /// Since when it is switched on; `None` while it is off.
    pub(super) awake_since: Option<SystemTime>,
    /// The request that waits or is worked on.
    pub(super) wanted: Option<Wanted>,
    /// Every new certificate is another generation; what was planned for an older one is void.
    pub(super) generation: u32,
    /// Its certificate's expiry was counted.
    pub(super) expiry_counted: bool,
    /// Failed goes in a row.
    pub(super) failures: u32,
}

/// The last certificate of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate {
    pub(super) issued_at: SystemTime,
    pub(super) not_after: SystemTime,
    /// When its device asks for the next.
    pub(super) renew_at: SystemTime,
    /// When the CA exempts the order for the next from its limits.
    pub(super) window: Option<Window>,
    pub(super) revoked_at: Option<SystemTime>,
}

impl Certificate {
    /// Returns what the lane of its renewal depends on. The CA ends the window of a certificate that it revokes.
    pub(super) fn as_predecessor(&self) -> Predecessor {
        let window_end = self.revoked_at.or(self.window.map(|window| window.end()));
        Predecessor {
            not_before: self.issued_at,
            not_after: self.not_after,
            renew_at: Some(self.renew_at),
            window_end,
        }
    }
}

/// A request for a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) since: SystemTime,
    pub(super) reason: Reason,
}

impl Device {
    pub(super) fn new(born: SystemTime) -> Self {
        Self {
            certificate: None,
            awake_since: Some(born),
            wanted: None,
            generation: 0,
            expiry_counted: false,
            failures: 0,
        }
    }

    /// Whether it was switched on when its certificate was due, and ever since: then the certificate must not expire.
    pub(super) fn was_there(&self, certificate: &Certificate) -> bool {
        self.awake_since.is_some_and(|since| since <= certificate.renew_at)
    }

    /// Why it asks now, unless it has lost its key.
    pub(super) fn reason(&self) -> Reason {
        match &self.certificate {
            None => Reason::New,
            Some(certificate) if certificate.revoked_at.is_some() => Reason::Revoked,
            Some(certificate) if self.was_there(certificate) => Reason::Renewal,
            Some(_) => Reason::Return,
        }
    }
}

/// Counts a certificate that has expired, once, when its device's state is about to change.
pub(super) fn count_expiry(device: &mut Device, report: &mut Report, now: SystemTime) {
    let Some(certificate) = device.certificate.filter(|certificate| certificate.not_after <= now) else {
        return;
    };
    if device.expiry_counted {
        return;
    }
    device.expiry_counted = true;
    if device.was_there(&certificate) {
        report.expired_reachable += 1;
    } else {
        report.expired_away += 1;
    }
}
