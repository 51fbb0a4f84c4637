//! What a CA says when it refuses.

use std::fmt;

use fleetcert_names::Identifier;
use serde::{Deserialize, Serialize};

use crate::rate_limit::without_url;

/// A problem document of an ACME server (RFC 8555 section 6.7, RFC 7807), cut to sizes that can be stored and
/// logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of problem it is.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The server's sentence, at most 1,024 characters, control characters escaped; may be empty.
    #[serde(default)]
    pub detail: String,
    /// Identifier that it is about, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// One for each name that has a problem of its own (RFC 8555 section 6.7.1); at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<Problem>,
}

const MAX_DETAIL: usize = 1024;
const MAX_KIND: usize = 200;
const MAX_SUBPROBLEMS: usize = 100;

impl Problem {
    /// Reads the problem in a reply's body, and its `detail` at full length.
    pub(crate) fn parse(body: &[u8]) -> Option<(Self, String)> {
        let document: Document = serde_json::from_slice(body).ok()?;
        let detail = document.detail.clone().unwrap_or_default();
        Some((document.problem(true), detail))
    }
}

impl From<&instant_acme::Problem> for Problem {
    fn from(problem: &instant_acme::Problem) -> Self {
        let subproblem = |sub: &instant_acme::Subproblem| Self {
            kind: kind(sub.r#type.as_deref()),
            detail: bounded(sub.detail.as_deref().unwrap_or_default(), MAX_DETAIL),
            identifier: match &sub.identifier {
                Some(instant_acme::Identifier::Dns(name)) => name.parse().ok(),
                _ => None,
            },
            subproblems: Vec::new(),
        };
        Self {
            kind: kind(problem.r#type.as_deref()),
            detail: bounded(without_url(problem.detail.as_deref().unwrap_or_default()), MAX_DETAIL),
            identifier: None,
            subproblems: problem.subproblems.iter().take(MAX_SUBPROBLEMS).map(subproblem).collect(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(identifier) = &self.identifier {
            write!(f, "{identifier}: ")?;
        }
        match self.detail.as_str() {
            "" => write!(f, "{}", self.kind)?,
            detail => write!(f, "{detail} ({})", self.kind)?,
        }
        for subproblem in &self.subproblems {
            write!(f, "; {subproblem}")?;
        }
        Ok(())
    }
}

/// The document as it comes.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: Option<String>,
    detail: Option<String>,
    identifier: Option<IdentifierObject>,
    #[serde(default)]
    subproblems: Vec<Document>,
}

#[derive(Deserialize)]
struct IdentifierObject {
    value: Option<String>,
}

impl Document {
    fn problem(self, with_subproblems: bool) -> Problem {
        let identifier = self.identifier.and_then(|identifier| identifier.value?.parse().ok());
        let subproblems = self.subproblems.into_iter().filter(|_| with_subproblems).take(MAX_SUBPROBLEMS);
        Problem {
            kind: kind(self.kind.as_deref()),
            detail: bounded(without_url(self.detail.as_deref().unwrap_or_default()), MAX_DETAIL),
            identifier,
            subproblems: subproblems.map(|document| document.problem(false)).collect(),
        }
    }
}

fn kind(urn: Option<&str>) -> ProblemKind {
    ProblemKind::from(bounded(urn.unwrap_or("about:blank"), MAX_KIND))
}

/// The beginning of a hostile text, with nothing in it that a terminal or a log would obey.
pub(crate) fn bounded(text: &str, max: usize) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .take(max)
        .collect()
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The type of a problem: those of RFC 8555 section 6.7 and its successors, and an escape for others.
        ///
        /// As text, and in serde, it is the URN.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", from = "String")]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)+
            /// A type that is not known here, as it came.
            Other(String),
        }

        impl From<String> for ProblemKind {
            fn from(urn: String) -> Self {
                match urn.strip_prefix(PREFIX) {
                    $(Some($name) => Self::$variant,)+
                    _ => Self::Other(urn),
                }
            }
        }

        impl fmt::Display for ProblemKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => write!(f, "{PREFIX}{}", $name),)+
                    Self::Other(urn) => f.write_str(urn),
                }
            }
        }
    };
}

