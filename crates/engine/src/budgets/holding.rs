//! What an order holds of the budgets.

use std::time::Duration;

use fleetcert_names::{DomainName, IdentifierSet};
use fleetcert_schedule::budget::{
    Account, BucketKey, Charges, Limit, LimitKind, Limits, OrderKind, Override, Reservation, Rule,
};
use serde::{Deserialize, Serialize};

use super::{Settlement, account};

/// The facts from which the reservation of an order is made again after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holding {
    kind: Kind,
    account: String,
    names: IdentifierSet,
    /// What was known of the limits, as far as it changes what an order costs.
    #[serde(default)]
    known: Known,
    /// The CA accepted the order: what that costs is spent and not held any more.
    #[serde(default)]
    pub ordered: bool,
    /// The challenges may have been answered, so that a validation may fail.
    #[serde(default)]
    pub answered: bool,
    /// The CA looked, and found the names proved.
    #[serde(default)]
    pub validated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    New,
    SameSet,
    InWindow,
    InWindowSameSet,
}

/// What an order costs depends on what is known of the limits, and that may change while it is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The certificates of a domain are counted for the account, as an override has it.
    domains_for_account: bool,
    /// The limits of which nothing is known, so that no order is exempt.
    nothing_of: Vec<String>,
    /// The configured public suffixes above the names: each changes the domain on which a name counts.
    #[serde(default)]
    suffixes: Vec<DomainName>,
}

impl Known {
    fn of(limits: &Limits, account: &Account, names: &IdentifierSet) -> Self {
        let domains_for_account = Charges::order(limits, OrderKind::New, account, names)
            .iter()
            .any(|charge| matches!(charge.key, BucketKey::CertificatesPerDomainPerAccount(..)));
        let nothing_of = LimitKind::ALL.into_iter().filter(|kind| limits.rule(*kind) == Rule::Unknown);
        let above = |suffix: &DomainName| names.iter().any(|name| name.is_within(suffix));
        Self {
            domains_for_account,
            nothing_of: nothing_of.map(|kind| kind.to_string()).collect(),
            suffixes: limits.added_suffixes().filter(|suffix| above(suffix)).cloned().collect(),
        }
    }

    /// Limits of other numbers, of which the same is known.
    fn limits(&self, account: &Account) -> Option<Limits> {
        let mut limits = Limits::lets_encrypt_production();
        for suffix in &self.suffixes {
            limits = limits.with_public_suffix(suffix.clone());
        }
        for kind in LimitKind::ALL {
            if self.nothing_of.iter().any(|unknown| unknown == kind.as_str()) {
                limits = limits.with_rule(kind, Rule::Unknown);
            }
        }
        if self.domains_for_account {
            let any = Limit::new(1, 1, Duration::from_secs(1)).ok()?;
            let _ = limits.set_override(Override::CertificatesPerDomainPerAccount(account.clone()), any);
        }
        Some(limits)
    }
}

impl Holding {
    /// What an order is to hold that is about to be sent.
    pub(crate) fn to_order(
        limits: &Limits,
        kind: OrderKind,
        account_url: &str,
        names: &IdentifierSet,
    ) -> Self {
        let known = Known::of(limits, &account(account_url), names);
        Self {
            kind: kind.into(),
            account: account_url.to_owned(),
            names: names.clone(),
            known,
            ordered: false,
            answered: false,
            validated: false,
        }
    }

    /// What an order is to hold that the CA has already: the CA will spend, and checks nothing any more.
    pub(crate) fn of_placed(
        limits: &Limits,
        kind: OrderKind,
        account_url: &str,
        names: &IdentifierSet,
    ) -> Self {
        let same_set = matches!(kind, OrderKind::SameSet | OrderKind::AriWindow { same_set: true });
        let holding = Self::to_order(limits, OrderKind::AriWindow { same_set }, account_url, names);
        // Where nothing is known, only what the CA refuses counts, and it refuses this one no more.
        let known = Known { nothing_of: Vec::new(), ..holding.known };
        Self { ordered: true, known, ..holding }
    }

