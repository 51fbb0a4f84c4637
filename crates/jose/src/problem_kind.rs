//! The error types of ACME.

use std::fmt;

use serde::{Deserialize, Serialize};

const PREFIX: &str = "urn:ietf:params:acme:error:";

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Error type of an ACME problem document: those of RFC 8555 section 6.7, of RFC 9773 section 7.4 and of the
        /// profiles draft, and an escape for others. Client and server of RFC 8555 share it.
        ///
        /// As text, and in serde, it is the URN.
        ///
        /// ```
        /// use fleetcert_jose::ProblemKind;
        ///
        /// let kind = ProblemKind::from("urn:ietf:params:acme:error:badNonce".to_owned());
        /// assert_eq!(kind, ProblemKind::BadNonce);
        /// assert_eq!(kind.to_string(), "urn:ietf:params:acme:error:badNonce");
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", from = "String")]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)+
            /// Another type, as the server sent it.
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

problem_kinds! {
    /// The account that the request names does not exist.
    AccountDoesNotExist = "accountDoesNotExist",
    /// Another order has already replaced the certificate that the order names (RFC 9773 section 7.4).
    AlreadyReplaced = "alreadyReplaced",
    /// The certificate is revoked already.
    AlreadyRevoked = "alreadyRevoked",
    /// The CSR is not acceptable.
    BadCsr = "badCSR",
    /// The nonce is unknown or was used before.
    BadNonce = "badNonce",
    /// The key is not of an accepted kind.
    BadPublicKey = "badPublicKey",
    /// The reason for the revocation is not allowed.
    BadRevocationReason = "badRevocationReason",
    /// The signature algorithm is not accepted.
    BadSignatureAlgorithm = "badSignatureAlgorithm",
    /// CAA records forbid the issuance.
    Caa = "caa",
    /// Several problems, each in a subproblem.
    Compound = "compound",
    /// The CA could not connect to the host.
    Connection = "connection",
    /// A DNS query failed during validation.
    Dns = "dns",
    /// The CA requires an external account binding.
    ExternalAccountRequired = "externalAccountRequired",
    /// The response to the challenge is wrong.
    IncorrectResponse = "incorrectResponse",
    /// A contact URL is not valid.
    InvalidContact = "invalidContact",
    /// The profile is not one of the directory's.
    InvalidProfile = "invalidProfile",
    /// The request is malformed. Let's Encrypt uses it for an unknown object, too.
    Malformed = "malformed",
    /// The order is not ready to be finalized.
    OrderNotReady = "orderNotReady",
    /// A rate limit is exceeded.
    RateLimited = "rateLimited",
    /// The CA does not issue for the identifier.
    RejectedIdentifier = "rejectedIdentifier",
    /// The server failed.
    ServerInternal = "serverInternal",
    /// The CA had a TLS error with the host.
    Tls = "tls",
    /// The account is not allowed to do it, or the validation found another value.
    Unauthorized = "unauthorized",
    /// A contact URL has a scheme that is not supported.
    UnsupportedContact = "unsupportedContact",
    /// An identifier is of a type that is not supported.
    UnsupportedIdentifier = "unsupportedIdentifier",
    /// The account's owner has to visit a page, for example to agree to new terms of service.
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

    #[test]
    fn unknown_type_is_kept_as_text() {
        for urn in ["urn:ietf:params:acme:error:newKind", "about:blank", ""] {
            let kind = ProblemKind::from(urn.to_owned());
            assert_eq!((&kind, kind.to_string()), (&ProblemKind::Other(urn.to_owned()), urn.to_owned()));
        }
    }

    #[test]
    fn known_type_is_its_urn_in_json() {
        let json = r#""urn:ietf:params:acme:error:badCSR""#;
        let kind: ProblemKind = serde_json::from_str(json).unwrap();
        assert_eq!(kind, ProblemKind::BadCsr);
        assert_eq!(serde_json::to_string(&kind).unwrap(), json);
    }
}
