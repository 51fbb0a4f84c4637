//! Settings of a server.

use std::collections::BTreeMap;
use std::time::Duration;

/// The settings of an [`AcmeServer`](crate::AcmeServer). [`new`](Self::new) gives defaults near to those of Let's
/// Encrypt; every field can be changed before the server is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeOptions {
    /// URL at which clients reach the router, such as `https://127.0.0.1:14000`. Every URL that the server gives out
    /// begins with it, and a request must be signed for exactly such a URL.
    pub base_url: String,
    /// URL of the terms of service; a new account must agree to them.
    pub terms_of_service: Option<String>,
    /// The names by which CAA records mean this CA (RFC 8659 section 4.2), for the directory.
    pub caa_identities: Vec<String>,
    /// The profiles that an order may ask for, each with its description; empty for none.
    pub profiles: BTreeMap<String, String>,

    /// Life of an order, and of a pending authorization.
    pub order_lifetime: Duration,
    /// A valid authorization serves further orders of the same account and profile for this time. Zero: never.
    pub authorization_reuse: Duration,
    /// Whether a second order for the same names by the same account, of the same profile, is the first one, as
    /// long as that is pending or ready.
    pub reuse_orders: bool,

    /// `Retry-After` on an order that is processing; `None` sends none.
    pub order_retry_after: Option<Duration>,
    /// `Retry-After` on an authorization or a challenge that is pending or processing; `None` sends none.
    pub challenge_retry_after: Option<Duration>,
    /// Time that the answer to a finalize request waits for the certificate before it says `processing`.
    pub finalize_wait: Duration,
    /// The issuer's validation of one challenge is given up after this time, as a problem of type `dns`.
    pub validation_timeout: Duration,
    /// The issuer's work on one certificate is given up after this time, and the order is invalid.
    pub issuance_timeout: Duration,

    /// Percentage of valid nonces that are rejected, to test that clients try again.
    pub nonce_rejection_percent: u8,

    /// Maximum identifiers in one order, at most 100.
    pub max_names: usize,
    /// Maximum accounts; beyond it, a new one is refused with status 503.
    pub max_accounts: usize,
    /// Maximum orders that have not ended, and maximum authorizations.
    pub max_orders: usize,
    /// Maximum certificates that have not expired.
    pub max_certificates: usize,
    /// Maximum unused nonces; beyond it, the oldest are forgotten.
    pub max_nonces: usize,
    /// Maximum validations and issuances at once.
    pub max_parallel_work: usize,
    /// Maximum waiting validations and issuances; beyond it, requests for more are refused with status 503.
    pub max_waiting_work: usize,
}

impl AcmeOptions {
    /// The defaults. Orders live for 7 days and are reused; authorizations are not. `Retry-After` is 3 s on orders
    /// and is not sent on challenges. A finalize request waits for up to 5 s. Up to 100 names in an order, 32 works
    /// at once, 100,000 accounts, orders and certificates.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            terms_of_service: None,
            caa_identities: Vec::new(),
            profiles: BTreeMap::new(),
            order_lifetime: Duration::from_secs(7 * 86_400),
            authorization_reuse: Duration::ZERO,
            reuse_orders: true,
            order_retry_after: Some(Duration::from_secs(3)),
            challenge_retry_after: None,
            finalize_wait: Duration::from_secs(5),
            validation_timeout: Duration::from_secs(60),
            issuance_timeout: Duration::from_secs(30),
            nonce_rejection_percent: 0,
            max_names: 100,
            max_accounts: 100_000,
            max_orders: 100_000,
            max_certificates: 100_000,
            max_nonces: 65_536,
            max_parallel_work: 32,
            max_waiting_work: 10_000,
        }
    }
}
