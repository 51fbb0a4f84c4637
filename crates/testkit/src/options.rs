//! Settings of a test CA.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fleetcert_acme_server::AcmeOptions;
use fleetcert_https::Limits;
use fleetcert_names::DomainName;

use crate::limiter::CaLimits;

/// The settings of a [`TestCa`](crate::TestCa). Every field can be changed before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCaOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bounds of the listener.
    pub limits: Limits,
    /// The settings of the protocol: lifetimes, waits, the rate of refused nonces. The base URL and the profiles
    /// are set by the CA itself.
    pub acme: AcmeOptions,
    /// The DNS server that every query goes to: a resolver, or the authoritative server of the zones in question.
    pub dns_server: SocketAddr,
    /// Time limit for one attempt of one query.
    pub dns_timeout: Duration,
    /// Attempts for a query that times out.
    pub dns_tries: u32,
    /// Number of perspectives beside the primary one that ask the same (Baseline Requirements 3.2.2.9). With 2 to 5
    /// of them one may fail, with more two.
    pub remote_perspectives: usize,
    /// By this name CAA records mean this CA.
    pub caa_identity: String,
    /// Names outside these zones are refused; empty for none refused.
    pub zones: Vec<DomainName>,
    /// How long a certificate without a profile holds.
    pub life: Duration,
    /// Certificates begin so long before they are issued.
    pub backdate: Duration,
    /// What an order may ask for by name.
    pub profiles: BTreeMap<String, Profile>,
    /// `Retry-After` on renewal information.
    pub renewal_poll: Duration,
    /// The rate limits; `None` for none.
    pub rate_limits: Option<CaLimits>,
    /// Maximum entries of each kind in the ledger; beyond it, the oldest are forgotten.
    pub ledger_size: usize,
}

/// A kind of certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// One sentence for the directory.
    pub description: String,
    /// How long its certificates hold.
    pub life: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl TestCaOptions {
    /// A free port on 127.0.0.1, validation by `dns_server`, and otherwise what Let's Encrypt has: 90 days,
    /// backdated by an hour, the profiles `classic`, `tlsserver` and `shortlived`, no reuse of authorizations. No rate limits.
    pub fn new(dns_server: SocketAddr) -> Self {
        let profile = |description: &str, life| Profile { description: description.to_owned(), life };
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            limits: Limits::default(),
            acme: AcmeOptions::new(""),
            dns_server,
            dns_timeout: Duration::from_secs(2),
            dns_tries: 3,
            remote_perspectives: 0,
            caa_identity: "ca.test".to_owned(),
            zones: Vec::new(),
            life: 90 * DAY,
            backdate: HOUR,
            profiles: [
                ("classic".to_owned(), profile("90 days", 90 * DAY)),
                ("tlsserver".to_owned(), profile("45 days", 45 * DAY)),
                ("shortlived".to_owned(), profile("160 hours", 160 * HOUR)),
            ]
            .into(),
            renewal_poll: 6 * HOUR,
            rate_limits: None,
            ledger_size: 100_000,
        }
    }

    pub(crate) fn life_of(&self, profile: Option<&str>) -> Duration {
        profile.and_then(|name| self.profiles.get(name)).map_or(self.life, |profile| profile.life)
    }
}
