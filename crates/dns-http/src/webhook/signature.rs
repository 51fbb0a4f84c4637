//! Signatures of requests, with a key that both sides share (HMAC-SHA-256, RFC 2104).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::{ExposeSecret, SecretString};

/// Header of the signature: `t=SECONDS,v1=HEX`.
pub const SIGNATURE_HEADER: &str = "fleetcert-signature";

/// Returns the text that is signed: method, path with query, seconds since 1970, and the SHA-256 of the body, each on a
/// line of its own.
fn message(method: &str, target: &str, seconds: u64, body: &[u8]) -> String {
    let body = HEXLOWER.encode(digest::digest(&digest::SHA256, body).as_ref());
    format!("fleetcert-webhook-v1\n{method}\n{target}\n{seconds}\n{body}")
}

/// Returns the header's value.
pub(super) fn sign(key: &SecretString, method: &str, target: &str, now: SystemTime, body: &[u8]) -> String {
    let seconds = seconds(now);
    let tag = hmac::sign(&hmac_key(key), message(method, target, seconds, body).as_bytes());
    format!("t={seconds},v1={}", HEXLOWER.encode(tag.as_ref()))
}

/// Checks the signature of requests, for a server in Rust.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use fleetcert_dns_http::webhook::{SignatureFault, SignatureVerifier};
///
/// let verifier = SignatureVerifier::new("key".into(), Duration::from_secs(300));
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let header = "t=1800000000,\
///     v1=9ebd3549a9f13f871e4e924bc71846971794603f138466e872f96206f0b9933c";
/// assert_eq!(verifier.verify("POST", "/apply", header, b"{}", now), Ok(()));
/// let fault = verifier.verify("POST", "/apply", header, b"[]", now).unwrap_err();
/// assert_eq!(fault, SignatureFault::WrongSignature);
/// ```
pub struct SignatureVerifier {
    /// Boxed, because it takes more than a kilobyte.
    key: Box<hmac::Key>,
    max_age: Duration,
}

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The header is missing or malformed.
    #[error("the signature is missing or malformed")]
    Malformed,
    /// It was signed too long ago, or in the future: a replay, or clocks that differ.
    #[error("the signature is from another time; are the clocks right?")]
    WrongTime,
    /// Another key, or another request.
    #[error("the signature does not fit")]
    WrongSignature,
}

impl SignatureVerifier {
    /// Returns a verifier for this key. `max_age` is the maximum age of a request, and how far in the future it may be signed;
    /// five minutes are usual.
    #[allow(clippy::needless_pass_by_value)] // the secret's owner is the verifier
    pub fn new(key: SecretString, max_age: Duration) -> Self {
        Self { key: Box::new(hmac_key(&key)), max_age }
    }

    /// Checks that the request was signed with the key, recently. `target` is the path with its query, as received.
    ///
    /// # Errors
    /// A [`SignatureFault`]; answer each with status 401.
    pub fn verify(
        &self,
        method: &str,
        target: &str,
        header: &str,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), SignatureFault> {
        let (time, tag) = header
            .strip_prefix("t=")
            .and_then(|rest| rest.split_once(",v1="))
            .ok_or(SignatureFault::Malformed)?;
        let signed: u64 = time.parse().map_err(|_| SignatureFault::Malformed)?;
        let tag = HEXLOWER_PERMISSIVE.decode(tag.as_bytes()).map_err(|_| SignatureFault::Malformed)?;
        if tag.len() != digest::SHA256_OUTPUT_LEN {
            return Err(SignatureFault::Malformed);
        }
        if seconds(now).abs_diff(signed) > self.max_age.as_secs() {
            return Err(SignatureFault::WrongTime);
        }
        // Takes the same time for every wrong tag.
        hmac::verify(&self.key, message(method, target, signed, body).as_bytes(), &tag)
            .map_err(|_| SignatureFault::WrongSignature)
    }
}

impl fmt::Debug for SignatureVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureVerifier")
    }
}

fn hmac_key(key: &SecretString) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"zone":"fleet.test","changes":[]}"#;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_signed_is_verified_and_nothing_else() {
        let (key, other): (SecretString, SecretString) = ("a key".into(), "b key".into());
        let header = sign(&key, "POST", "/hook/apply?a=b", at(1_800_000_000), BODY);
        // Made with `openssl dgst -sha256 -hmac 'a key'`.
        let tag = "348f69e518b34f0825a6910fc06a72b501150eea31af657a6504e2bbdac305fe";
        assert_eq!(header, format!("t=1800000000,v1={tag}"));
        let verifier = SignatureVerifier::new(key, Duration::from_secs(300));
        let verify = |method, target, body, now| verifier.verify(method, target, &header, body, at(now));
        assert_eq!(verify("POST", "/hook/apply?a=b", BODY, 1_800_000_300), Ok(()));
        assert_eq!(verify("POST", "/hook/apply?a=b", BODY, 1_799_999_700), Ok(()));
        for now in [1_800_000_301, 1_799_999_699, 0] {
            assert_eq!(verify("POST", "/hook/apply?a=b", BODY, now), Err(SignatureFault::WrongTime));
        }
        for (method, target, body) in [
            ("GET", "/hook/apply?a=b", BODY),
            ("POST", "/hook/read?a=b", BODY),
            ("POST", "/hook/apply?a=b", b"{}"),
        ] {
            assert_eq!(verify(method, target, body, 1_800_000_000), Err(SignatureFault::WrongSignature));
        }
        let stranger = SignatureVerifier::new(other, Duration::from_secs(300));
        let answer = stranger.verify("POST", "/hook/apply?a=b", &header, BODY, at(1_800_000_000));
        assert_eq!(answer, Err(SignatureFault::WrongSignature));
        let moved = header.replace("t=1800000000", "t=1800000001");
        let answer = verifier.verify("POST", "/hook/apply?a=b", &moved, BODY, at(1_800_000_001));
        assert_eq!(answer, Err(SignatureFault::WrongSignature));
        assert!(!format!("{verifier:?}").contains("key"));
    }

    #[test]
    fn what_is_no_signature() {
        let verifier = SignatureVerifier::new("a key".into(), Duration::from_secs(300));
        for header in [
            "",
            "t=1,v1=",
            "t=1,v1=zz",
            "v1=00,t=1",
            "t=-1,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1,v1=é",
        ] {
            assert_eq!(
                verifier.verify("GET", "/", header, b"", at(1)),
                Err(SignatureFault::Malformed),
                "{header}"
            );
        }
    }
}
