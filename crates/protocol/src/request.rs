//! Signing requests, and opening them.

use std::fmt;

use fleetcert_jose::{
    Algorithm, FlattenedJws, JoseError, JoseErrorKind, Jwk, KeyReference, MAX_JWS, ProtectedHeader, Signer,
    UnverifiedJws,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{DeviceId, EnrolRequest, ProtocolError, ProtocolErrorKind, private_key};

/// Maximum size of a request: 64 KiB.
pub const MAX_BODY: usize = MAX_JWS;
/// Content type of a signed request.
pub const CONTENT_TYPE: &str = "application/jose+json";
/// Content type of a request without an envelope, whose sender authenticates by mutual TLS: the payload alone.
pub const PLAIN_CONTENT_TYPE: &str = "application/json";
/// Content type of a refusal (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// Header with the nonce for the next request (RFC 8555 section 6.5).
pub const REPLAY_NONCE: &str = "replay-nonce";
/// The type in the protected header, so that no message of another protocol is taken for one of this.
const TYPE: &str = "fleetcert+jws";
/// What devices sign with: small keys and nothing that old ones need.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
const FOREIGN_ALGORITHM: &str = "requests are signed by ES256, ES384 or EdDSA";

/// Signs `payload` for `url`; the octets are the body to send.
///
/// ```
/// use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
/// use fleetcert_protocol::{EnrolRequest, EnrolmentToken, request::{self, SignedRequest}};
///
/// let key = KeyPair::generate(Algorithm::Es256)?;
/// # let token: EnrolmentToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse()?;
/// let url = "https://control.test/v1/enrol";
/// let sender = KeyReference::Jwk(key.jwk().clone());
/// let body = request::sign(url, "bm9uY2U", &sender, &EnrolRequest::new(token), &key)?;
/// let (arrived, device_key) = SignedRequest::parse(&body)?.open_enrolment(url)?;
/// assert_eq!((arrived.label, &device_key), (None, key.jwk()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Signing`](ProtocolErrorKind::Signing) when the key fails, is not `who`'s, or is for none of ES256, ES384 and
/// EdDSA; [`TooLarge`](ProtocolErrorKind::TooLarge).
pub fn sign(
    url: &str,
    nonce: &str,
    who: &KeyReference,
    payload: &impl Serialize,
    signer: &dyn Signer,
) -> Result<Vec<u8>, ProtocolError> {
    if !ALGORITHMS.contains(&signer.algorithm()) {
        return Err(ProtocolError::new(ProtocolErrorKind::Signing, FOREIGN_ALGORITHM));
    }
    let payload = serde_json::to_vec(payload).map_err(ProtocolError::malformed)?;
    let header = ProtectedHeader::new(signer, who.clone()).nonce(nonce).url(url).typ(TYPE);
    let signing = |error| ProtocolError::new(ProtocolErrorKind::Signing, error);
    let body = FlattenedJws::sign(&header, &payload, signer).map_err(signing)?.to_json();
    if body.len() > MAX_BODY {
        return Err(ProtocolError::new(ProtocolErrorKind::TooLarge, "a request has at most 64 KiB"));
    }
    Ok(body)
}

/// A request that was parsed and not verified. Its payload comes out by opening it with the right key alone, and is
/// not shown by `Debug`.
#[derive(Clone)]
pub struct SignedRequest {
    jws: UnverifiedJws,
    sender: Sender,
    nonce: String,
}

#[derive(Clone, Debug)]
enum Sender {
    /// A device that enrols, with the key that it brings.
    New(Jwk),
    /// An enrolled device.
    Device(DeviceId),
}

impl SignedRequest {
    /// Reads a body. The octets are hostile.
    ///
    /// # Errors
    /// [`Malformed`](ProtocolErrorKind::Malformed), [`TooLarge`](ProtocolErrorKind::TooLarge),
    /// [`Unsupported`](ProtocolErrorKind::Unsupported), or [`PrivateKeySent`](ProtocolErrorKind::PrivateKeySent),
    /// whoever signed.
    pub fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        private_key::refuse(body)?;
        let jws = UnverifiedJws::parse(body).map_err(unreadable)?;
        private_key::refuse(jws.payload_unverified())?;
        let header = jws.header();
        if header.typ.as_deref() != Some(TYPE) {
            return Err(ProtocolError::malformed(format!("the header's typ is {TYPE}")));
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(ProtocolError::new(ProtocolErrorKind::Unsupported, FOREIGN_ALGORITHM));
        }
        let nonce = header.nonce.clone().ok_or_else(|| ProtocolError::malformed("the header has a nonce"))?;
        let sender = match &header.key {
            KeyReference::Jwk(key) => Sender::New(key.clone()),
            KeyReference::Kid(id) => Sender::Device(id.parse()?),
        };
        Ok(Self { jws, sender, nonce })
    }

    /// The nonce, to be redeemed before anything else is done.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The enrolled device that it claims to come from; `None` for one that enrols.
    pub fn device(&self) -> Option<&DeviceId> {
        match &self.sender {
            Sender::Device(device) => Some(device),
            Sender::New(_) => None,
        }
    }

    /// The payload, if `key` signed it for `url`.
    ///
    /// # Errors
    /// [`Unauthenticated`](ProtocolErrorKind::Unauthenticated), also for a good signature for another URL;
    /// [`Malformed`](ProtocolErrorKind::Malformed) when the payload is not a `T`.
    pub fn open<T: DeserializeOwned>(self, key: &Jwk, url: &str) -> Result<T, ProtocolError> {
        read(&self.open_bytes(key, url)?)
    }

    /// The payload as it was sent, if `key` signed it for `url`. [`read`] reads it.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_bytes(self, key: &Jwk, url: &str) -> Result<Vec<u8>, ProtocolError> {
        let foreign = |error| ProtocolError::new(ProtocolErrorKind::Unauthenticated, error);
        let (header, payload) = self.jws.verify(key).map_err(foreign)?.into_parts();
        if header.url.as_deref() != Some(url) {
            let why = "it was signed for another URL";
            return Err(ProtocolError::new(ProtocolErrorKind::Unauthenticated, why));
        }
        Ok(payload)
    }

    /// The enrolment, and the key whose possession it proves, if it was signed for `url`.
    ///
    /// # Errors
    /// As for [`open`](Self::open); `Malformed` when the sender is enrolled already.
    pub fn open_enrolment(self, url: &str) -> Result<(EnrolRequest, Jwk), ProtocolError> {
        let Sender::New(key) = self.sender.clone() else {
            return Err(ProtocolError::malformed("an enrolment brings its key as jwk"));
        };
        Ok((self.open(&key, url)?, key))
    }
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("sender", &self.sender)
            .field("url", &self.jws.header().url)
            .field("payload_octets", &self.jws.payload_unverified().len())
            .finish_non_exhaustive()
    }
}

fn unreadable(error: JoseError) -> ProtocolError {
    let kind = match error.kind() {
        JoseErrorKind::PrivateKey => return private_key::sent("it stands in the header"),
        JoseErrorKind::TooLarge => ProtocolErrorKind::TooLarge,
        JoseErrorKind::Unsupported => ProtocolErrorKind::Unsupported,
        _ => ProtocolErrorKind::Malformed,
    };
    ProtocolError::new(kind, error)
}

/// Refuses a body that holds a private key in PEM. [`SignedRequest::parse`] does so by itself; call it for a body
/// without an envelope, before anything else looks at it.
///
/// # Errors
/// [`PrivateKeySent`](ProtocolErrorKind::PrivateKeySent).
pub fn refuse_private_key(body: &[u8]) -> Result<(), ProtocolError> {
    private_key::refuse(body)
}

/// Reads a payload that was opened.
///
/// # Errors
/// [`Malformed`](ProtocolErrorKind::Malformed).
pub fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(payload).map_err(ProtocolError::malformed)
}

#[cfg(test)]
mod tests;
