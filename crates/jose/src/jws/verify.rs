//! Parsing and verification.

use std::fmt;

use aws_lc_rs::hmac;

use super::{FlattenedJws, MAX_JWS, mac_key};
use crate::members::Members;
use crate::{JoseError, JoseErrorKind, Jwk, ProtectedHeader, base64url};

/// A parsed message that is not verified yet: its header may be read to find the key. `Debug` shows the length of the
/// payload instead of the payload.
#[derive(Clone)]
pub struct UnverifiedJws {
    header: ProtectedHeader,
    payload: Vec<u8>,
    /// Signing input: `protected.payload`.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// A message whose signature was verified; only [`UnverifiedJws`] makes one. `Debug` shows the length of the payload
/// instead of the payload.
#[derive(Clone)]
pub struct VerifiedJws {
    header: ProtectedHeader,
    payload: Vec<u8>,
}

impl UnverifiedJws {
    /// Parses a message from an untrusted source. Accepts at most [`MAX_JWS`] octets.
    ///
    /// ```
    /// use fleetcert_jose::{JoseErrorKind, UnverifiedJws};
    ///
    /// // {"alg":"none","kid":"1"}
    /// let unsigned = br#"{
    ///     "protected": "eyJhbGciOiJub25lIiwia2lkIjoiMSJ9",
    ///     "payload": "",
    ///     "signature": ""
    /// }"#;
    /// let error = UnverifiedJws::parse(unsigned).unwrap_err();
    /// assert_eq!(error.kind(), JoseErrorKind::Unsupported);
    /// ```
    ///
    /// # Errors
    /// [`JoseErrorKind::TooLarge`] over a limit; [`JoseErrorKind::Malformed`]; [`JoseErrorKind::Unsupported`] for an
    /// algorithm or a kind of key that is not supported, or two that do not fit together; [`JoseErrorKind::BadKey`]
    /// and [`JoseErrorKind::PrivateKey`] for the header's `jwk`.
    pub fn parse(json: &[u8]) -> Result<Self, JoseError> {
        if json.len() > MAX_JWS {
            return Err(JoseError::new(JoseErrorKind::TooLarge, "the message is larger than 64 KiB"));
        }
        FlattenedJws::try_from(Members::parse(json)?)?.try_into()
    }

    /// Returns the unverified header. Use it only to find the key.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// Returns the unverified payload. Use it only to reject what must never be sent, such as a private key.
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies the message with `key`.
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] if the header's algorithm is not the key's, [`JoseErrorKind::BadKey`] if the
    /// header contains another key, [`JoseErrorKind::BadSignature`].
    pub fn verify(self, key: &Jwk) -> Result<VerifiedJws, JoseError> {
        self.header.require_key(key)?;
        key.verify(&self.signed, &self.signature)?;
        Ok(VerifiedJws { header: self.header, payload: self.payload })
    }

    /// Verifies a message that was signed with a MAC key (RFC 8555 section 7.3.4), in constant time.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify); `BadKey` if the key is shorter than the MAC (RFC 7518 section 3.2).
    pub fn verify_mac(self, mac_key: &[u8]) -> Result<VerifiedJws, JoseError> {
        let key = self::mac_key(self.header.alg, mac_key)?;
        let bad = |_| JoseError::new(JoseErrorKind::BadSignature, "the MAC does not verify with this key");
        hmac::verify(&key, &self.signed, &self.signature).map_err(bad)?;
        Ok(VerifiedJws { header: self.header, payload: self.payload })
    }
}

impl TryFrom<FlattenedJws> for UnverifiedJws {
    type Error = JoseError;

    fn try_from(flattened: FlattenedJws) -> Result<Self, JoseError> {
        let FlattenedJws { protected, payload, signature } = flattened;
        let signature = base64url::decode(&signature)?;
        let header = ProtectedHeader::parse(&base64url::decode(&protected)?)?;
        let signed = format!("{protected}.{payload}").into_bytes();
        Ok(Self { header, payload: base64url::decode(&payload)?, signed, signature })
    }
}

impl VerifiedJws {
    /// Returns the header.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// Returns the payload; empty for POST-as-GET (RFC 8555 section 6.3).
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the header and the payload.
    pub fn into_parts(self) -> (ProtectedHeader, Vec<u8>) {
        (self.header, self.payload)
    }
}

impl fmt::Debug for UnverifiedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "UnverifiedJws", &self.header, &self.payload)
    }
}

impl fmt::Debug for VerifiedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "VerifiedJws", &self.header, &self.payload)
    }
}

/// Formats a message without its payload, which may hold a secret, such as an enrolment token.
fn debug(f: &mut fmt::Formatter<'_>, name: &str, header: &ProtectedHeader, payload: &[u8]) -> fmt::Result {
    f.debug_struct(name)
        .field("header", header)
        .field("payload_octets", &payload.len())
        .finish_non_exhaustive()
}
