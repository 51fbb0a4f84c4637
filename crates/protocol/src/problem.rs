//! Why a request was refused (RFC 9457).

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::{cut, is_unprintable};

/// A refusal that a device can act on and its owner can read.
///
/// ```
/// use fleetcert_protocol::{Problem, ProblemKind};
///
/// let problem = Problem::new(ProblemKind::AddressNotAllowed, "127.0.0.1 is the device itself")
///     .with_address("127.0.0.1".parse()?);
/// let json = serde_json::to_string(&problem)?;
/// assert_eq!(serde_json::from_str::<Problem>(&json)?.address, problem.address);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of refusal it is.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// What is wrong and what to do, at most 500 characters. `Display` escapes its control characters.
    #[serde(deserialize_with = "detail")]
    pub detail: String,
    /// Stable code of the reason: the rule of the gate that refused a certificate request, or what an enroller
    /// found. At most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "code")]
    pub code: Option<String>,
    /// The address that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When the same request may succeed, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

const MAX_DETAIL: usize = 500;
const MAX_CODE: usize = 64;

impl Problem {
    /// A problem of `kind`; a longer `detail` is cut.
    pub fn new(kind: ProblemKind, detail: &str) -> Self {
        Self { kind, detail: cut(detail, MAX_DETAIL), code: None, address: None, retry_after: None }
    }

    /// Returns the problem with the stable code of its reason; a longer one is cut.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(cut(&code.into(), MAX_CODE)), ..self }
    }

    /// Returns the problem with the address that was refused.
    #[must_use]
    pub fn with_address(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Returns the problem with the time to wait.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

fn detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| cut(&text, MAX_DETAIL))
}

fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let code = Option::<String>::deserialize(deserializer)?;
    Ok(code.map(|text| cut(&text, MAX_CODE)))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&self.detail, f)?;
        if let Some(code) = &self.code {
            f.write_str(" (")?;
            escaped(code, f)?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// Writes text of the other side so that it is safe for terminals and logs.
fn escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|character| match is_unprintable(character) {
        true => write!(f, "{}", character.escape_default()),
        false => f.write_char(character),
    })
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// The kind of a problem; on the wire `urn:fleetcert:error:` and its name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
            /// A kind that this version does not know.
            Other(String),
        }

        impl ProblemKind {
            /// The name of the kind, without the prefix.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Other(name) => name,
                }
            }

            fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$kind,)*
                    other => Self::Other(cut(other, MAX_CODE)),
                }
            }
        }
    };
}

kinds! {
    /// The nonce is not good: sign again with that of the answer.
    BadNonce = "bad_nonce",
    /// The request is not what it should be.
    Malformed = "malformed",
    /// The device is not known, or the signature is not its own.
    Unauthenticated = "unauthenticated",
    /// The device may not do this.
    Denied = "denied",
    /// The device may not join; `code` says why: `token_unknown`, `token_used`, `proof_type_unsupported`, or a code of
    /// the server's own enroller.
    EnrolmentRefused = "enrolment_refused",
    /// The key belongs to a device already.
    KeyInUse = "key_in_use",
    /// The label was given out before.
    LabelTaken = "label_taken",
    /// The label is not allowed.
    LabelNotAllowed = "label_not_allowed",
    /// An address may not be published; `address` is the first such.
    AddressNotAllowed = "address_not_allowed",
    /// The certificate request was refused; `code` names the rule.
    CsrRefused = "csr_refused",
    /// The order failed at the CA or in the zone.
    OrderFailed = "order_failed",
    /// Too many requests; `retry_after` says until when.
    RateLimited = "rate_limited",
    /// The server cannot do it now.
    Unavailable = "unavailable",
    /// There is no such thing.
    NotFound = "not_found",
    /// The request holds a private key, which nobody else may ever see. Make a new one.
    PrivateKeySent = "private_key_sent",
}

const PREFIX: &str = "urn:fleetcert:error:";

impl Serialize for ProblemKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        format!("{PREFIX}{}", self.name()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ProblemKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::from_name(text.strip_prefix(PREFIX).unwrap_or(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_on_the_wire() {
        let problem = Problem::new(ProblemKind::CsrRefused, "no").with_code("san_missing");
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(json, r#"{"type":"urn:fleetcert:error:csr_refused","detail":"no","code":"san_missing"}"#);
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
    }

    #[test]
    fn an_unknown_kind_is_kept_and_bounded() {
        let json = format!(r#"{{"type":"urn:fleetcert:error:{}","detail":"d","later":1}}"#, "x".repeat(999));
        let problem: Problem = serde_json::from_str(&json).unwrap();
        assert_eq!(problem.kind.name().len(), 64);
        assert_eq!(Problem::new(ProblemKind::Denied, &"ä".repeat(999)).detail.chars().count(), MAX_DETAIL);
    }

    #[test]
    fn what_is_parsed_is_bounded() {
        let json = format!(
            r#"{{"type":"urn:fleetcert:error:csr_refused","detail":"{}","code":"{}"}}"#,
            "ä".repeat(999),
            "c".repeat(999)
        );
        let problem: Problem = serde_json::from_str(&json).unwrap();
        assert_eq!(problem.detail, "ä".repeat(MAX_DETAIL));
        assert_eq!(problem.code, Some("c".repeat(MAX_CODE)));
        assert_eq!(Problem::new(ProblemKind::Denied, "").with_code("c".repeat(999)).code, problem.code);
    }

    #[test]
    fn display_escapes_what_a_terminal_would_obey() {
        let problem =
            Problem::new(ProblemKind::Denied, "a\u{1b}[2J\r\nb\u{202e}\u{9b}ä \"\\").with_code("c\n");
        assert_eq!(problem.to_string(), r#"a\u{1b}[2J\r\nb\u{202e}\u{9b}ä "\ (c\n)"#);
    }

    #[test]
    fn the_refused_address_is_told() {
        let address = "fe80::1".parse().unwrap();
        let problem = Problem::new(ProblemKind::AddressNotAllowed, "no").with_address(address);
        let json = serde_json::to_string(&problem).unwrap();
        let expected =
            r#"{"type":"urn:fleetcert:error:address_not_allowed","detail":"no","address":"fe80::1"}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
    }
}
