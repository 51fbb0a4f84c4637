//! The keys of buckets: a limit, and what it counts.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use fleetcert_names::{DomainName, HostName, IdentifierSet};

/// A kind of limit, with the name that Let's Encrypt's server uses; only [`WholeAccount`](Self::WholeAccount) is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// New accounts for one IP address.
    NewRegistrationsPerIpAddress,
    /// New accounts for one IPv6 range of 48 bits.
    NewRegistrationsPerIpv6Range,
    /// New orders of one account.
    NewOrdersPerAccount,
    /// Failed validations of one name for one account.
    FailedAuthorizationsPerDomainPerAccount,
    /// Certificates for one registered domain, of all accounts together.
    CertificatesPerDomain,
    /// Certificates for one registered domain of one account. It exists only as an override.
    CertificatesPerDomainPerAccount,
    /// Certificates for one exact set of names, of all accounts together.
    CertificatesPerFqdnSet,
    /// Failed validations in a row of one name for one account, after which the CA pauses the name.
    FailedAuthorizationsForPausingPerDomainPerAccount,
    /// A bucket without numbers: the time before which the CA refuses every request of an account. It keeps refusals that
    /// name no limit.
    WholeAccount,
}

impl LimitKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::NewRegistrationsPerIpAddress,
        Self::NewRegistrationsPerIpv6Range,
        Self::NewOrdersPerAccount,
        Self::FailedAuthorizationsPerDomainPerAccount,
        Self::CertificatesPerDomain,
        Self::CertificatesPerDomainPerAccount,
        Self::CertificatesPerFqdnSet,
        Self::FailedAuthorizationsForPausingPerDomainPerAccount,
        Self::WholeAccount,
    ];

    /// Returns whether orders for different names draw on the same bucket: the new orders of an account, the
    /// certificates of a domain.
    pub const fn is_shared(self) -> bool {
        matches!(
            self,
            Self::NewOrdersPerAccount | Self::CertificatesPerDomain | Self::CertificatesPerDomainPerAccount
        )
    }

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewRegistrationsPerIpAddress => "NewRegistrationsPerIPAddress",
            Self::NewRegistrationsPerIpv6Range => "NewRegistrationsPerIPv6Range",
            Self::NewOrdersPerAccount => "NewOrdersPerAccount",
            Self::FailedAuthorizationsPerDomainPerAccount => "FailedAuthorizationsPerDomainPerAccount",
            Self::CertificatesPerDomain => "CertificatesPerDomain",
            Self::CertificatesPerDomainPerAccount => "CertificatesPerDomainPerAccount",
            Self::CertificatesPerFqdnSet => "CertificatesPerFQDNSet",
            Self::FailedAuthorizationsForPausingPerDomainPerAccount => {
                "FailedAuthorizationsForPausingPerDomainPerAccount"
            }
            Self::WholeAccount => "WholeAccount",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account at the CA: its URL, or another text that does not change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(Arc<str>);

impl Account {
    /// Maximum length in bytes.
    pub(crate) const MAX_LENGTH: usize = 512;

    /// Returns the account with this URL.
    ///
    /// # Errors
    /// [`AccountError`] unless the URL is 1 to 512 visible ASCII characters.
    pub fn new(url: &str) -> Result<Self, AccountError> {
        if !(1..=Self::MAX_LENGTH).contains(&url.len()) {
            return Err(AccountError::Length(url.len()));
        }
        match url.chars().find(|character| !character.is_ascii_graphic()) {
            Some(character) => Err(AccountError::Character(character)),
            None => Ok(Self(url.into())),
        }
    }

    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The reason why a text cannot name an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountError {
    /// It has this length in bytes: not 1 to 512.
    Length(usize),
    /// It contains this character, which is not visible ASCII.
    Character(char),
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => {
                write!(f, "an account URL has 1 to {} bytes, this one has {length}", Account::MAX_LENGTH)
            }
            Self::Character(character) => {
                write!(f, "an account URL is visible ASCII, this one contains {character:?}")
            }
        }
    }
}

impl std::error::Error for AccountError {}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0)
    }
}

/// One bucket: a limit and what it counts on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BucketKey {
    /// Bucket of [`LimitKind::NewRegistrationsPerIpAddress`].
    NewRegistrationsPerIpAddress(IpAddr),
    /// Bucket of [`LimitKind::NewRegistrationsPerIpv6Range`]: the first address of the range.
    NewRegistrationsPerIpv6Range(Ipv6Addr),
    /// Bucket of [`LimitKind::NewOrdersPerAccount`].
    NewOrdersPerAccount(Account),
    /// Bucket of [`LimitKind::FailedAuthorizationsPerDomainPerAccount`].
    FailedAuthorizationsPerDomainPerAccount(Account, HostName),
    /// Bucket of [`LimitKind::CertificatesPerDomain`].
    CertificatesPerDomain(DomainName),
    /// Bucket of [`LimitKind::CertificatesPerDomainPerAccount`].
    CertificatesPerDomainPerAccount(Account, DomainName),
    /// Bucket of [`LimitKind::CertificatesPerFqdnSet`].
    CertificatesPerFqdnSet(IdentifierSet),
    /// Bucket of [`LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount`].
    FailedAuthorizationsForPausingPerDomainPerAccount(Account, HostName),
    /// Bucket of [`LimitKind::WholeAccount`].
    WholeAccount(Account),
}

impl BucketKey {
    /// Returns the bucket of the /48 range of an address.
    pub(super) fn ipv6_range(address: Ipv6Addr) -> Self {
        let [a, b, c, ..] = address.segments();
        Self::NewRegistrationsPerIpv6Range(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
    }

    /// Returns whether orders for other identifiers than these draw on the bucket as well.
    ///
    /// Below a public suffix each name is a registered domain: its bucket is that name's own, and a fleet has as many
    /// of these buckets as devices.
    pub fn is_shared_beyond(&self, identifiers: &IdentifierSet) -> bool {
        match self {
            Self::CertificatesPerDomain(domain) | Self::CertificatesPerDomainPerAccount(_, domain) => {
                identifiers.bases().any(|name| name.as_domain() != domain)
            }
            Self::WholeAccount(_) => true,
            key => key.kind().is_shared(),
        }
    }

    /// Returns the kind of limit.
    pub fn kind(&self) -> LimitKind {
        match self {
            Self::NewRegistrationsPerIpAddress(_) => LimitKind::NewRegistrationsPerIpAddress,
            Self::NewRegistrationsPerIpv6Range(_) => LimitKind::NewRegistrationsPerIpv6Range,
            Self::NewOrdersPerAccount(_) => LimitKind::NewOrdersPerAccount,
            Self::FailedAuthorizationsPerDomainPerAccount(..) => {
                LimitKind::FailedAuthorizationsPerDomainPerAccount
            }
            Self::CertificatesPerDomain(_) => LimitKind::CertificatesPerDomain,
            Self::CertificatesPerDomainPerAccount(..) => LimitKind::CertificatesPerDomainPerAccount,
            Self::CertificatesPerFqdnSet(_) => LimitKind::CertificatesPerFqdnSet,
            Self::FailedAuthorizationsForPausingPerDomainPerAccount(..) => {
                LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount
            }
            Self::WholeAccount(_) => LimitKind::WholeAccount,
        }
    }
}
