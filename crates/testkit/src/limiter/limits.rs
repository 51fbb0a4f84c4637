//! How much is allowed, and to whom more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleetcert_acme_server::Resource;
use fleetcert_names::DomainName;

use super::rate::Rate;

/// The limits of a CA: one measure for each, and the overrides.
///
/// Let's Encrypt gives overrides for new orders and for certificates per registered domain, and for nothing else,
/// so there are no others here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaLimits {
    /// New accounts from one IP address.
    pub new_registrations_per_ip_address: Rate,
    /// New accounts from one /48 of IPv6.
    pub new_registrations_per_ipv6_range: Rate,
    /// New orders of one account.
    pub new_orders_per_account: Rate,
    /// Failed validations of one name by one account.
    pub failed_authorizations: Rate,
    /// Certificates for one registered domain.
    pub certificates_per_domain: Rate,
    /// Certificates for exactly the same names.
    pub certificates_per_exact_set: Rate,
    /// Failed validations of one name by one account without success, until it is paused.
    pub consecutive_failures: Rate,

    /// Overrides of new orders, by account.
    pub orders_of_account: BTreeMap<String, Rate>,
    /// Overrides of certificates per registered domain, by registered domain.
    pub certificates_of_domain: BTreeMap<DomainName, Rate>,
    /// Overrides of certificates per registered domain, by account: each registered domain has a bucket of its own
    /// for the account then.
    pub certificates_of_account: BTreeMap<String, Rate>,

    /// Public suffixes beside those of the public suffix list, such as `fleet.test`: a name under one of them is a
    /// registered domain with one label more than the suffix.
    pub extra_public_suffixes: BTreeSet<DomainName>,
    /// An order for names that were issued together within this time is a renewal. Boulder: 120 days.
    pub renewal_window: Duration,
    /// Where a paused account is sent, up to the question mark.
    pub unpause_url: String,
    /// The told wait is up to 3 % longer than the real one, by a sequence from this seed. `None`: not longer.
    pub jitter: Option<u64>,
    /// Limits on requests, as a load balancer before the CA has them. `None`: none.
    pub requests: Option<RequestLimits>,
}

/// Limits on the requests from one IP address, whatever they ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Resources with a limit of their own.
    pub per_resource: BTreeMap<Resource, Rate>,
    /// All other resources together.
    pub others: Rate,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl CaLimits {
    /// Let's Encrypt's production in August 2026, without the limits on requests.
    pub fn production() -> Self {
        Self {
            new_registrations_per_ip_address: Rate::of(10, 3 * HOUR),
            new_registrations_per_ipv6_range: Rate::of(500, 3 * HOUR),
            new_orders_per_account: Rate::of(300, 3 * HOUR),
            failed_authorizations: Rate::of(5, HOUR),
            certificates_per_domain: Rate::of(50, 7 * DAY),
            certificates_per_exact_set: Rate::of(5, 7 * DAY),
            consecutive_failures: Rate { burst: 1152, count: 1, period: DAY },
            orders_of_account: BTreeMap::new(),
            certificates_of_domain: BTreeMap::new(),
            certificates_of_account: BTreeMap::new(),
            extra_public_suffixes: BTreeSet::new(),
            renewal_window: 120 * DAY,
            unpause_url: "https://portal.letsencrypt.org/sfe/v1/unpause".to_owned(),
            jitter: Some(0),
            requests: None,
        }
    }

    /// Let's Encrypt's staging environment in April 2026, without the limits on requests.
    pub fn staging() -> Self {
        Self {
            new_registrations_per_ip_address: Rate::of(50, 3 * HOUR),
            new_registrations_per_ipv6_range: Rate::of(500, 3 * HOUR),
            new_orders_per_account: Rate::of(1500, 3 * HOUR),
            failed_authorizations: Rate::of(200, HOUR),
            certificates_per_domain: Rate::of(30_000, Duration::from_secs(1)),
            certificates_per_exact_set: Rate::of(30_000, 7 * DAY),
            consecutive_failures: Rate::of(3600, 6 * HOUR),
            ..Self::production()
        }
    }
}

impl RequestLimits {
    /// Those of Let's Encrypt's production.
    pub fn production() -> Self {
        Self::with((300, 200), (250, 125))
    }

    /// Those of Let's Encrypt's staging environment.
    pub fn staging() -> Self {
        Self::with((20, 40), (20, 20))
    }

    fn with(new_order: (u64, u64), others: (u64, u64)) -> Self {
        let rate = |(count, burst)| Rate { burst, count, period: Duration::from_secs(1) };
        Self {
            per_resource: [
                (Resource::NewNonce, rate((20, 10))),
                (Resource::NewAccount, rate((5, 15))),
                (Resource::NewOrder, rate(new_order)),
                (Resource::RevokeCertificate, rate((10, 100))),
                (Resource::RenewalInfo, rate((1000, 100))),
                (Resource::Directory, rate((40, 40))),
            ]
            .into(),
            others: rate(others),
        }
    }
}
