//! The limits by name.

use std::fmt;

/// A limit of Let's Encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// New accounts from one IP address.
    NewRegistrationsPerIpAddress,
    /// New accounts from one /48 of IPv6.
    NewRegistrationsPerIpv6Range,
    /// New orders of one account.
    NewOrdersPerAccount,
    /// Failed validations of one name by one account.
    FailedAuthorizations,
    /// Certificates for one registered domain, of all accounts together.
    CertificatesPerDomain,
    /// Certificates for one registered domain by one account: only accounts with an override have it, in place of
    /// [`CertificatesPerDomain`](Self::CertificatesPerDomain).
    CertificatesPerDomainPerAccount,
    /// Certificates for exactly these names, of all accounts together.
    CertificatesPerExactSet,
    /// Failed validations of one name by one account without a successful one in between. Beyond it the name is
    /// paused for the account.
    ConsecutiveFailures,
}

/// The page that the answers link to.
pub(super) const PAGE: &str = "https://letsencrypt.org/docs/rate-limits";

impl Limit {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NewRegistrationsPerIpAddress,
        Self::NewRegistrationsPerIpv6Range,
        Self::NewOrdersPerAccount,
        Self::FailedAuthorizations,
        Self::CertificatesPerDomain,
        Self::CertificatesPerDomainPerAccount,
        Self::CertificatesPerExactSet,
        Self::ConsecutiveFailures,
    ];

    /// Its place on the page of the limits, which is also the most stable mark of a refusal.
    pub fn anchor(self) -> &'static str {
        match self {
            Self::NewRegistrationsPerIpAddress => "new-registrations-per-ip-address",
            Self::NewRegistrationsPerIpv6Range => "new-registrations-per-ipv6-range",
            Self::NewOrdersPerAccount => "new-orders-per-account",
            Self::FailedAuthorizations => "authorization-failures-per-identifier-per-account",
            Self::CertificatesPerDomain | Self::CertificatesPerDomainPerAccount => {
                "new-certificates-per-registered-domain"
            }
            Self::CertificatesPerExactSet => "new-certificates-per-exact-set-of-identifiers",
            Self::ConsecutiveFailures => "consecutive-authorization-failures-per-identifier-per-account",
        }
    }

    /// The name that Boulder has for it, in its metrics and in its override files.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewRegistrationsPerIpAddress => "NewRegistrationsPerIPAddress",
            Self::NewRegistrationsPerIpv6Range => "NewRegistrationsPerIPv6Range",
            Self::NewOrdersPerAccount => "NewOrdersPerAccount",
            Self::FailedAuthorizations => "FailedAuthorizationsPerDomainPerAccount",
            Self::CertificatesPerDomain => "CertificatesPerDomain",
            Self::CertificatesPerDomainPerAccount => "CertificatesPerDomainPerAccount",
            Self::CertificatesPerExactSet => "CertificatesPerFQDNSet",
            Self::ConsecutiveFailures => "FailedAuthorizationsForPausingPerDomainPerAccount",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
