//! A name that can stand in a certificate.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{DomainName, HostName, NameError};

/// A DNS identifier of an ACME order (RFC 8555 section 7.1.4): a host name, or a wildcard that stands for one label.
///
/// A wildcard is `*.` and a host name, its [`base`](Self::base). The CA validates the base, so a wildcard and its base
/// share one challenge name.
///
/// ```
/// use fleetcert_names::Identifier;
///
/// let wildcard: Identifier = "*.XI8QZ.fleet.test".parse()?;
/// assert!(wildcard.is_wildcard());
/// assert_eq!(wildcard.base().as_str(), "xi8qz.fleet.test");
/// assert!(wildcard.covers(&"printer.xi8qz.fleet.test".parse()?));
/// assert!(!wildcard.covers(&"xi8qz.fleet.test".parse()?));
/// assert!("a.*.fleet.test".parse::<Identifier>().is_err());
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Identifier {
    /// As it stands in a certificate. A host name shares the text with its base.
    text: Arc<str>,
    base: HostName,
}

const WILDCARD_PREFIX: &str = "*.";

impl Identifier {
    /// Returns the wildcard for the names one label below `base`.
    pub fn wildcard(base: HostName) -> Self {
        let text = format!("{WILDCARD_PREFIX}{base}").into();
        Self { text, base }
    }

    /// Returns the identifier as it stands in a certificate, lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name that the CA validates: the host name itself, or what follows `*.`.
    pub fn base(&self) -> &HostName {
        &self.base
    }

    /// Returns the host name, or `None` for a wildcard.
    pub fn host(&self) -> Option<&HostName> {
        (!self.is_wildcard()).then_some(&self.base)
    }

    /// Returns whether the identifier is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.text.starts_with(WILDCARD_PREFIX)
    }

    /// Returns the name of the dns-01 record (RFC 8555 section 8.4). A wildcard and its base have the same.
    pub fn challenge_name(&self) -> DomainName {
        self.base.challenge_name()
    }

    /// Returns whether a certificate with this identifier is valid for `host` (RFC 6125 section 6.4.3): the wildcard
    /// stands for exactly one whole label.
    pub fn covers(&self, host: &HostName) -> bool {
        match self.host() {
            Some(own) => own == host,
            None => host.as_str().split_once('.').is_some_and(|(_, rest)| rest == self.base.as_str()),
        }
    }

    /// Returns whether the name, or the base of the wildcard, is `zone` or stands below it.
    pub fn is_within(&self, zone: &DomainName) -> bool {
        self.base.as_domain().is_within(zone)
    }
}

impl From<HostName> for Identifier {
    fn from(host: HostName) -> Self {
        Self { text: host.as_domain().shared_text(), base: host }
    }
}

impl FromStr for Identifier {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix(WILDCARD_PREFIX) {
            Some(base) => Ok(Self::wildcard(base.parse()?)),
            None => Ok(Self::from(text.parse::<HostName>()?)),
        }
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Identifier {}

impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Identifier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({self})")
    }
}

impl TryFrom<String> for Identifier {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Identifier> for String {
    fn from(identifier: Identifier) -> Self {
        identifier.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NameErrorKind;

    #[test]
    fn partial_nested_and_bare_wildcards_are_refused() {
        for text in
            ["*", "*.", "*.test", "a*.fleet.test", "*a.fleet.test", "*.*.fleet.test", "a.*.fleet.test"]
        {
            assert!(text.parse::<Identifier>().is_err(), "{text}");
        }
        assert_eq!("*.a_b.test".parse::<Identifier>().unwrap_err().kind(), NameErrorKind::BadCharacter);
    }

    #[test]
    fn a_wildcard_and_its_base_share_the_challenge_name() {
        let base: Identifier = "a.fleet.test".parse().unwrap();
        let wildcard: Identifier = "*.a.fleet.test".parse().unwrap();
        assert_ne!(base, wildcard);
        assert_eq!(base.challenge_name(), wildcard.challenge_name());
        assert_eq!(base.host(), Some(wildcard.base()));
        assert_eq!(wildcard.host(), None);
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let wildcard: Identifier = "*.a.test".parse().unwrap();
        for (host, covered) in
            [("x.a.test", true), ("a.test", false), ("x.y.a.test", false), ("xa.test", false)]
        {
            assert_eq!(wildcard.covers(&host.parse().unwrap()), covered, "{host}");
        }
    }

    #[test]
    fn serde_is_the_text() {
        let wildcard: Identifier = "*.a.test".parse().unwrap();
        assert_eq!(serde_json::to_string(&wildcard).unwrap(), "\"*.a.test\"");
        assert_eq!(serde_json::from_str::<Identifier>("\"*.A.test\"").unwrap(), wildcard);
    }
}
