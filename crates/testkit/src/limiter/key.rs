//! What is counted: the keys of the buckets.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use fleetcert_acme_server::Resource;
use fleetcert_names::{DomainName, HostName, IdentifierSet, registered_domain};

use super::limit::Limit;
use super::limits::CaLimits;

/// One bucket of a [`Limiter`](super::Limiter), to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket<'a> {
    /// New accounts from this address.
    RegistrationsFromAddress(IpAddr),
    /// New accounts from the /48 in which this address is.
    RegistrationsFromRange(Ipv6Addr),
    /// New orders of this account.
    Orders {
        /// The account.
        account: &'a str,
    },
    /// Failed validations.
    Failures {
        /// The account.
        account: &'a str,
        /// The name.
        name: &'a HostName,
    },
    /// Certificates of all accounts.
    Certificates {
        /// The registered domain.
        domain: &'a DomainName,
    },
    /// Certificates of an account with an override.
    CertificatesOfAccount {
        /// The account.
        account: &'a str,
        /// The registered domain.
        domain: &'a DomainName,
    },
    /// Certificates for exactly these identifiers.
    ExactSet {
        /// The identifiers.
        identifiers: &'a IdentifierSet,
    },
    /// Failed validations without a successful one.
    ConsecutiveFailures {
        /// The account.
        account: &'a str,
        /// The name.
        name: &'a HostName,
    },
}

/// A bucket in 128 bits of a SHA-256.
pub(super) type Key = u128;

impl Bucket<'_> {
    /// Which limit it is a bucket of.
    pub fn limit(&self) -> Limit {
        match self {
            Self::RegistrationsFromAddress(_) => Limit::NewRegistrationsPerIpAddress,
            Self::RegistrationsFromRange(_) => Limit::NewRegistrationsPerIpv6Range,
            Self::Orders { .. } => Limit::NewOrdersPerAccount,
            Self::Failures { .. } => Limit::FailedAuthorizations,
            Self::Certificates { .. } => Limit::CertificatesPerDomain,
            Self::CertificatesOfAccount { .. } => Limit::CertificatesPerDomainPerAccount,
            Self::ExactSet { .. } => Limit::CertificatesPerExactSet,
            Self::ConsecutiveFailures { .. } => Limit::ConsecutiveFailures,
        }
    }

    pub(super) fn key(&self) -> Key {
        let limit = self.limit() as u8;
        match self {
            Self::RegistrationsFromAddress(address) => hash(limit, &[&address.to_string()]),
            Self::RegistrationsFromRange(address) => hash(limit, &[&range(*address).to_string()]),
            Self::Orders { account } => hash(limit, &[account]),
            Self::Failures { account, name } | Self::ConsecutiveFailures { account, name } => {
                hash(limit, &[account, name.as_str()])
            }
            Self::Certificates { domain } => hash(limit, &[domain.as_str()]),
            Self::CertificatesOfAccount { account, domain } => hash(limit, &[account, domain.as_str()]),
            Self::ExactSet { identifiers } => set_key(identifiers),
        }
    }
}

/// What the bucket counts, in words.
impl fmt::Display for Bucket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationsFromAddress(address) => write!(f, "{address}"),
            Self::RegistrationsFromRange(address) => write!(f, "{}/48", range(*address)),
            Self::Orders { account } => f.write_str(account),
            Self::Failures { account, name } | Self::ConsecutiveFailures { account, name } => {
                write!(f, "{account}:{name}")
            }
            Self::Certificates { domain } => write!(f, "{domain}"),
            Self::CertificatesOfAccount { account, domain } => write!(f, "{account}:{domain}"),
            Self::ExactSet { identifiers } => f.write_str(identifiers.canonical()),
        }
    }
}

/// The requests from one address for one resource, or for all that have no limit of their own.
pub(super) fn request_key(resource: Option<Resource>, from: IpAddr) -> Key {
    let resource = resource.map_or("", Resource::path);
    hash(u8::MAX, &[resource, &from.to_string()])
}

