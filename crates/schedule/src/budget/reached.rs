//! A reached rate limit, as the CA reports it, and the bucket that it is about.

use std::time::Duration;

use fleetcert_names::{DomainName, HostName, IdentifierSet};

use super::correction::Refusal;
use super::key::{Account, BucketKey, LimitKind};
use super::limits::Limits;

/// A rate limit that the CA reports as reached, as far as its answer says which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedLimit {
    /// Kind of the limit; `None` if the answer does not say.
    pub kind: Option<LimitKind>,
    /// Burst and period of the limit, if the answer names them. They reveal an override.
    pub seen: Option<(u32, Duration)>,
    /// Name or domain that the limit counts, if the answer names one.
    pub subject: Option<DomainName>,
    /// Time to wait.
    pub retry_after: Duration,
}

impl ReachedLimit {
    /// Returns the bucket of the refused order for `identifiers`, and the correction for [`Budgets::correct`].
    ///
    /// A subject that is not of the order is ignored. When the bucket is unknown, the correction is for
    /// [`BucketKey::WholeAccount`] and has only the time: no order of the account is placed until then.
    ///
    /// [`Budgets::correct`]: super::Budgets::correct
    pub fn of_order(
        &self,
        limits: &Limits,
        account: &Account,
        identifiers: &IdentifierSet,
    ) -> (BucketKey, Refusal) {
        let key = self.kind.and_then(|kind| match kind {
            LimitKind::NewOrdersPerAccount => Some(BucketKey::NewOrdersPerAccount(account.clone())),
            LimitKind::CertificatesPerDomain | LimitKind::CertificatesPerDomainPerAccount => {
                let domain = self.domain(limits, identifiers)?;
                // The CA reports both in the same words.
                Some(if limits.counts_domains_for(account) {
                    BucketKey::CertificatesPerDomainPerAccount(account.clone(), domain)
                } else {
                    BucketKey::CertificatesPerDomain(domain)
                })
            }
            LimitKind::CertificatesPerFqdnSet => Some(BucketKey::CertificatesPerFqdnSet(identifiers.clone())),
            LimitKind::FailedAuthorizationsPerDomainPerAccount => {
                let name = self.name(identifiers)?;
                Some(BucketKey::FailedAuthorizationsPerDomainPerAccount(account.clone(), name))
            }
            _ => None,
        });
        let retry_after = self.retry_after;
        match key {
            Some(key) => (key, Refusal { retry_after, seen: self.seen }),
            None => (BucketKey::WholeAccount(account.clone()), Refusal { retry_after, seen: None }),
        }
    }

    /// Returns the domain of the order that is meant.
    fn domain(&self, limits: &Limits, identifiers: &IdentifierSet) -> Option<DomainName> {
        let mut domains = identifiers.bases().map(|name| limits.counted_domain(name));
        match &self.subject {
            Some(subject) => domains.find(|domain| domain == subject),
            None => {
                let first = domains.next()?;
                domains.all(|domain| domain == first).then_some(first)
            }
        }
    }

    /// Returns the name of the order that is meant.
    fn name(&self, identifiers: &IdentifierSet) -> Option<HostName> {
        let mut names = identifiers.bases();
        let name = match &self.subject {
            Some(subject) => names.find(|name| name.as_domain() == subject),
            None => names.next().filter(|_| names.next().is_none()),
        };
        name.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limit, Override};
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const WEEK: Duration = Duration::from_secs(604_800);

    fn account() -> Account {
        Account::new("https://ca.test/acct/1").unwrap()
    }

    fn bucket(
        kind: LimitKind,
        subject: Option<&str>,
        limits: &Limits,
        names: &[&str],
    ) -> (BucketKey, Refusal) {
        let subject = subject.map(|name| name.parse().unwrap());
        let limit = ReachedLimit { kind: Some(kind), seen: Some((7, WEEK)), subject, retry_after: MINUTE };
        limit.of_order(limits, &account(), &names.join(",").parse().unwrap())
    }

    #[test]
    fn override_of_the_account_is_corrected_in_its_own_bucket() {
        let mut limits = Limits::lets_encrypt_production();
        let tier = Limit::new(5000, 5000, WEEK).unwrap();
        limits.set_override(Override::CertificatesPerDomainPerAccount(account()), tier);
        let (key, _) =
            bucket(LimitKind::CertificatesPerDomain, Some("example.com"), &limits, &["a.example.com"]);
        assert_eq!(
            key,
            BucketKey::CertificatesPerDomainPerAccount(account(), "example.com".parse().unwrap())
        );
    }

    #[test]
    fn unclear_subject_closes_the_whole_account() {
        use LimitKind::{
            CertificatesPerDomain as Domain, FailedAuthorizationsPerDomainPerAccount as Failed, WholeAccount,
        };
        let limits = Limits::lets_encrypt_production();
        for (kind, subject, names, found) in [
            (Domain, Some("example.com"), &["a.example.com", "a.example.org"][..], Domain),
            (Domain, Some("example.org"), &["a.example.com"], WholeAccount),
            (Domain, None, &["a.example.com", "b.example.com"], Domain),
            (Domain, None, &["a.example.com", "a.example.org"], WholeAccount),
            (Failed, Some("b.example.com"), &["a.example.com", "b.example.com"], Failed),
            (Failed, Some("c.example.com"), &["a.example.com"], WholeAccount),
            (Failed, None, &["a.example.com"], Failed),
            (Failed, None, &["a.example.com", "b.example.com"], WholeAccount),
            (LimitKind::NewRegistrationsPerIpAddress, None, &["a.example.com"], WholeAccount),
        ] {
            let (key, refusal) = bucket(kind, subject, &limits, names);
            assert_eq!(key.kind(), found, "{kind} {subject:?} {names:?}");
            let seen = (found != WholeAccount).then_some((7, WEEK));
            assert_eq!(refusal, Refusal { retry_after: MINUTE, seen });
        }
    }
}
