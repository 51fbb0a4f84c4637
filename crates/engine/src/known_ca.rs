//! What a CA publishes of itself: its limits, its rates, and how long its certificates live.

use std::time::Duration;

use fleetcert_schedule::budget::Limits;
use fleetcert_schedule::pacer::Rates;

/// A CA that is known by the address of its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownCa {
    LetsEncrypt,
    LetsEncryptStaging,
}

const HOUR: Duration = Duration::from_secs(3600);

impl KnownCa {
    pub(crate) fn of(account_url: &str) -> Option<Self> {
        match origin(account_url) {
            "https://acme-v02.api.letsencrypt.org" => Some(Self::LetsEncrypt),
            "https://acme-staging-v02.api.letsencrypt.org" => Some(Self::LetsEncryptStaging),
            _ => None,
        }
    }

    pub(crate) fn limits(self) -> Limits {
        match self {
            Self::LetsEncrypt => Limits::lets_encrypt_production(),
            Self::LetsEncryptStaging => Limits::lets_encrypt_staging(),
        }
    }

    pub(crate) fn rates(self) -> Rates {
        match self {
            Self::LetsEncrypt => Rates::lets_encrypt_production(),
            Self::LetsEncryptStaging => Rates::lets_encrypt_staging(),
        }
    }

    /// How long certificates of a profile live; both services have the same.
    pub(crate) fn lifetime(self, profile: Option<&str>) -> Option<Duration> {
        match profile {
            // It will be less in 2027 and 2028.
            None | Some("classic" | "tlsserver") => Some(90 * 24 * HOUR),
            Some("shortlived") => Some(160 * HOUR),
            Some(_) => None,
        }
    }
}

/// Scheme and host of an account's URL.
pub(crate) fn origin(account_url: &str) -> &str {
    account_url.match_indices('/').nth(2).map_or(account_url, |(end, _)| &account_url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_certificate_is_known_by_the_account_and_the_profile() {
        let days = |url, profile| {
            let life = KnownCa::of(url).and_then(|ca| ca.lifetime(profile));
            life.map(|life| life.as_secs_f64() / 86_400.0)
        };
        let account = "https://acme-v02.api.letsencrypt.org/acme/acct/1";
        for (profile, life) in [
            (None, Some(90.0)),
            (Some("tlsserver"), Some(90.0)),
            (Some("shortlived"), Some(160.0 / 24.0)),
            (Some("new"), None),
        ] {
            assert_eq!(days(account, profile), life, "{profile:?}");
        }
        assert_eq!(days("https://ca.test/acct/1", None), None);
    }
}
