//! What came of a fleet.

use std::fmt;
use std::time::Duration;

/// Counts of one run. The first three come from the CA's own ledger.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) devices: usize,
    pub(crate) days: u32,
    pub(crate) orders: u64,
    pub(crate) certificates: u64,
    pub(crate) rate_limited: u64,
    pub(crate) failed_validations: u64,
    pub(crate) unanswered: u64,
    pub(crate) zone_refusals: u64,
    pub(crate) expired_reachable: u64,
    pub(crate) expired_away: u64,
    pub(crate) least_left_at_renewal: Option<Duration>,
    pub(crate) revoked: u64,
    pub(crate) longest_revoked: Duration,
    pub(crate) still_revoked: u64,
    pub(crate) without_certificate: u64,
    pub(crate) challenge_records_left: usize,
    pub(crate) hostile: (u64, u64),
    pub(crate) polls: u64,
    pub(crate) seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |time: Duration| time.as_secs_f64() / 86_400.0;
        let least = self.least_left_at_renewal.map_or("-".to_owned(), |left| format!("{:.2} d", days(left)));
        for (what, value) in [
            ("devices at the end", self.devices.to_string()),
            ("days", self.days.to_string()),
            ("orders that the CA accepted", self.orders.to_string()),
            ("certificates", self.certificates.to_string()),
            ("refused for a rate limit", self.rate_limited.to_string()),
            ("failed validations", self.failed_validations.to_string()),
            ("requests in the outage of the CA", self.unanswered.to_string()),
            ("changes in the outage of the zone", self.zone_refusals.to_string()),
            ("expired on a reachable device", self.expired_reachable.to_string()),
            ("expired on a device that was off", self.expired_away.to_string()),
            ("least time left at a renewal", least),
            ("revoked in the incident", self.revoked.to_string()),
            ("longest in use after the revocation", format!("{:.2} d", days(self.longest_revoked))),
            ("reachable and still revoked", self.still_revoked.to_string()),
            ("reachable without a certificate", self.without_certificate.to_string()),
            ("challenge records left", self.challenge_records_left.to_string()),
            ("hostile requests", self.hostile.0.to_string()),
            ("  of these admitted", self.hostile.1.to_string()),
            ("polls of devices", self.polls.to_string()),
            ("seconds of the machine", format!("{:.1}", self.seconds)),
        ] {
            writeln!(f, "  {what:<40} {value:>12}")?;
        }
        Ok(())
    }
}
