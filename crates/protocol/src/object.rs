//! Strict JSON for what devices sign.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A `T` that was written as an object. What serde derives for a struct takes an array as well, so that one payload
/// had two forms.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// For a member that may be absent, but not `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use crate::{AddressReport, CertificateRequest, EnrolRequest, ProtocolErrorKind, StatusRequest, request};

    fn refused<T: serde::de::DeserializeOwned>(payload: &str) -> bool {
        match request::read::<T>(payload.as_bytes()) {
            Ok(_) => false,
            Err(error) => error.kind() == ProtocolErrorKind::Malformed,
        }
    }

    const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn objects_with_each_known_member_once() {
        let proof = format!(r#""proof":{{"type":"token","token":"{TOKEN}"}}"#);
        assert!(!refused::<EnrolRequest>(&format!("{{{proof}}}")));
        let full = format!(r#"{{"label":"xi8qz",{proof},"claims":{{"serial":"7"}}}}"#);
        assert!(!refused::<EnrolRequest>(&full));
        for payload in [
            format!(r#"[{{"type":"token","token":"{TOKEN}"}}]"#),
            format!(r#"[{{"type":"token","token":"{TOKEN}"}},"xi8qz"]"#),
            format!(r#"{{{proof},"label":null}}"#),
            format!(r#"{{{proof},"label":["xi8qz"]}}"#),
            format!(r#"{{{proof},"claims":null}}"#),
            format!(r#"{{{proof},"claims":["serial"]}}"#),
            format!("{{{proof},{proof}}}"),
            format!(r#"{{{proof},"name":"x"}}"#),
            format!(r#"{{"token":"{TOKEN}"}}"#),
            r#"{"proof":null}"#.into(),
            "{}".into(),
            "null".into(),
        ] {
            assert!(refused::<EnrolRequest>(&payload), "{payload}");
        }

        assert!(!refused::<StatusRequest>(" {} "));
        for payload in ["", "[]", "null", r#""""#, r#"{"a":1}"#, "{}{}"] {
            assert!(refused::<StatusRequest>(payload), "{payload}");
        }

        assert!(!refused::<CertificateRequest>(r#"{"csr":"MAA"}"#));
        for payload in [
            r#"["MAA"]"#,
            r#"{"csr":null}"#,
            r#"{"csr":["MAA"]}"#,
            r#"{"csr":""}"#,
            r#"{"csr":"MAA="}"#,
            r#"{"csr":"MAA","csr":"MAA"}"#,
            r#"{"csr":"MAA","key":"x"}"#,
        ] {
            assert!(refused::<CertificateRequest>(payload), "{payload}");
        }

        assert!(!refused::<AddressReport>(r#"{"addresses":[]}"#));
        for payload in [
            r#"[["10.0.0.1"]]"#,
            "[]",
            "{}",
            r#"{"addresses":null}"#,
            r#"{"addresses":{}}"#,
            r#"{"addresses":[null]}"#,
            r#"{"addresses":[[10,0,0,1]]}"#,
            r#"{"addresses":[],"addresses":[]}"#,
        ] {
            assert!(refused::<AddressReport>(payload), "{payload}");
        }
    }
}
