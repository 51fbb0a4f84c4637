//! What a device shows in order to be admitted.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::strict_json::StrictValue;
use crate::{EnrolmentToken, ProtocolError, ProtocolErrorKind};

/// The proof in an enrolment: a kind, and members that only the enroller of this kind reads.
///
/// On the wire it is an object with a `type`: `{"type":"token","token":"…"}`. The protocol knows the kind
/// [`TOKEN`](Self::TOKEN); any other passes unchanged to the control server's enroller, so vouchers, attestations or
/// a kind of your own need no change of the protocol. A proof without further members is valid too: it says only
/// which way in the device wants to take.
///
/// Members may be secrets. `Debug` shows the kind alone, and the memory of the members is wiped when they are
/// dropped.
///
/// ```
/// use fleetcert_protocol::EnrolmentProof;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Voucher {
///     voucher: String,
/// }
///
/// let shown = Voucher { voucher: "eyJ…".into() };
/// let proof = EnrolmentProof::new("voucher", &shown)?;
/// let json = serde_json::to_string(&proof)?;
/// assert_eq!(json, r#"{"type":"voucher","voucher":"eyJ…"}"#);
///
/// let arrived: EnrolmentProof = serde_json::from_str(&json)?;
/// assert_eq!(arrived.kind(), "voucher");
/// assert_eq!(arrived.read::<Voucher>()?, shown);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EnrolmentProof {
    kind: String,
    /// A JSON object without the `type`.
    members: SecretString,
}

/// The member that holds the kind.
const TYPE: &str = "type";

/// The members of a token proof.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenMembers {
    token: EnrolmentToken,
}

impl EnrolmentProof {
    /// The kind of a proof by one-time token, which has the one member `token`.
    pub const TOKEN: &str = "token";
    /// Maximum length of a kind: 64 characters, lower-case letters, digits, `-`, `_` and `.`.
    pub const MAX_KIND: usize = 64;
    /// Maximum size of a proof as JSON: 32 KiB.
    pub const MAX_SIZE: usize = 32 * 1024;
    /// Maximum depth of the objects and lists inside a proof's members: 8.
    pub const MAX_DEPTH: usize = 8;

    /// Makes a proof of `kind` from what serializes to a JSON object.
    ///
    /// # Errors
    /// [`Malformed`](ProtocolErrorKind::Malformed) when the kind is not well formed, when `members` is no object or
    /// has a `type` of its own; [`TooLarge`](ProtocolErrorKind::TooLarge).
    pub fn new(kind: &str, members: &impl Serialize) -> Result<Self, ProtocolError> {
        let members = serde_json::to_vec(members).map_err(|error| malformed(&error))?;
        let mut reader = serde_json::Deserializer::from_slice(&members);
        match (StrictValue { depth: Self::MAX_DEPTH + 1 })
            .deserialize(&mut reader)
            .map_err(|error| malformed(&error))?
        {
            Value::Object(members) if !members.contains_key(TYPE) => Self::of(kind, members),
            _ => Err(ProtocolError::malformed("a proof's members are an object without a type of its own")),
        }
    }

    fn of(kind: &str, members: Map<String, Value>) -> Result<Self, ProtocolError> {
        let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if kind.is_empty() || kind.len() > Self::MAX_KIND || !kind.bytes().all(allowed) {
            let rule =
                "the type of a proof is 1 to 64 lower-case letters, digits, dots, hyphens and underscores";
            return Err(ProtocolError::malformed(rule));
        }
        let members = Value::Object(members).to_string();
        if members.len() > Self::MAX_SIZE {
            return Err(ProtocolError::new(ProtocolErrorKind::TooLarge, "a proof has at most 32 KiB"));
        }
        Ok(Self { kind: kind.to_owned(), members: members.into() })
    }

    /// Returns the kind: what `type` says on the wire.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the members as a `T`. Give `T` `#[serde(deny_unknown_fields)]`, so that a device learns of its
    /// mistakes.
    ///
    /// # Errors
    /// [`Malformed`](ProtocolErrorKind::Malformed). The error names members and repeats no value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ProtocolError> {
        serde_json::from_str(self.members.expose_secret()).map_err(|error| malformed(&error))
    }

    /// Returns the token of a proof of the kind [`TOKEN`](Self::TOKEN).
    ///
    /// # Errors
    /// [`Unsupported`](ProtocolErrorKind::Unsupported) for another kind,
    /// [`Malformed`](ProtocolErrorKind::Malformed) when there is no valid token.
    pub fn token(&self) -> Result<EnrolmentToken, ProtocolError> {
        if self.kind != Self::TOKEN {
            let why = format!("the proof is of type {}, not {}", self.kind, Self::TOKEN);
            return Err(ProtocolError::new(ProtocolErrorKind::Unsupported, why));
        }
        self.read().map(|TokenMembers { token }| token)
    }
}

