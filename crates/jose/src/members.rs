//! Strict JSON objects: no repeated member, no array for an object, no `null` for an absent member.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::JoseError;

/// The members of an object, taken one by one.
///
/// Structs with serde's derive accept an array for an object, and `null` for an absent member. A signed message must
/// mean the same to every reader.
pub(crate) struct Members(BTreeMap<String, Member>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Text(String),
    Object(Members),
    /// A value of a type that no supported member has.
    Other(IgnoredAny),
}

impl Members {
    /// Parses `json`, which must be one object.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, JoseError> {
        serde_json::from_slice(json).map_err(JoseError::malformed)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes a string that may be absent.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, JoseError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Member::Text(text)) => Ok(Some(text)),
            Some(Member::Object(_) | Member::Other(_)) => {
                Err(JoseError::malformed(format!("the member {name} is not a string")))
            }
        }
    }

    /// Takes a required string.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, JoseError> {
        self.text(name)?.ok_or_else(|| JoseError::malformed(format!("the member {name} is missing")))
    }

    /// Takes an object that may be absent.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, JoseError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Member::Object(members)) => Ok(Some(members)),
            Some(Member::Text(_) | Member::Other(_)) => Err(JoseError::malformed(format!(
                "the member {name} is not an object without repeated members"
            ))),
        }
    }

    /// Rejects members that were not taken. A flattened JWS has no unknown members.
    pub(crate) fn finish(self) -> Result<(), JoseError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(MAX_NAME_SHOWN).collect();
                Err(JoseError::malformed(format!("the member {name:?} is not allowed here")))
            }
        }
    }
}

const MAX_NAME_SHOWN: usize = 40;

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, member)) = map.next_entry()? {
            if members.insert(name, member).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_scalars_repeats_and_deep_nesting_are_rejected() {
        for json in [r#"["a"]"#, "null", r#""a""#, "1", "", "{", r#"{"a":1}{}"#, r#"{"a":"b","a":"b"}"#] {
            assert!(Members::parse(json.as_bytes()).is_err(), "{json}");
        }
        // serde_json limits the nesting depth.
        assert!(Members::parse(format!("{{\"a\":{}", "[".repeat(9_999)).as_bytes()).is_err());
    }

    #[test]
    fn member_of_another_type_is_rejected() {
        let json = br#"{"text":"a","null":null,"list":["a"],"object":{"in":"b"},"twice":{"x":"","x":""}}"#;
        let mut members = Members::parse(json).unwrap();
        assert_eq!(members.text("text").unwrap().as_deref(), Some("a"));
        assert_eq!(members.text("text").unwrap(), None);
        assert!(members.required_text("text").is_err());
        assert!(members.text("null").is_err());
        assert!(members.object("list").is_err());
        assert!(members.object("twice").is_err());
        let mut inner = members.object("object").unwrap().unwrap();
        assert_eq!(inner.required_text("in").unwrap(), "b");
        assert!(inner.finish().is_ok());
        assert!(members.finish().is_ok());
    }

    #[test]
    fn name_of_a_rejected_member_is_shortened_and_escaped() {
        let json = format!(r#"{{"\n{}":1}}"#, "x".repeat(999));
        let shown = Members::parse(json.as_bytes()).unwrap().finish().unwrap_err().to_string();
        assert!(shown.len() < 160 && shown.contains("\\n") && !shown.contains('\n'), "{shown}");
    }
}
