//! Who sends wrong signature after wrong signature is heard no more for a while.

use parking_lot::{Mutex, MutexGuard};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use fleetcert_ambient::Entropy;
use fleetcert_protocol::{Problem, ProblemKind};
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::{Quota, QuotaDecision};

use crate::device_api::Api;

/// What is left of each address's quota. It takes a mebibyte, however many addresses come.
///
/// Only addresses are counted: who counted by device would let everybody lock out a device whose id he knows.
pub(crate) struct BadSignatures(Option<Mutex<Quota>>);

/// So many addresses at a time are told apart.
const ADDRESSES: usize = 65_536;

impl BadSignatures {
    pub(crate) fn new(limit: Option<Limit>, entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 8];
        entropy.fill(&mut secret);
        Self(limit.map(|limit| Mutex::new(Quota::new(limit, ADDRESSES, u64::from_le_bytes(secret)))))
    }

    /// How long an address is not heard.
    fn refused(&self, source: &Source, now: SystemTime) -> Option<Duration> {
        match self.quota()?.look(source, now) {
            QuotaDecision::Allowed { .. } => None,
            QuotaDecision::Denied { retry_at } => {
                let wait = retry_at.and_then(|at| at.duration_since(now).ok());
                Some(wait.unwrap_or(Duration::from_secs(1)))
            }
        }
    }

    fn count(&self, source: &Source, now: SystemTime) {
        if let Some(mut quota) = self.quota() {
            // Those that were under way together may be more than what was left.
            let _ = quota.spend(source, now);
        }
    }

    fn quota(&self) -> Option<MutexGuard<'_, Quota>> {
        Some(self.0.as_ref()?.lock())
    }
}

/// Whom an address belongs to: with IPv6 one subscriber has a network of 64 bits at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Stands around the routes that take signed requests. Where the server does not say who the peer is, nothing is counted.
pub(crate) async fn limited(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let Some(source) = peer.map(|ConnectInfo(peer)| Source::of(peer.ip())) else {
        return next.run(request).await;
    };
    if let Some(wait) = api.bad_signatures.refused(&source, api.answers.now()) {
        let why = "too many requests with wrong signatures came from this address";
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let problem = Problem::new(ProblemKind::RateLimited, why).with_retry_after(seconds.max(1));
        return api.answers.give(Err::<(), _>(problem));
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        api.bad_signatures.count(&source, api.answers.now());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_64_bits_is_one_source_and_a_mapped_address_is_the_mapped_one() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::7"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
