//! What a device says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ProtocolError;

/// What a device says of itself when it enrols: a serial number, a model, a host name.
///
/// **Untrusted.** Only the device vouches for it, so it decides nothing by itself: it helps a person to recognise
/// the device, or an enroller to look it up. Names and values are bounded and hold no character that could move a
/// cursor or reverse text, so they can be shown and logged as they are.
///
/// ```
/// use fleetcert_protocol::DeviceClaims;
///
/// let claims = DeviceClaims::new([("serial", "A-1007"), ("model", "Switch 24")])?;
/// assert_eq!(claims.get("serial"), Some("A-1007"));
/// assert!(DeviceClaims::new([("serial", "A\u{1b}[2J")]).is_err());
/// # Ok::<(), fleetcert_protocol::ProtocolError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UniqueClaims")]
pub struct DeviceClaims(BTreeMap<String, String>);

impl DeviceClaims {
    /// Maximum number of claims: 16.
    pub const MAX: usize = 16;
    /// Maximum length of a name: 32 characters, lower-case letters, digits, `-` and `_`.
    pub const MAX_NAME: usize = 32;
    /// Maximum length of a value: 256 characters.
    pub const MAX_VALUE: usize = 256;

    /// Collects claims.
    ///
    /// # Errors
    /// [`Malformed`](crate::ProtocolErrorKind::Malformed) for too many, for a name that is not well formed or
    /// stands twice, and for a value that is too long or holds a control character.
    pub fn new<N: Into<String>, V: Into<String>>(
        claims: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ProtocolError> {
        let mut all = BTreeMap::new();
        for (name, value) in claims {
            let (name, value) = (name.into(), value.into());
            check(&name, &value)?;
            if all.insert(name, value).is_some() {
                return Err(ProtocolError::malformed("a claim has its name once"));
            }
            if all.len() > Self::MAX {
                return Err(ProtocolError::malformed("a device makes at most 16 claims"));
            }
        }
        Ok(Self(all))
    }

    /// Returns the value of the claim `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns whether the device claims nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check(name: &str, value: &str) -> Result<(), ProtocolError> {
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || name.len() > DeviceClaims::MAX_NAME || !name.bytes().all(allowed) {
        return Err(ProtocolError::malformed(
            "the name of a claim is 1 to 32 lower-case letters, digits, hyphens and underscores",
        ));
    }
    if value.chars().count() > DeviceClaims::MAX_VALUE || value.chars().any(crate::text::is_unprintable) {
        return Err(ProtocolError::malformed(
            "the value of a claim has at most 256 characters and no control characters",
        ));
    }
    Ok(())
}

/// The members as they came, each of them: a map would forget that a name stood twice.
struct UniqueClaims(Vec<(String, String)>);

impl TryFrom<UniqueClaims> for DeviceClaims {
    type Error = ProtocolError;

    fn try_from(UniqueClaims(claims): UniqueClaims) -> Result<Self, ProtocolError> {
        Self::new(claims)
    }
}

impl<'de> Deserialize<'de> for UniqueClaims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = UniqueClaims;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<UniqueClaims, A::Error> {
                let mut claims = Vec::new();
                while let Some(claim) = map.next_entry()? {
                    claims.push(claim);
                }
                Ok(UniqueClaims(claims))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_bounded_printable_and_each_there_once() {
        let parse = |json: &str| serde_json::from_str::<DeviceClaims>(json);
        let claims = parse(r#"{"serial":"A-1","hostname":"größe"}"#).unwrap();
        assert_eq!(claims.iter().collect::<Vec<_>>(), [("hostname", "größe"), ("serial", "A-1")]);
        assert_eq!(serde_json::to_string(&claims).unwrap(), r#"{"hostname":"größe","serial":"A-1"}"#);
        for json in [
            "[]",
            "null",
            r#"{"serial":1}"#,
            r#"{"serial":null}"#,
            r#"{"serial":{}}"#,
            r#"{"serial":"a","serial":"a"}"#,
            r#"{"":"a"}"#,
            r#"{"Serial":"a"}"#,
            r#"{"serial":"a\nb"}"#,
            r#"{"serial":"\u202e"}"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
        let many = |count: usize| DeviceClaims::new((0..count).map(|n| (format!("c{n}"), "")));
        assert!(many(DeviceClaims::MAX).is_ok() && many(DeviceClaims::MAX + 1).is_err());
        let sized = |name: usize, value: usize| DeviceClaims::new([("n".repeat(name), "ä".repeat(value))]);
        assert!(sized(DeviceClaims::MAX_NAME, DeviceClaims::MAX_VALUE).is_ok());
        assert!(
            sized(DeviceClaims::MAX_NAME + 1, 1).is_err() && sized(1, DeviceClaims::MAX_VALUE + 1).is_err()
        );
    }
}
