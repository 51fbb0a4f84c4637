//! Known CAs: the limits, request rates and lifetimes that they publish.

use std::time::{Duration, SystemTime};

use crate::budget::Limits;
use crate::pacer::{Pacer, Rates};
use crate::rollout::Profile;

/// A CA that is recognised by the URL of its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownCa {
    /// The production service of Let's Encrypt.
    LetsEncrypt,
    /// The staging service of Let's Encrypt.
    LetsEncryptStaging,
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
        let profile = match profile {
            None | Some("classic") => Profile::Classic,
            Some("tlsserver") => Profile::TlsServer,
            Some("shortlived") => Profile::ShortLived,
            Some(_) => return None,
        };
        Some(profile.life_at(at.checked_sub(ORDER_LIFETIME).unwrap_or(at)))
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
