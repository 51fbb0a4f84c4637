//! Known CAs: the limits, request rates and lifetimes that they publish.

use std::time::{Duration, SystemTime};

use crate::budget::Limits;
use crate::pacer::{Pacer, Rates};

/// A CA that is recognised by the URL of its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownCa {
    /// The production service of Let's Encrypt.
    LetsEncrypt,
    /// The staging service of Let's Encrypt.
    LetsEncryptStaging,
}

/// A certificate profile of Let's Encrypt, as far as planning needs it: the lifetime of its certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// `classic`: 90 days; 64 days from 10 February 2027; 45 days from 16 February 2028.
    Classic,
    /// `tlsserver`: 45 days.
    TlsServer,
    /// `shortlived`: 160 hours.
    ShortLived,
    /// Another profile, with a lifetime that does not change.
    Fixed(Duration),
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// 2027-02-10, 00:00 UTC.
const CLASSIC_64_DAYS: Duration = Duration::from_secs(1_802_217_600);
/// 2028-02-16, 00:00 UTC.
const CLASSIC_45_DAYS: Duration = Duration::from_secs(1_834_272_000);

impl Profile {
    /// Returns Let's Encrypt's profile of this name; `None` for an unknown name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "classic" => Some(Self::Classic),
            "tlsserver" => Some(Self::TlsServer),
            "shortlived" => Some(Self::ShortLived),
            _ => None,
        }
    }

    /// Returns the lifetime of a certificate that is issued at `at`, by the dates that Let's Encrypt announced on
    /// 2 December 2025.
    pub fn lifetime_at(self, at: SystemTime) -> Duration {
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match self {
            Self::Classic if since_epoch < CLASSIC_64_DAYS => 90 * DAY,
            Self::Classic if since_epoch < CLASSIC_45_DAYS => 64 * DAY,
            Self::Classic | Self::TlsServer => 45 * DAY,
            Self::ShortLived => 160 * HOUR,
            Self::Fixed(lifetime) => lifetime,
        }
    }
}

/// Longest lifetime of an order at Let's Encrypt.
const ORDER_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

impl KnownCa {
    /// Returns the CA of an account.
    pub fn of(account_url: &str) -> Option<Self> {
        match origin(account_url) {
            "https://acme-v02.api.letsencrypt.org" => Some(Self::LetsEncrypt),
            "https://acme-staging-v02.api.letsencrypt.org" => Some(Self::LetsEncryptStaging),
            _ => None,
        }
    }

    /// Returns its published rate limits.
    pub fn limits(self) -> Limits {
        match self {
            Self::LetsEncrypt => Limits::lets_encrypt_production(),
            Self::LetsEncryptStaging => Limits::lets_encrypt_staging(),
        }
    }

    fn rates(self) -> Rates {
        match self {
            Self::LetsEncrypt => Rates::lets_encrypt_production(),
            Self::LetsEncryptStaging => Rates::lets_encrypt_staging(),
        }
    }

    /// Returns the longest lifetime of a certificate of a profile that is issued at `at`; `None` for an unknown profile.
    /// Lifetimes only get shorter, and an order that was placed before a change may end after it.
    pub fn lifetime(self, profile: Option<&str>, at: SystemTime) -> Option<Duration> {
        let profile = profile.map_or(Some(Profile::Classic), Profile::named)?;
        Some(profile.lifetime_at(at.checked_sub(ORDER_LIFETIME).unwrap_or(at)))
    }
}

/// Returns a pacer at four fifths of the rates that the account's CA is known to have.
pub fn pacer_for(account_url: &str) -> Pacer {
    Pacer::new(KnownCa::of(account_url).map_or_else(Rates::none, KnownCa::rates), 800)
}

/// Returns the scheme and host of an account's URL.
pub fn origin(account_url: &str) -> &str {
    account_url.match_indices('/').nth(2).map_or(account_url, |(end, _)| &account_url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacer::Endpoint;

    #[test]
    fn known_ca_has_a_rate() {
        let now = SystemTime::UNIX_EPOCH;
        for (ca, known) in [
            ("https://acme-v02.api.letsencrypt.org", true),
            ("https://acme-staging-v02.api.letsencrypt.org", true),
            ("https://ca.test", false),
        ] {
            assert_eq!(pacer_for(ca).limit(Endpoint::NewOrder, now).is_some(), known, "{ca}");
        }
    }

    #[test]
    fn announced_lifetime_takes_effect_on_its_day() {
        let days = |at| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            Profile::Classic.lifetime_at(at).as_secs() / 86_400
        };
        assert_eq!([days(1_802_217_599), days(1_802_217_600)], [90, 64]);
        assert_eq!([days(1_834_271_999), days(1_834_272_000), days(1_900_000_000)], [64, 45, 45]);
        assert_eq!(Profile::Classic.lifetime_at(SystemTime::UNIX_EPOCH - DAY), DAY * 90);
    }

    #[test]
    fn lifetime_follows_account_and_profile() {
        // 2026-11-26 and 2027-02-10, both at 00:00 UTC.
        let [now, change] =
            [1_795_651_200, 1_802_217_600].map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at));
        let day = Duration::from_secs(86_400);
        let days = |url, profile, at| {
            let life = KnownCa::of(url).and_then(|ca| ca.lifetime(profile, at));
            life.map(|life| life.as_secs_f64() / 86_400.0)
        };
        let account = "https://acme-v02.api.letsencrypt.org/acme/acct/1";
        for (profile, at, life) in [
            (None, now, Some(90.0)),
            (Some("classic"), now, Some(90.0)),
            (Some("tlsserver"), now, Some(45.0)),
            (Some("shortlived"), now, Some(160.0 / 24.0)),
            (Some("new"), now, None),
            // Placed the day before it changes.
            (Some("classic"), change + 5 * day, Some(90.0)),
            (Some("classic"), change + 7 * day, Some(64.0)),
        ] {
            assert_eq!(days(account, profile, at), life, "{profile:?}");
        }
        assert_eq!(days("https://ca.test/acct/1", None, now), None);
    }
}
