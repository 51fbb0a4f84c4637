//! A limit on wrong signatures: an address that sends one after another has to wait.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use fleetcert_protocol::{Problem, ProblemKind};
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::{Quota, QuotaDecision};
use parking_lot::{Mutex, MutexGuard};

use crate::answer::Answers;
use crate::origin::client_address;
use crate::refusal::Refusal;

/// The quota of each address, in one mebibyte for any number of addresses.
///
/// Only addresses are counted: with a count by device, anyone who knows a device's id could lock it out.
pub(crate) struct BadSignatures {
    quota: Option<Mutex<Quota>>,
    answers: Arc<Answers>,
}

/// Addresses with a count of their own at one time.
const MAX_ADDRESSES: usize = 65_536;

impl BadSignatures {
    pub(crate) fn new(limit: Option<Limit>, secret: u64, answers: Arc<Answers>) -> Self {
        Self { quota: limit.map(|limit| Mutex::new(Quota::new(limit, MAX_ADDRESSES, secret))), answers }
    }

    /// Returns how long an address has to wait.
    fn wait(&self, source: &Source, now: SystemTime) -> Option<Duration> {
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
            // Requests that were under way together may be more than what was left.
            let _ = quota.spend(source, now);
        }
    }

    fn quota(&self) -> Option<MutexGuard<'_, Quota>> {
        Some(self.quota.as_ref()?.lock())
    }
}

/// The network that counts as one sender: with IPv6 one subscriber has at least a network of 64 bits.
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

/// Stands around the routes that take signed requests. Where the address of the client is not known, nothing is
/// counted.
pub(crate) async fn limited(
    State(bad_signatures): State<Arc<BadSignatures>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(source) = client_address(request.extensions()).map(Source::of) else {
        return next.run(request).await;
    };
    let answers = &bad_signatures.answers;
    if let Some(wait) = bad_signatures.wait(&source, answers.now()) {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = "too many requests with wrong signatures came from this address; try again later";
        let problem = Problem::new(ProblemKind::RateLimited, detail).with_retry_after(seconds.max(1));
        return answers.refuse(Refusal::new(problem));
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        bad_signatures.count(&source, answers.now());
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