/// Stands for an account where only the account matters.
pub(super) fn account_key(account: &str) -> Key {
    hash(u8::MAX - 1, &[account])
}

/// Returns what Boulder calls the exact set: the hash of the identifiers, sorted, lower case, joined by commas.
pub(super) fn set_key(identifiers: &IdentifierSet) -> Key {
    hash(Limit::CertificatesPerExactSet as u8, &[identifiers.canonical()])
}

fn hash(kind: u8, parts: &[&str]) -> Key {
    let mut text = Vec::with_capacity(128);
    text.push(kind);
    for part in parts {
        // No part can run into the next one: an account may hold any character.
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut key = [0; 16];
    key.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
    Key::from_be_bytes(key)
}

fn range(address: Ipv6Addr) -> Ipv6Addr {
    let [first, second, third, ..] = address.segments();
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)
}

/// The registered domains of an order, each once, sorted.
pub(super) fn registered_domains(limits: &CaLimits, identifiers: &IdentifierSet) -> Vec<DomainName> {
    let mut domains: Vec<_> =
        identifiers.iter().map(|identifier| registered(limits, identifier.base().as_domain())).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

/// The longest suffix counts, as in the public suffix list itself. A name that is a public suffix is counted as
/// itself.
fn registered(limits: &CaLimits, name: &DomainName) -> DomainName {
    let listed = registered_domain(name).unwrap_or_else(|| name.clone());
    if limits.extra_public_suffixes.is_empty() {
        return listed;
    }
    let (mut below, mut suffix) = (name.clone(), Some(name.clone()));
    while let Some(candidate) = suffix {
        if candidate == listed && !limits.extra_public_suffixes.contains(&candidate) {
            return listed;
        }
        if limits.extra_public_suffixes.contains(&candidate) {
            return below;
        }
        suffix = candidate.parent();
        below = candidate;
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered_under(extra: &[&str], name: &str) -> String {
        let mut limits = CaLimits::production();
        limits.extra_public_suffixes = extra.iter().map(|suffix| suffix.parse().unwrap()).collect();
        registered(&limits, &name.parse().unwrap()).to_string()
    }

    #[test]
    fn the_longest_suffix_counts() {
        assert_eq!(registered_under(&[], "a.b.fleet.test"), "fleet.test");
        assert_eq!(registered_under(&["fleet.test"], "a.b.fleet.test"), "b.fleet.test");
        assert_eq!(registered_under(&["fleet.test"], "b.fleet.test"), "b.fleet.test");
        assert_eq!(registered_under(&["fleet.test"], "fleet.test"), "fleet.test");
        assert_eq!(registered_under(&["fleet.test"], "other.test"), "other.test");
        assert_eq!(registered_under(&["fleet.test", "b.fleet.test"], "x.a.b.fleet.test"), "a.b.fleet.test");
        // A suffix shorter than what is registered anyway changes nothing.
        assert_eq!(registered_under(&["uk"], "a.example.co.uk"), "example.co.uk");
        assert_eq!(registered_under(&[], "co.uk"), "co.uk");
    }

    #[test]
    fn a_set_has_no_order() {
        let key = |identifiers: &str| set_key(&identifiers.parse().unwrap());
        assert_eq!(key("a.test,b.test"), key("b.test,a.test,b.test"));
        assert_eq!(key("a.test"), key("a.test,a.test"));
        assert_ne!(key("a.test,b.test"), key("a.test"));
        assert_ne!(key("*.a.test"), key("a.test"));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let name: HostName = "x.a.test".parse().unwrap();
        let short: HostName = "a.test".parse().unwrap();
        let key = |account, name| Bucket::Failures { account, name }.key();
        assert_ne!(key("1", &name), key("1x.", &short));
        assert_ne!(Bucket::ConsecutiveFailures { account: "1", name: &name }.key(), key("1", &name));
    }
}
