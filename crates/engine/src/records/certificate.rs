//! The certificate of a name.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::Window;
use serde::{Deserialize, Serialize};

/// Longer than any limit, and short enough to reckon with.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CertificateRecord {
    /// The chain as the CA gave it, PEM.
    pub chain: String,
    /// The request that it was issued for, hashed: the same again gets the same certificate.
    pub csr_sha256: String,
    /// The id for renewal information and `replaces` (RFC 9773).
    pub certificate_id: Option<String>,
    /// The account that ordered it: no other may say that it replaces it.
    pub account_url: String,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// The window as the CA named it last, or as its life gives it.
    pub window: Option<(SystemTime, SystemTime)>,
    /// The moment in the window. Drawn once for a window and kept.
    pub renew_at: Option<SystemTime>,
    /// When the last certificates of this name were issued, for the limit on the name.
    pub issued_at: Vec<SystemTime>,
}

impl CertificateRecord {
    pub(crate) fn window(&self) -> Option<Window> {
        self.window.and_then(|(start, end)| Window::new(start, end))
    }

    /// Whether it should be renewed now: its moment has come.
    pub(crate) fn is_due(&self, now: SystemTime) -> bool {
        self.renew_at.is_some_and(|at| at <= now) || self.not_after <= now
    }

    /// Whether a renewal now is inside the CA's window, or due: then the same request again means a renewal.
    pub(crate) fn may_be_renewed(&self, now: SystemTime) -> bool {
        self.is_due(now) || self.window().is_some_and(|window| window.contains(now))
    }

    /// When the next certificate of this name may be ordered; `None` for now.
    pub(crate) fn limited_until(&self, now: SystemTime, most: usize, period: Duration) -> Option<SystemTime> {
        let period = period.min(CENTURY);
        let recent: Vec<_> = self.issued_at.iter().filter(|at| **at + period > now).collect();
        // The oldest of those that fill the limit makes room when its period is over.
        let oldest = recent.get(recent.len().checked_sub(most.max(1))?)?;
        Some(**oldest + period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn issued(hours: &[u32]) -> CertificateRecord {
        let at = |hour: u32| SystemTime::UNIX_EPOCH + HOUR * hour;
        CertificateRecord {
            chain: String::new(),
            csr_sha256: String::new(),
            certificate_id: None,
            account_url: String::new(),
            not_before: at(0),
            not_after: at(1000),
            window: None,
            renew_at: None,
            issued_at: hours.iter().map(|hour| at(*hour)).collect(),
        }
    }

    #[test]
    fn the_limit_of_a_name_frees_itself_one_by_one() {
        let now = SystemTime::UNIX_EPOCH + HOUR * 10;
        let until = |hours: &[u32]| issued(hours).limited_until(now, 2, HOUR * 5);
        assert_eq!(until(&[]), None);
        assert_eq!(until(&[1, 2, 9]), None, "those of long ago do not count");
        assert_eq!(until(&[8, 9]), Some(SystemTime::UNIX_EPOCH + HOUR * 13));
        assert_eq!(until(&[7, 8, 9]), Some(SystemTime::UNIX_EPOCH + HOUR * 13));
    }
}
