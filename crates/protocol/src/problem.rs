//! Why a request was refused (RFC 9457).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A refusal that a device can act on and its owner can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of refusal it is.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// What is wrong and what to do, at most 500 characters.
    pub detail: String,
    /// The rule of the gate that refused a certificate request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When the same request may succeed, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

const MAX_DETAIL: usize = 500;

impl Problem {
    /// A problem of `kind`; a longer `detail` is cut.
    pub fn new(kind: ProblemKind, detail: &str) -> Self {
        Self { kind, detail: detail.chars().take(MAX_DETAIL).collect(), code: None, retry_after: None }
    }

    /// The same with the rule that refused a certificate request.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The same with the time to wait.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        Ok(())
    }
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
                    other => Self::Other(other.chars().take(64).collect()),
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
    /// The enrolment token was used by another key.
    TokenUsed = "token_used",
    /// The enrolment token is not known, or has expired.
    TokenUnknown = "token_unknown",
    /// The key belongs to a device already.
    KeyInUse = "key_in_use",
    /// The label was given out before.
    LabelTaken = "label_taken",
    /// The label is not allowed.
    LabelNotAllowed = "label_not_allowed",
    /// An address may not be published; the detail says which.
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
}
