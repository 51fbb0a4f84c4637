//! What a limit counts on.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use fleetcert_names::{DomainName, HostName};

/// The limits of a CA, each named as Let's Encrypt's server names it; but [`WholeAccount`](Self::WholeAccount).
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
    /// No published limit, and without numbers: the time before which the CA does not want to hear of an account at
    /// all. It holds what the CA refuses without saying why.
    WholeAccount,
}

impl LimitKind {
    /// All of them.
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

    /// Whether the orders for different names take from the same bucket: the new orders of an account, the
    /// certificates of a domain.
    pub const fn is_shared(self) -> bool {
        matches!(
            self,
            Self::NewOrdersPerAccount | Self::CertificatesPerDomain | Self::CertificatesPerDomainPerAccount
        )
    }

    /// Its name in Let's Encrypt's server, if it is one of its limits.
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

/// An account at the CA, by its URL or by any other name that it keeps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(Arc<str>);

impl Account {
    /// The account of this URL; `None` unless it is 1 to 512 visible ASCII characters.
    pub fn new(url: &str) -> Option<Self> {
        let visible = url.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=512).contains(&url.len())).then(|| Self(url.into()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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

/// The names of one order, without regard to their order: 1 to 100.
///
/// Let's Encrypt keeps a hash of the set; we keep the names, which says the same. A clone shares them.
#[derive(Clone)]
pub struct NameSet {
    /// Sorted, each once.
    names: Arc<[HostName]>,
    /// All of them with commas between, when there are several.
    joined: Option<Arc<str>>,
}

impl NameSet {
    /// The most names that a certificate of Let's Encrypt can have.
    pub(crate) const MAX_NAMES: usize = 100;

    /// The set of these names; `None` when there are none, or more than 100.
    pub fn new(names: &[HostName]) -> Option<Self> {
        if names.is_empty() || names.len() > Self::MAX_NAMES {
            return None;
        }
        let names: Arc<[HostName]> = if let [only] = names {
            Arc::new([only.clone()])
        } else {
            names.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
        };
        let joined = (names.len() > 1)
            .then(|| names.iter().map(HostName::as_str).collect::<Vec<_>>().join(",").into());
        Some(Self { names, joined })
    }

    /// The names, sorted, with commas between them.
    pub fn as_str(&self) -> &str {
        match (&self.joined, &*self.names) {
            (Some(joined), _) => joined,
            (None, [only, ..]) => only.as_str(),
            (None, []) => "",
        }
    }

    /// The names, sorted, each once.
    pub fn names(&self) -> &[HostName] {
        &self.names
    }
}

impl From<HostName> for NameSet {
    fn from(only: HostName) -> Self {
        Self { names: Arc::new([only]), joined: None }
    }
}

impl PartialEq for NameSet {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for NameSet {}

impl PartialOrd for NameSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NameSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for NameSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for NameSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameSet({})", self.as_str())
    }
}

/// One bucket: a limit and what it counts on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BucketKey {
    /// Of [`LimitKind::NewRegistrationsPerIpAddress`].
    NewRegistrationsPerIpAddress(IpAddr),
    /// Of [`LimitKind::NewRegistrationsPerIpv6Range`]: the first address of the range.
    NewRegistrationsPerIpv6Range(Ipv6Addr),
    /// Of [`LimitKind::NewOrdersPerAccount`].
    NewOrdersPerAccount(Account),
    /// Of [`LimitKind::FailedAuthorizationsPerDomainPerAccount`].
    FailedAuthorizationsPerDomainPerAccount(Account, HostName),
    /// Of [`LimitKind::CertificatesPerDomain`].
    CertificatesPerDomain(DomainName),
    /// Of [`LimitKind::CertificatesPerDomainPerAccount`].
    CertificatesPerDomainPerAccount(Account, DomainName),
    /// Of [`LimitKind::CertificatesPerFqdnSet`].
    CertificatesPerFqdnSet(NameSet),
    /// Of [`LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount`].
    FailedAuthorizationsForPausingPerDomainPerAccount(Account, HostName),
    /// Of [`LimitKind::WholeAccount`].
    WholeAccount(Account),
}

impl BucketKey {
    /// The bucket of the range of 48 bits that an address lies in.
    pub(super) fn ipv6_range(address: Ipv6Addr) -> Self {
        let [a, b, c, ..] = address.segments();
        Self::NewRegistrationsPerIpv6Range(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
    }

    /// Whether orders for other names than these draw on it as well.
    ///
    /// Below a public suffix each name is a domain by itself: its bucket is that name's own, and for a fleet there are
    /// as many such buckets as devices.
    pub fn is_shared_beyond(&self, names: &[HostName]) -> bool {
        match self {
            Self::CertificatesPerDomain(domain) | Self::CertificatesPerDomainPerAccount(_, domain) => {
                !matches!(names, [only] if only.as_domain() == domain)
            }
            Self::WholeAccount(_) => true,
            key => key.kind().is_shared(),
        }
    }

    /// The limit.
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
