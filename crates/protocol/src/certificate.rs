//! Certificate requests and how they stand.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Problem, ProtocolError, ProtocolErrorKind};

/// A wish for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// The request in PKCS#10.
    pub csr: CsrBytes,
}

/// The DER of a certificate request (RFC 2986), base64url in JSON. Its size is bounded; its content is for the
/// gate to judge.
#[derive(Clone, PartialEq, Eq)]
pub struct CsrBytes(Vec<u8>);

impl CsrBytes {
    /// The most octets: 16 KiB.
    pub const MAX_LEN: usize = 16 * 1024;

    /// The request of these octets.
    ///
    /// # Errors
    /// [`TooLarge`](ProtocolErrorKind::TooLarge) above [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(der: Vec<u8>) -> Result<Self, ProtocolError> {
        if der.len() > Self::MAX_LEN {
            return Err(ProtocolError::new(
                ProtocolErrorKind::TooLarge,
                "a certificate request has at most 16 KiB",
            ));
        }
        Ok(Self(der))
    }

    /// The octets.
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

/// A question how the certificate stands. It says nothing: who asks is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {}

/// How the certificate of a device stands. Times are seconds since 1970 by the server's clock, waits are seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateStatus {
    /// Nothing was asked for yet.
    None,
    /// The request is accepted and waits for its order, or for the CA.
    Queued {
        /// How many are before it.
        position: u64,
        /// When it is expected to be done: an estimate.
        expected_at: u64,
        /// Ask again after so long.
        poll_after: u64,
    },
    /// There is a certificate.
    Issued {
        /// The chain, PEM, the device's own certificate first.
        chain: String,
        /// When it should be renewed; not known right after it was issued.
        renew_at: Option<u64>,
        /// Whether it should be renewed now.
        due: bool,
        /// Ask again after so long.
        poll_after: u64,
    },
    /// The order failed.
    Failed {
        /// Why.
        problem: Problem,
        /// When the server tries again by itself; `None` for when the device asks again.
        retry_at: Option<u64>,
        /// Ask again after so long.
        poll_after: u64,
    },
}
