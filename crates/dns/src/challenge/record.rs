//! A challenge record as a value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use fleetcert_names::DomainName;
use serde::{Deserialize, Serialize};

use crate::TxtValue;

/// One TXT value that proves control of a name to a CA, with who wants it and for how long.
///
/// It is what a journal writes down **before** the value is published, so that whoever comes after a crash knows
/// what may be out there. Its serialised form holds the value's octets as base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeRecord {
    /// The zone that is changed.
    pub zone: DomainName,
    /// The owner name, `_acme-challenge.…`; inside `zone`.
    pub name: DomainName,
    /// The value; for dns-01 the base64url digest of RFC 8555 section 8.4.
    #[serde(with = "base64url")]
    pub value: TxtValue,
    /// The order that needs it; exactly one.
    pub owner: Owner,
    /// After this anybody may withdraw the record.
    pub expires: SystemTime,
}

/// Who needs a challenge record: one order, by a text that the caller chooses, such as its URL.
///
/// 1 to 512 octets, none of them a control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Owner(Arc<str>);

impl Owner {
    /// The most octets of an owner's text.
    pub const MAX_LEN: usize = 512;

    /// The text.
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

/// The text is no [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an owner is a text of 1 to 512 octets without control characters")]
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
    fn a_record_is_the_same_after_its_journal() {
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
    fn what_is_no_owner() {
        for text in ["", "a\nb", &"a".repeat(513)] {
            assert_eq!(text.parse::<Owner>(), Err(OwnerError));
        }
        assert!("a".repeat(512).parse::<Owner>().is_ok());
    }
}
