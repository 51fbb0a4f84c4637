//! Certificate requests and their status.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::Object;
use crate::{Problem, ProtocolError, ProtocolErrorKind, private_key};

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Object<Members>")]
pub struct CertificateRequest {
    /// Certificate request in PKCS#10.
    pub csr: CsrBytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    csr: CsrBytes,
}

impl From<Object<Members>> for CertificateRequest {
    fn from(Object(Members { csr }): Object<Members>) -> Self {
        Self { csr }
    }
}

/// The DER of a certificate request (RFC 2986), base64url in JSON. It is not empty, its size is bounded, and it is not
/// a private key in PEM; the gate checks everything else.
///
/// ```
/// use fleetcert_protocol::{CsrBytes, ProtocolErrorKind};
///
/// assert!(CsrBytes::new(vec![0x30, 0]).is_ok());
/// let wrong_file = CsrBytes::new(b"-----BEGIN PRIVATE KEY-----".to_vec());
/// assert_eq!(wrong_file.unwrap_err().kind(), ProtocolErrorKind::PrivateKeySent);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CsrBytes(Vec<u8>);

impl CsrBytes {
    /// Maximum size: 16 KiB.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Wraps the octets of a request.
    ///
    /// # Errors
    /// [`TooLarge`](ProtocolErrorKind::TooLarge) above [`MAX_LEN`](Self::MAX_LEN),
    /// [`Malformed`](ProtocolErrorKind::Malformed) for none,
    /// [`PrivateKeySent`](ProtocolErrorKind::PrivateKeySent).
    pub fn new(der: Vec<u8>) -> Result<Self, ProtocolError> {
        if der.is_empty() {
            return Err(ProtocolError::malformed("the certificate request is empty"));
        }
        if der.len() > Self::MAX_LEN {
            return Err(ProtocolError::new(
                ProtocolErrorKind::TooLarge,
                "a certificate request has at most 16 KiB",
            ));
        }
        private_key::refuse(&der)?;
        Ok(Self(der))
    }

    /// Returns the octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CsrBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CsrBytes({} octets)", self.0.len())
    }
}

impl Serialize for CsrBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        URL_SAFE_NO_PAD.encode(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CsrBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let der = URL_SAFE_NO_PAD.decode(&text).map_err(serde::de::Error::custom)?;
        Self::new(der).map_err(serde::de::Error::custom)
    }
}

/// A question for the status of the certificate. It has no members: the sender is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Object<NoMembers>")]
pub struct StatusRequest {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoMembers {}

impl From<Object<NoMembers>> for StatusRequest {
    fn from(_: Object<NoMembers>) -> Self {
        Self {}
    }
}

/// The status of a device's certificate. Times are seconds since 1970 by the server's clock; waits are seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateStatus {
    /// No certificate was requested yet.
    None,
    /// The request is accepted and waits for its order, or for the CA.
    Queued {
        /// Number of orders before it.
        position: u64,
        /// Time at which it is expected to be done: an estimate.
        expected_at: u64,
        /// Time after which to ask again.
        poll_after: u64,
        /// Limit of the CA that delays it, and until when, for people; `None` when nothing does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_for: Option<String>,
    },
    /// There is a certificate.
    Issued {
        /// Chain in PEM, the device's own certificate first.
        chain: String,
        /// Time of its renewal; `None` right after it was issued.
        renew_at: Option<u64>,
        /// Whether it is due for renewal now.
        due: bool,
        /// Time after which to ask again.
        poll_after: u64,
    },
    /// The order failed.
    Failed {
        /// Reason.
        problem: Problem,
        /// Time at which the server tries again by itself; `None` when it waits for a new request.
        retry_at: Option<u64>,
        /// Time after which to ask again.
        poll_after: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_cannot_be_a_request_are_refused() {
        let kind = |octets: &[u8]| CsrBytes::new(octets.to_vec()).unwrap_err().kind();
        assert_eq!(kind(b""), ProtocolErrorKind::Malformed);
        assert_eq!(kind(&[0x30; CsrBytes::MAX_LEN + 1]), ProtocolErrorKind::TooLarge);
        assert_eq!(kind(b"-----BEGIN EC PRIVATE KEY-----"), ProtocolErrorKind::PrivateKeySent);
        assert!(CsrBytes::new(vec![0x30; CsrBytes::MAX_LEN]).is_ok());
    }

    #[test]
    fn status_has_its_form_on_the_wire() {
        let queued = |waits_for: Option<&str>| CertificateStatus::Queued {
            position: 3,
            expected_at: 1_800_000_000,
            poll_after: 60,
            waits_for: waits_for.map(str::to_owned),
        };
        for (status, json) in [
            (queued(None), r#"{"status":"queued","position":3,"expected_at":1800000000,"poll_after":60}"#),
            (
                queued(Some("a limit")),
                r#"{"status":"queued","position":3,"expected_at":1800000000,"poll_after":60,"waits_for":"a limit"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&status).unwrap(), json);
            assert_eq!(serde_json::from_str::<CertificateStatus>(json).unwrap(), status);
        }
    }
}
