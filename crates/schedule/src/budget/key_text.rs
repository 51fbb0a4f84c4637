//! The key of a bucket as text, for a store.

use std::fmt;
use std::str::FromStr;

use super::key::{Account, BucketKey, LimitKind};

/// The name of the limit and what it counts, separated by spaces. Each key has a text of its own, which [`FromStr`]
/// parses.
impl fmt::Display for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        match self {
            Self::NewRegistrationsPerIpAddress(address) => write!(f, "{address}"),
            Self::NewRegistrationsPerIpv6Range(range) => write!(f, "{range}/48"),
            Self::NewOrdersPerAccount(account) | Self::WholeAccount(account) => write!(f, "{account}"),
            Self::FailedAuthorizationsPerDomainPerAccount(account, name)
            | Self::FailedAuthorizationsForPausingPerDomainPerAccount(account, name) => {
                write!(f, "{account} {}", name.as_str())
            }
            Self::CertificatesPerDomain(domain) => write!(f, "{domain}"),
            Self::CertificatesPerDomainPerAccount(account, domain) => write!(f, "{account} {domain}"),
            Self::CertificatesPerFqdnSet(set) => write!(f, "{set}"),
        }
    }
}

/// The error for a text that is not the key of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketKeyError;

impl fmt::Display for BucketKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the key of a bucket")
    }
}

impl std::error::Error for BucketKeyError {}

impl FromStr for BucketKey {
    type Err = BucketKeyError;

    fn from_str(text: &str) -> Result<Self, BucketKeyError> {
        // Each key has one text. Another spelling would be a second row of the same bucket.
        read(text).filter(|key| key.to_string() == text).ok_or(BucketKeyError)
    }
}

fn read(text: &str) -> Option<BucketKey> {
    let (kind, scope) = text.split_once(' ')?;
    let kind = LimitKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some(match kind {
        LimitKind::NewRegistrationsPerIpAddress => {
            BucketKey::NewRegistrationsPerIpAddress(scope.parse().ok()?)
        }
        LimitKind::NewRegistrationsPerIpv6Range => {
            BucketKey::ipv6_range(scope.strip_suffix("/48")?.parse().ok()?)
        }
        LimitKind::NewOrdersPerAccount => BucketKey::NewOrdersPerAccount(Account::new(scope).ok()?),
        LimitKind::FailedAuthorizationsPerDomainPerAccount => {
            let (account, name) = scope.split_once(' ')?;
            BucketKey::FailedAuthorizationsPerDomainPerAccount(
                Account::new(account).ok()?,
                name.parse().ok()?,
            )
        }
        LimitKind::CertificatesPerDomain => BucketKey::CertificatesPerDomain(scope.parse().ok()?),
        LimitKind::CertificatesPerDomainPerAccount => {
            let (account, domain) = scope.split_once(' ')?;
            BucketKey::CertificatesPerDomainPerAccount(Account::new(account).ok()?, domain.parse().ok()?)
        }
        LimitKind::CertificatesPerFqdnSet => BucketKey::CertificatesPerFqdnSet(scope.parse().ok()?),
        LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount => {
            let (account, name) = scope.split_once(' ')?;
            let account = Account::new(account).ok()?;
            BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name.parse().ok()?)
        }
        LimitKind::WholeAccount => BucketKey::WholeAccount(Account::new(scope).ok()?),
    })
}