    pub(crate) fn account(&self) -> Account {
        account(&self.account)
    }

    pub(crate) fn names(&self) -> &IdentifierSet {
        &self.names
    }

    /// What is left of it.
    pub(crate) fn after(self, settlement: &Settlement) -> Option<Self> {
        matches!(settlement, Settlement::Ordered).then_some(Self { ordered: true, ..self })
    }

    /// What it costs; nothing for what no CA takes as an order.
    pub(crate) fn charges(&self) -> Option<Charges> {
        let account = self.account();
        Some(Charges::order(&self.known.limits(&account)?, self.kind.into(), &account, &self.names))
    }

    pub(crate) fn reservation(&self) -> Option<Reservation> {
        self.charges().map(|charges| Reservation::resume(charges, self.ordered))
    }
}

impl From<OrderKind> for Kind {
    fn from(kind: OrderKind) -> Self {
        match kind {
            OrderKind::New => Self::New,
            OrderKind::SameSet => Self::SameSet,
            OrderKind::AriWindow { same_set: false } => Self::InWindow,
            OrderKind::AriWindow { same_set: true } => Self::InWindowSameSet,
        }
    }
}

impl From<Kind> for OrderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::New => Self::New,
            Kind::SameSet => Self::SameSet,
            Kind::InWindow => Self::AriWindow { same_set: false },
            Kind::InWindowSameSet => Self::AriWindow { same_set: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_schedule::budget::Spent;

    const ACCOUNT: &str = "https://ca.test/acct/1";

    fn names() -> IdentifierSet {
        "*.xi8qz.fleet.example.com,xi8qz.fleet.example.com".parse().unwrap()
    }

    /// The limits may be others when the reservation is made again: it is the same one all the same.
    #[test]
    fn holding_is_rebuilt_from_the_stored_facts() {
        let mut with_override = Limits::lets_encrypt_production();
        let limit = Limit::new(9, 9, Duration::from_secs(9)).unwrap();
        let scope = Override::CertificatesPerDomainPerAccount(account(ACCOUNT));
        let _ = with_override.set_override(scope, limit);
        let half_known =
            Limits::lets_encrypt_staging().with_rule(LimitKind::CertificatesPerFqdnSet, Rule::Unknown);
        let listed = Limits::lets_encrypt_production()
            .with_public_suffix("fleet.example.com".parse().unwrap())
            .with_public_suffix("elsewhere.example".parse().unwrap());
        let all = [Limits::lets_encrypt_production(), Limits::unknown(), with_override, half_known, listed];
        for limits in all {
            for kind in [
                OrderKind::New,
                OrderKind::SameSet,
                OrderKind::AriWindow { same_set: false },
                OrderKind::AriWindow { same_set: true },
            ] {
                let holding = Holding::to_order(&limits, kind, ACCOUNT, &names());
                let json = serde_json::to_string(&holding).unwrap();
                let again: Holding = serde_json::from_str(&json).unwrap();
                assert_eq!(again, holding);
                let reserved = Charges::order(&limits, kind, &account(ACCOUNT), &names());
                assert_eq!(again.charges(), Some(reserved), "{kind:?}");
            }
        }
    }

    #[test]
    fn order_that_the_ca_has_pays_once_for_its_placement() {
        let kinds = [OrderKind::New, OrderKind::SameSet, OrderKind::AriWindow { same_set: true }];
        let all = [Limits::lets_encrypt_production(), Limits::unknown()];
        for (limits, kind) in all.iter().flat_map(|limits| kinds.map(|kind| (limits, kind))) {
            let holding = Holding::of_placed(limits, kind, ACCOUNT, &names());
            let charges = holding.charges().unwrap();
            assert!(charges.iter().all(|charge| charge.spent != Spent::AtRequest), "{charges:?}");
            let per_domain = charges.iter().any(|c| matches!(c.key, BucketKey::CertificatesPerDomain(_)));
            assert_eq!(per_domain, kind == OrderKind::New);
        }
    }
}
