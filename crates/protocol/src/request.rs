//! Signing requests, and opening them.

use fleetcert_jose::{
    FlattenedJws, JoseErrorKind, Jwk, KeyReference, MAX_JWS, ProtectedHeader, Signer, UnverifiedJws,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{DeviceId, EnrolRequest, ProtocolError, ProtocolErrorKind};

/// The most octets of a request: 64 KiB.
pub const MAX_BODY: usize = MAX_JWS;
/// The content type of a request.
pub const CONTENT_TYPE: &str = "application/jose+json";
/// The content type of a refusal (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// The header with the nonce for the next request (RFC 8555 section 6.5).
pub const REPLAY_NONCE: &str = "replay-nonce";
/// The type in the protected header, so that no message of another protocol is taken for one of this.
const TYPE: &str = "fleetcert+jws";

/// Signs `payload` for `url`; the octets are the body to send.
///
/// # Errors
/// [`Signing`](ProtocolErrorKind::Signing) when the key fails, [`TooLarge`](ProtocolErrorKind::TooLarge).
pub fn sign(
    url: &str,
    nonce: &str,
    who: &KeyReference,
    payload: &impl Serialize,
    signer: &dyn Signer,
) -> Result<Vec<u8>, ProtocolError> {
    let payload = serde_json::to_vec(payload).map_err(ProtocolError::malformed)?;
    let header = ProtectedHeader::new(signer, who.clone()).nonce(nonce).url(url).typ(TYPE);
    let signing = |error| ProtocolError::new(ProtocolErrorKind::Signing, error);
    let body = FlattenedJws::sign(&header, &payload, signer).map_err(signing)?.to_json();
    if body.len() > MAX_BODY {
        return Err(ProtocolError::new(ProtocolErrorKind::TooLarge, "a request has at most 64 KiB"));
    }
    Ok(body)
}

/// A request that was parsed and not verified. Its payload comes out by opening it with the right key alone.
#[derive(Clone, Debug)]
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
    /// [`Malformed`](ProtocolErrorKind::Malformed), [`TooLarge`](ProtocolErrorKind::TooLarge), or
    /// [`PrivateKeySent`](ProtocolErrorKind::PrivateKeySent).
    pub fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        if contains(body, PRIVATE_KEY) {
            return Err(private_key_sent());
        }
        let jws = UnverifiedJws::parse(body).map_err(|error| match error.kind() {
            JoseErrorKind::TooLarge => ProtocolError::new(ProtocolErrorKind::TooLarge, error),
            _ => ProtocolError::malformed(error),
        })?;
        let header = jws.header();
        if header.typ.as_deref() != Some(TYPE) {
            return Err(ProtocolError::malformed(format!("the header's typ is {TYPE}")));
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
        if contains(&payload, PRIVATE_KEY) {
            return Err(private_key_sent());
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

/// Reads a payload that was opened.
///
/// # Errors
/// [`Malformed`](ProtocolErrorKind::Malformed).
pub fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(payload).map_err(ProtocolError::malformed)
}

/// No message has a place for a private key; who sends one has misunderstood, and must be told at once.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";

fn private_key_sent() -> ProtocolError {
    let why = "it must never leave its device: make a new one, and send a certificate request only";
    ProtocolError::new(ProtocolErrorKind::PrivateKeySent, why)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AddressReport;
    use fleetcert_jose::{Algorithm, KeyPair};
    use proptest::prelude::*;

    const URL: &str = "https://control.test/v1/addresses";

    fn key() -> KeyPair {
        KeyPair::generate(Algorithm::EdDsa).unwrap()
    }

    fn kid() -> KeyReference {
        KeyReference::Kid("AAAAAAAAAAAAAAAAAAAAAA".into())
    }

    fn kind<T>(result: Result<T, ProtocolError>) -> ProtocolErrorKind {
        result.map(|_| ()).unwrap_err().kind()
    }

    #[test]
    fn a_request_is_good_for_its_key_and_url_alone() {
        let key = key();
        let report = AddressReport::new(["10.0.0.1".parse().unwrap()]).unwrap();
        let body = sign(URL, "n", &kid(), &report, &key).unwrap();
        let parsed = SignedRequest::parse(&body).unwrap();
        let open = |key: &KeyPair, url| parsed.clone().open::<AddressReport>(key.jwk(), url);
        assert_eq!(open(&key, URL).unwrap(), report);
        assert_eq!(kind(open(&self::key(), URL)), ProtocolErrorKind::Unauthenticated);
        assert_eq!(kind(open(&key, "https://control.test/v1/enrol")), ProtocolErrorKind::Unauthenticated);
        assert_eq!(kind(parsed.clone().open_enrolment(URL)), ProtocolErrorKind::Malformed);
    }

    #[test]
    fn messages_of_other_protocols_are_refused() {
        let key = key();
        for header in [
            ProtectedHeader::new(&key, kid()).url(URL).nonce("n"),
            ProtectedHeader::new(&key, kid()).url(URL).typ(TYPE),
            ProtectedHeader::new(&key, kid()).url(URL).nonce("n").typ("JWT"),
            ProtectedHeader::new(&key, KeyReference::Kid("../x".into())).url(URL).nonce("n").typ(TYPE),
        ] {
            let body = FlattenedJws::sign(&header, b"{}", &key).unwrap().to_json();
            assert_eq!(kind(SignedRequest::parse(&body)), ProtocolErrorKind::Malformed, "{header:?}");
        }
    }

    #[test]
    fn a_private_key_is_refused_wherever_it_stands() {
        let key = key();
        let pem = serde_json::json!({ "csr": "-----BEGIN EC PRIVATE KEY-----" });
        let body = sign(URL, "n", &kid(), &pem, &key).unwrap();
        let opened = SignedRequest::parse(&body).unwrap().open_bytes(key.jwk(), URL);
        assert_eq!(kind(opened), ProtocolErrorKind::PrivateKeySent);
        let plain = SignedRequest::parse(b"-----BEGIN PRIVATE KEY-----");
        assert_eq!(kind(plain), ProtocolErrorKind::PrivateKeySent);
    }

    #[test]
    fn unknown_members_and_too_many_addresses_are_refused() {
        let key = key();
        for payload in [
            serde_json::json!({ "addresses": ["10.0.0.1"], "name": "other" }),
            serde_json::json!({ "addresses": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] }),
            serde_json::json!({ "addresses": ["10.0.0.1/8"] }),
            serde_json::json!({ "addresses": ["fe80::1%eth0"] }),
            serde_json::json!({ "addresses": ["010.0.0.1"] }),
        ] {
            let body = sign(URL, "n", &kid(), &payload, &key).unwrap();
            let opened = SignedRequest::parse(&body).unwrap().open::<AddressReport>(key.jwk(), URL);
            assert_eq!(kind(opened), ProtocolErrorKind::Malformed, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SignedRequest::parse(&octets);
        }
    }
}