const PREFIX: &str = "urn:ietf:params:acme:error:";

problem_kinds! {
    /// The account is not known.
    AccountDoesNotExist = "accountDoesNotExist",
    /// The certificate that the order replaces was replaced already (RFC 9773 section 7.4).
    AlreadyReplaced = "alreadyReplaced",
    /// The certificate is revoked already.
    AlreadyRevoked = "alreadyRevoked",
    /// The CSR is not acceptable.
    BadCsr = "badCSR",
    /// The nonce is not acceptable.
    BadNonce = "badNonce",
    /// The key is not acceptable.
    BadPublicKey = "badPublicKey",
    /// The reason of a revocation is not allowed.
    BadRevocationReason = "badRevocationReason",
    /// The signature's algorithm is not supported.
    BadSignatureAlgorithm = "badSignatureAlgorithm",
    /// A CAA record forbids it.
    Caa = "caa",
    /// Several problems; the subproblems tell them.
    Compound = "compound",
    /// The CA could not connect to the name.
    Connection = "connection",
    /// The CA could not resolve the name.
    Dns = "dns",
    /// The CA wants an external account binding.
    ExternalAccountRequired = "externalAccountRequired",
    /// The challenge's answer is wrong.
    IncorrectResponse = "incorrectResponse",
    /// A contact is not valid.
    InvalidContact = "invalidContact",
    /// The profile is not known.
    InvalidProfile = "invalidProfile",
    /// The request is malformed; Let's Encrypt says so for what it does not find, too.
    Malformed = "malformed",
    /// The order is not ready to be finalized.
    OrderNotReady = "orderNotReady",
    /// A limit is reached.
    RateLimited = "rateLimited",
    /// The CA does not issue for the name.
    RejectedIdentifier = "rejectedIdentifier",
    /// The CA failed.
    ServerInternal = "serverInternal",
    /// The CA had a TLS error with the name.
    Tls = "tls",
    /// The account, or the answer of the challenge, does not suffice.
    Unauthorized = "unauthorized",
    /// A kind of contact is not supported.
    UnsupportedContact = "unsupportedContact",
    /// A kind of identifier is not supported.
    UnsupportedIdentifier = "unsupportedIdentifier",
    /// Somebody has to visit a page, such as new terms of service.
    UserActionRequired = "userActionRequired",
}

impl From<ProblemKind> for String {
    fn from(kind: ProblemKind) -> Self {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_with_subproblems() {
        let (problem, detail) = Problem::parse(
            br#"{"type":"urn:ietf:params:acme:error:compound","detail":"two\nnames","status":403,"subproblems":[
                {"type":"urn:ietf:params:acme:error:caa","detail":"no","identifier":{"type":"dns","value":"A.test.example"}},
                {"type":"urn:example:odd"}]}"#,
        )
        .unwrap();
        assert_eq!(detail, "two\nnames");
        assert_eq!(problem.kind, ProblemKind::Compound);
        assert_eq!(problem.detail, "two\\nnames");
        assert_eq!(problem.subproblems[0].identifier, Some("a.test.example".parse().unwrap()));
        assert_eq!(problem.subproblems[1].kind, ProblemKind::Other("urn:example:odd".into()));
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
    }

    #[test]
    fn what_is_no_document() {
        assert_eq!(Problem::parse(b"<html>503</html>"), None);
        assert_eq!(Problem::parse(b"[]"), None);
        assert_eq!(Problem::parse(b"{}").unwrap().0.kind, ProblemKind::Other("about:blank".into()));
    }

    proptest! {
        #[test]
        fn no_document_is_too_long(detail: String, kind: String) {
            let body = serde_json::json!({"type": kind, "detail": detail.repeat(50)}).to_string();
            let (problem, _) = Problem::parse(body.as_bytes()).unwrap();
            prop_assert!(problem.detail.chars().count() <= MAX_DETAIL);
            prop_assert!(!problem.to_string().contains(char::is_control));
        }
    }
}