/// A message of serde repeats a string that is of the wrong type, and that string may be a secret.
fn malformed(error: &serde_json::Error) -> ProtocolError {
    let text = error.to_string();
    let repeats_a_value = text.contains("string \"") || text.contains("variant `");
    ProtocolError::malformed(if repeats_a_value {
        "a member of the proof has the wrong type".into()
    } else {
        text
    })
}

impl From<EnrolmentToken> for EnrolmentProof {
    fn from(token: EnrolmentToken) -> Self {
        Self::new(Self::TOKEN, &TokenMembers { token }).expect("a token is a small object")
    }
}

impl fmt::Debug for EnrolmentProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentProof").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Serialize for EnrolmentProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tagged<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(flatten)]
            members: Map<String, Value>,
        }
        let members =
            serde_json::from_str(self.members.expose_secret()).map_err(serde::ser::Error::custom)?;
        Tagged { kind: &self.kind, members }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EnrolmentProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = StrictValue { depth: Self::MAX_DEPTH + 1 }.deserialize(deserializer)?;
        let Value::Object(mut members) = value else {
            return Err(D::Error::custom("a proof is an object with a type"));
        };
        match members.remove(TYPE) {
            Some(Value::String(kind)) => Self::of(&kind, members).map_err(D::Error::custom),
            _ => Err(D::Error::custom("a proof has a type, which is a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;
    use serde_json::json;

    fn parse(json: &str) -> Result<EnrolmentProof, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn token_proof_survives_the_wire_and_is_not_printed() {
        let token = EnrolmentToken::generate(&SeededEntropy::new(1));
        let proof = EnrolmentProof::from(token.clone());
        let json = serde_json::to_string(&proof).unwrap();
        assert_eq!(json, format!(r#"{{"type":"token","token":"{}"}}"#, token.expose()));
        let arrived = parse(&json).unwrap();
        assert_eq!(arrived.token().unwrap().hash(), token.hash());
        assert_eq!(format!("{arrived:?}"), r#"EnrolmentProof { kind: "token", .. }"#);
    }

    #[test]
    fn unknown_kind_keeps_its_members() {
        let json = r#"{"type":"tpm2.quote","quote":{"pcrs":[1,2.5,-3,null,true],"x":"y"}}"#;
        let proof = parse(json).unwrap();
        assert_eq!(proof.kind(), "tpm2.quote");
        assert_eq!(
            proof.read::<Value>().unwrap(),
            json!({ "quote": { "pcrs": [1, 2.5, -3, null, true], "x": "y" } })
        );
        assert_eq!(serde_json::to_string(&proof).unwrap(), json);
        assert_eq!(proof.token().unwrap_err().kind(), ProtocolErrorKind::Unsupported);
        assert_eq!(parse(r#"{"type":"approval"}"#).unwrap().read::<Value>().unwrap(), json!({}));
    }

    #[test]
    fn proof_without_a_valid_type_or_with_a_repeated_member_is_refused() {
        for json in [
            "null",
            "[]",
            "{}",
            r#""token""#,
            r#"{"token":"x"}"#,
            r#"{"type":null}"#,
            r#"{"type":["token"]}"#,
            r#"{"type":""}"#,
            r#"{"type":"Token"}"#,
            r#"{"type":"a b"}"#,
            r#"{"type":"a","type":"a"}"#,
            r#"{"type":"a","m":1,"m":2}"#,
            r#"{"type":"a","m":[{"n":1,"n":2}]}"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
        assert!(parse(&format!(r#"{{"type":"{}"}}"#, "k".repeat(64))).is_ok());
        assert!(parse(&format!(r#"{{"type":"{}"}}"#, "k".repeat(65))).is_err());
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let nested = |depth| format!(r#"{{"type":"a","m":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(EnrolmentProof::MAX_DEPTH)).is_ok());
        assert!(parse(&nested(EnrolmentProof::MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(20_000)).is_err());
        let sized = |size| EnrolmentProof::new("a", &json!({ "m": "x".repeat(size - r#"{"m":""}"#.len()) }));
        assert!(sized(EnrolmentProof::MAX_SIZE).is_ok());
        assert_eq!(sized(EnrolmentProof::MAX_SIZE + 1).unwrap_err().kind(), ProtocolErrorKind::TooLarge);
        for members in [json!([]), json!(1), json!({ "type": "b" })] {
            assert_eq!(EnrolmentProof::new("a", &members).unwrap_err().kind(), ProtocolErrorKind::Malformed);
        }
    }

    #[test]
    fn error_names_the_member_and_repeats_no_value() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Numbers {
            pin: u32,
        }
        let error = |json: &str| parse(json).unwrap().read::<Numbers>().unwrap_err().to_string();
        assert!(error(r#"{"type":"pin"}"#).contains("missing field `pin`"));
        assert!(!error(r#"{"type":"pin","pin":"hunter2"}"#).contains("hunter2"));
        let broken = parse(r#"{"type":"token","token":"hunter2"}"#).unwrap().token().unwrap_err();
        assert!(broken.to_string().contains("43 characters") && !broken.to_string().contains("hunter2"));
    }
}
