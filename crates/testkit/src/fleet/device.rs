//! A simulated device, and what the control server knows of it.

use std::time::SystemTime;

use fleetcert_schedule::Window;
use fleetcert_schedule::order_queue::Predecessor;

use super::report::{Reason, Report};

/// A device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) certificate: Option<Certificate>,
    /// Time since which it is on; `None` while it is off.
    pub(super) awake_since: Option<SystemTime>,
    /// Request that waits or is in flight.
    pub(super) wanted: Option<Wanted>,
    /// Number of certificates; events of an older one are void.
    pub(super) generation: u32,
    /// Whether the expiry of its certificate was counted.
    pub(super) expiry_counted: bool,
    /// Failed attempts in a row.
    pub(super) failures: u32,
}

/// The last certificate of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate {
    pub(super) issued_at: SystemTime,
    pub(super) not_after: SystemTime,
    /// Time at which the device requests the next one.
    pub(super) renew_at: SystemTime,
    /// Window in which the CA exempts the next order from its limits.
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

    /// Returns whether it has been on since its certificate was due. Then the certificate must not expire.
    pub(super) fn was_there(&self, certificate: &Certificate) -> bool {
        self.awake_since.is_some_and(|since| since <= certificate.renew_at)
    }

    /// Returns the reason of a request now, unless the device has lost its key.
    pub(super) fn reason(&self) -> Reason {
        match &self.certificate {
            None => Reason::New,
            Some(certificate) if certificate.revoked_at.is_some() => Reason::Revoked,
            Some(certificate) if self.was_there(certificate) => Reason::Renewal,
            Some(_) => Reason::Return,
        }
    }
}

/// Counts an expired certificate once, before the state of its device changes.
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
