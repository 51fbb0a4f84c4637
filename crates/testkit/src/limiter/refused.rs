//! How a refusal looks.

use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;
use time::OffsetDateTime;
use time::macros::format_description;

use super::key::Bucket;
use super::limit::{Limit, PAGE};
use super::rate::{Rate, go_duration};

/// Why a CA refuses, as its answer says it: status 429, type `rateLimited`.
///
/// Where several limits refuse, it is the one that clears last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// By which limit.
    pub limit: Limit,
    /// What was counted: an address, an account, a name, a domain, a set of names.
    pub key: String,
    /// The time in which the limit would let it through, to the nanosecond. `None` when waiting does not help, as
    /// the names are paused.
    pub retry_in: Option<Duration>,
    /// Wait that the client is asked for: up to 3 % longer.
    pub retry_after: Option<Duration>,
    /// Requests at once.
    pub burst: u64,
    /// The time in which its count comes back.
    pub period: Duration,
    /// The sentence of the problem document.
    pub detail: String,
    /// Whether names are paused: an operator has to act.
    pub paused: bool,
}

impl Refused {
    /// The page that the `Link` header of relation `help` names.
    pub const HELP: &'static str = PAGE;

    /// The `Retry-After` header as Boulder writes it: to the nearest second, so that it can say up to half a second
    /// too little, and none at all below half a second.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let told = self.retry_after?;
        let up = u64::from(told.subsec_nanos() >= 500_000_000);
        Some(told.as_secs().saturating_add(up)).filter(|seconds| *seconds > 0)
    }

    pub(super) fn by(bucket: &Bucket<'_>, rate: &Rate, wait: Wait, now: SystemTime) -> Self {
        let limit = bucket.limit();
        let (burst, period) = (rate.burst, go_duration(rate.period));
        let what = match bucket {
            Bucket::RegistrationsFromAddress(_) => {
                format!("too many new registrations ({burst}) from this IP address")
            }
            Bucket::RegistrationsFromRange(_) => {
                format!("too many new registrations ({burst}) from this /48 subnet of IPv6 addresses")
            }
            Bucket::Orders { .. } => format!("too many new orders ({burst}) from this account"),
            Bucket::Failures { name, .. } | Bucket::ConsecutiveFailures { name, .. } => {
                format!("too many failed authorizations ({burst}) for \"{name}\"")
            }
            Bucket::Certificates { domain } | Bucket::CertificatesOfAccount { domain, .. } => {
                format!("too many certificates ({burst}) already issued for \"{domain}\"")
            }
            Bucket::ExactSet { .. } => {
                format!("too many certificates ({burst}) already issued for this exact set of identifiers")
            }
        };
        let until = clock_text(now, wait.told);
        let anchor = limit.anchor();
        Self {
            limit,
            key: bucket.to_string(),
            retry_in: Some(wait.exact),
            retry_after: Some(wait.told),
            burst,
            period: rate.period,
            detail: format!("{what} in the last {period}, retry after {until}: see {PAGE}/#{anchor}"),
            paused: false,
        }
    }

    /// `token` is what the portal knows the account by.
    pub(super) fn paused(names: &[&HostName], rate: &Rate, unpause_url: &str, token: &str) -> Self {
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let names = names.join(", ");
        Self {
            limit: Limit::ConsecutiveFailures,
            retry_in: None,
            retry_after: None,
            burst: rate.burst,
            period: rate.period,
            detail: format!(
                "Your account is temporarily prevented from requesting certificates for {names} and possibly \
                 others. Please visit: {unpause_url}?jwt={token}"
            ),
            key: names,
            paused: true,
        }
    }
}

/// An exact wait, and the one that the client is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) exact: Duration,
    pub(super) told: Duration,
}

/// Such as `2026-11-25 02:15:26 UTC`. A time that no calendar has is left out.
fn clock_text(now: SystemTime, wait: Duration) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let last = Duration::from_secs(253_402_300_799); // the end of the year 9999
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let until = SystemTime::UNIX_EPOCH + since.saturating_add(wait).min(last);
    OffsetDateTime::from(until).format(FORMAT).unwrap_or_default()
}
