//! The flattened JWS (RFC 7515 section 7.2.2).

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::{Algorithm, JoseError, JoseErrorKind, Jwk, ProtectedHeader, Signer, base64url};

/// The most octets of a message that is parsed: 64 KiB.
pub const MAX_JWS: usize = 64 * 1024;

/// A signed message, ready to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlattenedJws {
    protected: String,
    payload: String,
    signature: String,
}

/// A message that was parsed and not verified: its header may be read to find the key, its payload not.
#[derive(Clone, Debug)]
pub struct UnverifiedJws {
    header: ProtectedHeader,
    payload: Vec<u8>,
    /// What the signature is over: `protected.payload`.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// A message whose signature is good. Only verification makes one.
#[derive(Clone, Debug)]
pub struct VerifiedJws {
    header: ProtectedHeader,
    payload: Vec<u8>,
}

impl FlattenedJws {
    /// Signs `payload` under `header`.
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] when the header names another algorithm than the signer's, or the signer's
    /// own error.
    pub fn sign(header: &ProtectedHeader, payload: &[u8], signer: &dyn Signer) -> Result<Self, JoseError> {
        require_algorithm(header, signer.algorithm())?;
        Self::with_signature(header, payload, |signed| signer.sign(signed))
    }

    /// Signs `payload` with a MAC key, for external account binding (RFC 8555 section 7.3.4).
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] when the header names another algorithm than HS256.
    pub fn sign_hs256(header: &ProtectedHeader, payload: &[u8], mac_key: &[u8]) -> Result<Self, JoseError> {
        require_algorithm(header, Algorithm::Hs256)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, mac_key);
        Self::with_signature(header, payload, |signed| Ok(hmac::sign(&key, signed).as_ref().to_vec()))
    }

    fn with_signature(
        header: &ProtectedHeader,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, JoseError>,
    ) -> Result<Self, JoseError> {
        let protected = base64url::encode(&header.to_json());
        let payload = base64url::encode(payload);
        let signature = base64url::encode(&sign(format!("{protected}.{payload}").as_bytes())?);
        Ok(Self { protected, payload, signature })
    }

    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("three strings always serialise")
    }
}

impl UnverifiedJws {
    /// Reads a message. The octets are hostile; nothing in them panics or grows beyond [`MAX_JWS`].
    ///
    /// # Errors
    /// [`JoseErrorKind::TooLarge`], [`JoseErrorKind::Malformed`], or [`JoseErrorKind::Unsupported`].
    pub fn parse(json: &[u8]) -> Result<Self, JoseError> {
        if json.len() > MAX_JWS {
            return Err(JoseError::new(JoseErrorKind::TooLarge, "a message has at most 64 KiB"));
        }
        let malformed = |error| JoseError::new(JoseErrorKind::Malformed, error);
        let flattened: FlattenedJws = serde_json::from_slice(json).map_err(malformed)?;
        Self::try_from(flattened)
    }

    /// The header, not verified: for finding the key and nothing else.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// Verifies the message with `key`.
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] when the header names another algorithm than the key's,
    /// [`JoseErrorKind::BadSignature`].
    pub fn verify(self, key: &Jwk) -> Result<VerifiedJws, JoseError> {
        require_algorithm(&self.header, key.algorithm())?;
        key.verify(&self.signed, &self.signature)?;
        Ok(VerifiedJws { header: self.header, payload: self.payload })
    }

    /// Verifies a message that was signed with a MAC key (RFC 8555 section 7.3.4), in constant time.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub fn verify_hs256(self, mac_key: &[u8]) -> Result<VerifiedJws, JoseError> {
        require_algorithm(&self.header, Algorithm::Hs256)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, mac_key);
        let bad = |_| JoseError::new(JoseErrorKind::BadSignature, "the MAC is not of this key");
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
    /// The header.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// The payload; empty for POST-as-GET (RFC 8555 section 6.3).
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The header and the payload.
    pub fn into_parts(self) -> (ProtectedHeader, Vec<u8>) {
        (self.header, self.payload)
    }
}

fn require_algorithm(header: &ProtectedHeader, algorithm: Algorithm) -> Result<(), JoseError> {
    if header.alg == algorithm {
        Ok(())
    } else {
        Err(JoseError::new(JoseErrorKind::Unsupported, "the header names another algorithm than the key's"))
    }
}

#[cfg(test)]
mod tests;
