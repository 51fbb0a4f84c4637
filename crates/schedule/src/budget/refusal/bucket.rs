//! From what was refused to the bucket that must learn it.

use std::net::IpAddr;

use fleetcert_names::{DomainName, HostName};

use super::super::correction::Refusal;
use super::super::key::{Account, BucketKey, LimitKind, NameSet, counted_domain};
use super::super::limits::Limits;
use super::{LimitText, RefusalText};

impl RefusalText {
    /// The bucket of an order for `names` that was refused, and what [`Budgets::correct`] is told about it.
    ///
    /// The names in the text count only as far as they are those of the order. When it is not clear which bucket
    /// is meant, it is [`BucketKey::WholeAccount`], with the time alone: nothing of the account is ordered until
    /// then. `None` for a pause ([`Pause::names`](super::Pause::names)) and for a server that is busy.
    ///
    /// [`Budgets::correct`]: super::super::Budgets::correct
    pub fn of_order(
        &self,
        limits: &Limits,
        account: &Account,
        names: &NameSet,
    ) -> Option<(BucketKey, Refusal)> {
        let Self::Limit(text) = self else { return None };
        let key = text.kind.and_then(|kind| match kind {
            LimitKind::NewOrdersPerAccount => Some(BucketKey::NewOrdersPerAccount(account.clone())),
            LimitKind::CertificatesPerDomain | LimitKind::CertificatesPerDomainPerAccount => {
                let domain = text.domain(names)?;
                // The sentence is the same for both.
                Some(if limits.counts_domains_for(account) {
                    BucketKey::CertificatesPerDomainPerAccount(account.clone(), domain)
                } else {
                    BucketKey::CertificatesPerDomain(domain)
                })
            }
            LimitKind::CertificatesPerFqdnSet => Some(BucketKey::CertificatesPerFqdnSet(names.clone())),
            LimitKind::FailedAuthorizationsPerDomainPerAccount => {
                let name = text.name(names)?;
                Some(BucketKey::FailedAuthorizationsPerDomainPerAccount(account.clone(), name))
            }
            _ => None,
        });
        Some(match key {
            Some(key) => (key, text.refusal()),
            None => (BucketKey::WholeAccount(account.clone()), text.time_alone()),
        })
    }

    /// The bucket of a new account that was asked for from `address` and refused, and what
    /// [`Budgets::correct`](super::super::Budgets::correct) is told about it. `None` for a pause and for a server that
    /// is busy.
    pub fn of_registration(&self, address: IpAddr) -> Option<(BucketKey, Refusal)> {
        let Self::Limit(text) = self else { return None };
        let single = BucketKey::NewRegistrationsPerIpAddress(address);
        Some(match (text.kind, address) {
            (Some(LimitKind::NewRegistrationsPerIpAddress), _) => (single, text.refusal()),
            (Some(LimitKind::NewRegistrationsPerIpv6Range), IpAddr::V6(address)) => {
                (BucketKey::ipv6_range(address), text.refusal())
            }
            _ => (single, text.time_alone()),
        })
    }
}

impl LimitText {
    fn refusal(&self) -> Refusal {
        Refusal { retry_after: self.retry_after, seen: self.seen }
    }

    fn time_alone(&self) -> Refusal {
        Refusal { retry_after: self.retry_after, seen: None }
    }

    /// The one of the order's domains that is meant.
    fn domain(&self, names: &NameSet) -> Option<DomainName> {
        let mut domains = names.names().iter().map(counted_domain);
        match &self.subject {
            Some(subject) => domains.find(|domain| domain == subject),
            None => {
                let first = domains.next()?;
                domains.all(|domain| domain == first).then_some(first)
            }
        }
    }

    /// The one of the order's names that is meant.
    fn name(&self, names: &NameSet) -> Option<HostName> {
        match (&self.subject, names.names()) {
            (Some(subject), names) => names.iter().find(|name| name.as_domain() == subject).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }
}
