//! Signing.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::{MAX_JWS, mac_key};
use crate::members::Members;
use crate::{JoseError, JoseErrorKind, ProtectedHeader, Signer, base64url};

/// A signed message, ready to send. `Debug` shows the length of the payload instead of the payload.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Members")]
pub struct FlattenedJws {
    pub(super) protected: String,
    pub(super) payload: String,
    pub(super) signature: String,
}

impl FlattenedJws {
    /// Signs `payload` under `header`.
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] if the header's algorithm is not the signer's, [`JoseErrorKind::BadKey`] if the
    /// header contains another key, or the signer's own error.
    pub fn sign(header: &ProtectedHeader, payload: &[u8], signer: &dyn Signer) -> Result<Self, JoseError> {
        header.require_algorithm(signer.algorithm())?;
        header.require_key(signer.jwk())?;
        Self::with_signature(header, payload, |signed| signer.sign(signed))
    }

    /// Signs `payload` with a MAC key, for external account binding (RFC 8555 section 7.3.4).
    ///
    /// ```
    /// use fleetcert_jose::{
    ///     Algorithm, FlattenedJws, KeyReference, ProtectedHeader, UnverifiedJws,
    /// };
    ///
    /// let header = ProtectedHeader {
    ///     alg: Algorithm::Hs256,
    ///     key: KeyReference::Kid("key identifier of the CA".to_owned()),
    ///     nonce: None,
    ///     url: Some("https://ca.test/new-account".to_owned()),
    ///     typ: None,
    /// };
    /// let mac_key = [7; 32];
    /// let binding = FlattenedJws::sign_mac(&header, b"the account's jwk", &mac_key)?;
    /// assert!(UnverifiedJws::try_from(binding)?.verify_mac(&mac_key).is_ok());
    /// # Ok::<(), fleetcert_jose::JoseError>(())
    /// ```
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] if the header's algorithm is not HS256, HS384 or HS512, or the header contains a
    /// `jwk`; [`JoseErrorKind::BadKey`] if the key is shorter than the MAC (RFC 7518 section 3.2).
    pub fn sign_mac(header: &ProtectedHeader, payload: &[u8], mac_key: &[u8]) -> Result<Self, JoseError> {
        let key = self::mac_key(header.alg, mac_key)?;
        header.require_algorithm_of_key()?;
        Self::with_signature(header, payload, |signed| Ok(hmac::sign(&key, signed).as_ref().to_vec()))
    }

    pub(super) fn with_signature(
        header: &ProtectedHeader,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, JoseError>,
    ) -> Result<Self, JoseError> {
        let protected = base64url::encode(&header.to_json());
        let payload = base64url::encode(payload);
        let signature = base64url::encode(&sign(format!("{protected}.{payload}").as_bytes())?);
        Ok(Self { protected, payload, signature })
    }

    /// Returns the message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("three strings always serialise")
    }
}

impl TryFrom<Members> for FlattenedJws {
    type Error = JoseError;

    fn try_from(mut members: Members) -> Result<Self, JoseError> {
        let mut text = |name| members.required_text(name);
        let flattened =
            Self { protected: text("protected")?, payload: text("payload")?, signature: text("signature")? };
        members.finish()?;
        let Self { protected, payload, signature } = &flattened;
        if protected.len() + payload.len() + signature.len() > MAX_JWS {
            return Err(JoseError::new(JoseErrorKind::TooLarge, "the message is larger than 64 KiB"));
        }
        Ok(flattened)
    }
}

impl fmt::Debug for FlattenedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlattenedJws")
            .field("protected", &self.protected)
            // Four characters of base64url hold three octets.
            .field("payload_octets", &(self.payload.len() / 4 * 3 + self.payload.len() % 4 * 3 / 4))
            .finish_non_exhaustive()
    }
}
