//! The CA of a simulated fleet.

use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;
use fleetcert_schedule::known_ca::Profile;
use fleetcert_x509::Validity;

use crate::limiter::{CaLimits, Limiter, OrderFacts, Refused};
use crate::renewal::boulder_window;

use super::scenario::Scenario;

/// A CA as a simulated control server sees it: orders are placed, and completed later.
///
/// A device has one order at most, and the CA keeps its last certificate. [`Books`] is the test CA's own limiter and
/// ledger without HTTP; a CA over ACME can implement the same trait.
pub trait Ca {
    /// Places an order for a device; with `replaces`, as the replacement of its last certificate.
    ///
    /// # Errors
    /// The refusal of the CA.
    fn place(&mut self, order: &DeviceOrder<'_>, now: SystemTime) -> Result<(), Refused>;

    /// Validates and issues, for a placed order.
    ///
    /// # Errors
    /// [`ValidationFailed`] if the challenge record is not visible.
    fn complete(
        &mut self,
        order: &DeviceOrder<'_>,
        seen: bool,
        now: SystemTime,
    ) -> Result<Validity, ValidationFailed>;

    /// Revokes the last certificate of a device, and ends its renewal window.
    fn revoke(&mut self, device: u32, now: SystemTime);

    /// Returns the renewal window of the last certificate of a device.
    fn window(&self, device: u32) -> Option<(SystemTime, SystemTime)>;
}

/// An order of one device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceOrder<'a> {
    /// Number of the device.
    pub device: u32,
    /// Name of the device.
    pub name: &'a HostName,
    /// Whether it replaces the last certificate.
    pub replaces: bool,
}

/// The challenge failed, and with it the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationFailed;

/// A line of the CA's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: SystemTime,
    /// Device.
    pub device: u32,
    /// What.
    pub what: What,
}

/// What the CA did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Took an order; whether that named its predecessor.
    Order {
        /// It did.
        replaces: bool,
    },
    /// Refused an order for a rate limit.
    RateLimited,
    /// Failed a validation.
    Failed,
    /// Issued a certificate.
    Certificate,
}

/// The test CA's limiter and its ledger, without HTTP.
#[derive(Debug)]
pub struct Books {
    limiter: Limiter,
    profile: Profile,
    account: String,
    last: Vec<Option<LastCertificate>>,
    entries: Option<Vec<Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct LastCertificate {
    not_before: SystemTime,
    not_after: SystemTime,
    revoked_at: Option<SystemTime>,
}

/// Time by which the start of the validity is before the issuance.
const BACKDATE: Duration = Duration::from_secs(3600);

impl Books {
    /// Returns a CA with these limits. The ledger is optional: a year of a large fleet has millions of lines.
    pub fn new(limits: CaLimits, scenario: &Scenario, account: &str, keep_ledger: bool) -> Self {
        Self {
            limiter: Limiter::new(limits),
            profile: scenario.profile,
            account: account.to_owned(),
            last: Vec::new(),
            entries: keep_ledger.then(Vec::new),
        }
    }

    /// Returns the limiter.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Returns the ledger so far; empty if it is not kept.
    pub fn ledger(&self) -> &[Entry] {
        self.entries.as_deref().unwrap_or_default()
    }

    fn last_of(&self, device: u32) -> Option<LastCertificate> {
        self.last.get(device as usize).copied().flatten()
    }

    fn note(&mut self, device: u32, what: What, at: SystemTime) {
        if let Some(entries) = &mut self.entries {
            entries.push(Entry { at, device, what });
        }
    }
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

impl Ca for Books {
    fn place(&mut self, order: &DeviceOrder<'_>, now: SystemTime) -> Result<(), Refused> {
        let in_window =
            order.replaces && self.window(order.device).is_some_and(|(start, end)| start <= now && now < end);
        let identifiers = &order.name.clone().into();
        let facts = OrderFacts { account: &self.account, identifiers, replaces_in_window: in_window };
        let answer = self.limiter.new_order(&facts, now);
        let what = match answer {
            Ok(()) => What::Order { replaces: order.replaces },
            Err(_) => What::RateLimited,
        };
        self.note(order.device, what, now);
        answer
    }

    fn complete(
        &mut self,
        order: &DeviceOrder<'_>,
        seen: bool,
        now: SystemTime,
    ) -> Result<Validity, ValidationFailed> {
        if !seen {
            self.limiter.validation_failed(&self.account, order.name, now);
            self.note(order.device, What::Failed, now);
            return Err(ValidationFailed);
        }
        self.limiter.validated(&self.account, order.name);
        let identifiers = &order.name.clone().into();
        let facts = OrderFacts { account: &self.account, identifiers, replaces_in_window: false };
        self.limiter.issued(&facts, now);
        self.note(order.device, What::Certificate, now);
        // A certificate has whole seconds.
        let not_before = whole_seconds(now) - BACKDATE;
        // The validity includes its last second.
        let not_after = not_before + self.profile.lifetime_at(now) - Duration::from_secs(1);
        let index = order.device as usize;
        if self.last.len() <= index {
            self.last.resize(index + 1, None);
        }
        self.last[index] = Some(LastCertificate { not_before, not_after, revoked_at: None });
        Ok(Validity::new(not_before, not_after))
    }

    fn revoke(&mut self, device: u32, now: SystemTime) {
        if let Some(Some(last)) = self.last.get_mut(device as usize) {
            last.revoked_at = Some(now);
        }
    }

    fn window(&self, device: u32) -> Option<(SystemTime, SystemTime)> {
        const HOUR: Duration = Duration::from_secs(3600);
        let last = self.last_of(device)?;
        Some(match last.revoked_at {
            // Boulder: from an hour to half an hour ago.
            Some(at) => (at - HOUR, at - HOUR / 2),
            None => boulder_window(Validity::new(last.not_before, last.not_after)),
        })
    }
}
