//! A challenge record.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use fleetcert_names::DomainName;
use serde::{Deserialize, Serialize};

use crate::TxtValue;

/// A TXT value that proves control of a name to a CA, with its owner and expiry.
///
/// A journal stores it **before** the value is published, so that a crash cannot leave unknown records in the zone.
/// The serialised form holds the octets of the value as base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeRecord {
    /// Zone of the record.
    pub zone: DomainName,
    /// Owner name, `_acme-challenge.…`, inside `zone`.
    pub name: DomainName,
    /// Value; for dns-01 the base64url digest of RFC 8555 section 8.4.
    #[serde(with = "base64url")]
    pub value: TxtValue,
    /// Order that needs the record.
    pub owner: Owner,
    /// Time after which anyone may withdraw the record.
    pub expires: SystemTime,
}

/// The owner of a challenge record: one order, named by a text that the caller chooses, such as its URL.
///
/// The text has 1 to 512 octets and no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Owner(Arc<str>);

impl Owner {
    /// Maximum octets of the text.
    pub const MAX_LEN: usize = 512;

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        if text.is_empty() || text.len() > Self::MAX_LEN || text.contains(char::is_control) {
            return Err(OwnerError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Owner {
    type Error = OwnerError;

    fn try_from(text: String) -> Result<Self, OwnerError> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.0.as_ref().to_owned()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.0)
    }
}

/// The error for a text that is not an [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an owner must have 1 to 512 octets and no control characters")]
pub struct OwnerError;

mod base64url {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::TxtValue;

    pub(super) fn serialize<S: Serializer>(value: &TxtValue, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(value.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TxtValue, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        TxtValue::new(&octets).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn record_survives_a_round_trip_through_json() {
        let record = ChallengeRecord {
            zone: "fleet.test".parse().unwrap(),
            name: "_acme-challenge.a.fleet.test".parse().unwrap(),
            value: TxtValue::new(&[0, 255, b'"']).unwrap(),
            owner: "https://ca.test/order/7".parse().unwrap(),
            expires: SystemTime::UNIX_EPOCH + Duration::new(7, 5),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<ChallengeRecord>(&text).unwrap(), record);
        assert!(serde_json::from_str::<ChallengeRecord>(&text.replace("AP8i", "A P8")).is_err());
        assert!(serde_json::from_str::<ChallengeRecord>(&text.replace("AP8i", "")).is_err());
    }

    #[test]
    fn invalid_owners_are_rejected() {
        for text in ["", "a\nb", &"a".repeat(513)] {
            assert_eq!(text.parse::<Owner>(), Err(OwnerError));
        }
        assert!("a".repeat(512).parse::<Owner>().is_ok());
    }
}
