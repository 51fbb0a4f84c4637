//! What an order holds of the budgets.

use std::time::Duration;

use fleetcert_names::HostName;
use fleetcert_schedule::budget::{
    Account, BucketKey, Charges, Limit, Limits, NameSet, OrderKind, Override, Reservation,
};
use serde::{Deserialize, Serialize};

use super::{Settlement, account};

/// The facts from which the reservation of an order is made again after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holding {
    kind: Kind,
    account: String,
    names: Vec<HostName>,
    /// The certificates of a domain were counted for the account, as an override has it.
    #[serde(default)]
    for_account: bool,
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

impl Holding {
    /// What an order is to hold that is about to be sent.
    pub(crate) fn to_order(limits: &Limits, kind: OrderKind, account_url: &str, names: &[HostName]) -> Self {
        let mut holding = Self {
            kind: kind.into(),
            account: account_url.to_owned(),
            names: names.to_vec(),
            for_account: false,
            ordered: false,
            answered: false,
            validated: false,
        };
        let charges =
            holding.name_set().map(|names| Charges::order(limits, kind, &holding.account(), &names));
        holding.for_account = charges
            .iter()
            .flat_map(Charges::iter)
            .any(|charge| matches!(charge.key, BucketKey::CertificatesPerDomainPerAccount(..)));
        holding
    }

    /// What an order is to hold that the CA has already: the CA will spend, and checks nothing any more.
    pub(crate) fn of_placed(limits: &Limits, kind: OrderKind, account_url: &str, names: &[HostName]) -> Self {
        let same_set = matches!(kind, OrderKind::SameSet | OrderKind::AriWindow { same_set: true });
        let unchecked = OrderKind::AriWindow { same_set };
        Self { ordered: true, ..Self::to_order(limits, unchecked, account_url, names) }
    }

    pub(crate) fn account(&self) -> Account {
        account(&self.account)
    }

    pub(crate) fn names(&self) -> &[HostName] {
        &self.names
    }

    fn name_set(&self) -> Option<NameSet> {
        NameSet::new(&self.names)
    }

    /// What is left of it.
    pub(crate) fn after(self, settlement: &Settlement) -> Option<Self> {
        matches!(settlement, Settlement::Ordered).then_some(Self { ordered: true, ..self })
    }

    /// What it costs; nothing for what no CA takes as an order.
    pub(crate) fn charges(&self) -> Option<Charges> {
        let account = self.account();
        let mut limits = Limits::unknown();
        if self.for_account {
            // Only that there is one counts.
            let any = Limit::new(1, 1, Duration::from_secs(1)).ok()?;
            let _ = limits.set_override(Override::CertificatesPerDomainPerAccount(account.clone()), any);
        }
        Some(Charges::order(&limits, self.kind.into(), &account, &self.name_set()?))
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

    fn names() -> [HostName; 1] {
        ["xi8qz.fleet.example.com".parse().unwrap()]
    }

    /// The limits may be others when the reservation is made again: it is the same one all the same.
    #[test]
    fn what_was_held_comes_back_from_the_facts() {
        let mut with_override = Limits::lets_encrypt_production();
        let limit = Limit::new(9, 9, Duration::from_secs(9)).unwrap();
        let scope = Override::CertificatesPerDomainPerAccount(account(ACCOUNT));
        let _ = with_override.set_override(scope, limit);
        let set = NameSet::new(&names()).unwrap();
        for limits in [Limits::lets_encrypt_production(), Limits::unknown(), with_override] {
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
                let reserved = Charges::order(&limits, kind, &account(ACCOUNT), &set);
                assert_eq!(again.charges(), Some(reserved), "{kind:?}");
            }
        }
    }

    #[test]
    fn an_order_that_the_ca_has_pays_no_second_time_for_being_placed() {
        for kind in [OrderKind::New, OrderKind::SameSet, OrderKind::AriWindow { same_set: true }] {
            let holding = Holding::of_placed(&Limits::lets_encrypt_production(), kind, ACCOUNT, &names());
            let charges = holding.charges().unwrap();
            assert!(charges.iter().all(|charge| charge.spent != Spent::AtRequest), "{charges:?}");
            let per_domain = charges.iter().any(|c| matches!(c.key, BucketKey::CertificatesPerDomain(_)));
            assert_eq!(per_domain, kind == OrderKind::New);
        }
    }
}
