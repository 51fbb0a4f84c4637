//! Sentences of Boulder about its rate limits.

use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;
use fleetcert_schedule::budget::LimitKind;
use time::PrimitiveDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use super::duration;

/// Parts of a sentence, as far as they are there.
#[derive(Default)]
pub(super) struct Sentence {
    pub(super) kind: Option<LimitKind>,
    pub(super) seen: Option<(u32, Duration)>,
    pub(super) subject: Option<DomainName>,
    pub(super) retry_at: Option<SystemTime>,
}

/// Beginning of each sentence, the text after its number, and the limit.
const SENTENCES: [(&str, &str, LimitKind); 6] = [
    ("too many new registrations (", "from this IP address", LimitKind::NewRegistrationsPerIpAddress),
    (
        "too many new registrations (",
        "from this /48 subnet of IPv6 addresses",
        LimitKind::NewRegistrationsPerIpv6Range,
    ),
    ("too many new orders (", "from this account", LimitKind::NewOrdersPerAccount),
    ("too many failed authorizations (", "for \"", LimitKind::FailedAuthorizationsPerDomainPerAccount),
    ("too many certificates (", "already issued for this exact set of", LimitKind::CertificatesPerFqdnSet),
    ("too many certificates (", "already issued for \"", LimitKind::CertificatesPerDomain),
];

const ANCHORS: [(&str, LimitKind); 6] = [
    ("new-registrations-per-ip-address", LimitKind::NewRegistrationsPerIpAddress),
    ("new-registrations-per-ipv6-range", LimitKind::NewRegistrationsPerIpv6Range),
    ("new-orders-per-account", LimitKind::NewOrdersPerAccount),
    ("authorization-failures-per-identifier-per-account", LimitKind::FailedAuthorizationsPerDomainPerAccount),
    ("new-certificates-per-registered-domain", LimitKind::CertificatesPerDomain),
    ("new-certificates-per-exact-set-of-identifiers", LimitKind::CertificatesPerFqdnSet),
];

/// Returns the limit that the fragment of the documentation's URL names.
pub(super) fn anchor(text: &str) -> Option<LimitKind> {
    let (_, rest) = text.split_once("/docs/rate-limits/#")?;
    let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '-').unwrap_or(rest.len());
    let fragment = rest.get(..end)?;
    ANCHORS.iter().find(|(known, _)| *known == fragment).map(|(_, kind)| *kind)
}

/// Reads the first sentence about a limit in the text.
pub(super) fn read(text: &str) -> Sentence {
    let retry_at = after(text, "retry after ").and_then(time);
    let found = SENTENCES.iter().find_map(|(opening, middle, kind)| {
        let (burst, rest) = after(text, opening)?.split_once(") ")?;
        rest.starts_with(middle).then_some((*kind, burst, rest))
    });
    let Some((kind, burst, rest)) = found else { return Sentence { retry_at, ..Sentence::default() } };
    let quoted = || rest.split('"').nth(1)?.parse().ok();
    let subject = match kind {
        LimitKind::FailedAuthorizationsPerDomainPerAccount | LimitKind::CertificatesPerDomain => quoted(),
        _ => None,
    };
    let period = || {
        let (period, _) = after(rest, "in the last ")?.split_once(',')?;
        duration::parse(period)
    };
    let burst = burst.parse().ok().filter(|burst| *burst > 0);
    Sentence { kind: Some(kind), seen: burst.zip(period()), subject, retry_at }
}

/// Reads the time at the beginning of a text: `2026-11-25 12:00:00 UTC`.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    const LEN: usize = "2006-01-02 15:04:05 UTC".len();
    const FORM: StaticFormatDescription =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    PrimitiveDateTime::parse(text.get(..LEN)?, FORM).ok().map(|time| time.assume_utc().into())
}

fn after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    text.split_once(marker).map(|(_, rest)| rest)
}
