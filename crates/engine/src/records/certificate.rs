//! The certificate of an identifier set.

use std::time::SystemTime;

use fleetcert_names::{HostName, IdentifierSet};
use fleetcert_schedule::Window;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CertificateRecord {
    /// The chain as the CA gave it, PEM.
    pub chain: String,
    /// Identifiers that it was ordered for; `None` in records of versions before sets.
    #[serde(default)]
    pub identifiers: Option<IdentifierSet>,
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
    /// Whether the renewal time is a turn in the plan for renewals at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_urgent: bool,
    /// When the last certificates of this name were issued, for the limit on the name.
    pub issued_at: Vec<SystemTime>,
}

impl CertificateRecord {
    /// Returns whether it is the certificate of exactly these identifiers.
    pub(crate) fn is_for(&self, identifiers: &IdentifierSet) -> bool {
        self.identifiers.as_ref() == Some(identifiers)
    }

    /// Returns the host name of the device; `None` in records of versions before sets, which have it as their key.
    pub(crate) fn name(&self) -> Option<&HostName> {
        self.identifiers.as_ref().map(|identifiers| identifiers.as_slice()[0].base())
    }

    pub(crate) fn window(&self) -> Option<Window> {
        self.window.and_then(|(start, end)| Window::new(start, end))
    }

    /// Whether it should be renewed now: its moment has come.
    pub(crate) fn is_due(&self, now: SystemTime) -> bool {
        self.renew_at.is_some_and(|at| at <= now) || self.not_after <= now
    }

    /// Returns the window from which the renewal time comes: the CA's, unless it was open before the certificate existed.
    pub(crate) fn counting_window(&self) -> Option<Window> {
        Some(self.window()?.for_certificate(self.issued(), self.not_after))
    }

    /// Returns when it was issued.
    pub(crate) fn issued(&self) -> SystemTime {
        self.issued_at.last().copied().unwrap_or(self.not_before)
    }

    /// Returns the time from which the certificate is of no use, as far as it is known: the end of its window if that
    /// lies ahead, otherwise its expiry.
    pub(crate) fn deadline(&self, now: SystemTime) -> SystemTime {
        let end = self.window().map(|window| window.end()).filter(|end| *end > now);
        end.map_or(self.not_after, |end| end.min(self.not_after))
    }

    /// Returns whether it may be renewed now: it is due, or its window is open. Then the same request again means a
    /// renewal.
    pub(crate) fn may_be_renewed(&self, now: SystemTime) -> bool {
        self.is_due(now) || self.counting_window().is_some_and(|window| window.contains(now))
    }
}
