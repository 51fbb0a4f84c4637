//! Public keys as JSON (RFC 7517), and their thumbprints (RFC 7638).

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::public_key::PublicKey;
use crate::{Algorithm, JoseError, JoseErrorKind, base64url};

/// A public key: EC on P-256 or P-384, Ed25519, or RSA of 2,048 to 4,096 bits.
///
/// It was checked when it was parsed: a point on its curve, a modulus of an allowed size. Its JSON form holds the
/// members that the thumbprint needs and no others.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    key: PublicKey,
    json: String,
}

/// The members that a key may have. Private ones (`d`, `p`, `k` …) are unknown and so refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// What some clients add. It says nothing that the key does not say.
    #[serde(rename = "alg")]
    _alg: Option<String>,
    #[serde(rename = "use")]
    _use: Option<String>,
    #[serde(rename = "kid")]
    _kid: Option<String>,
}

impl Jwk {
    pub(crate) fn new(key: PublicKey) -> Self {
        let json = canonical(&key);
        Self { key, json }
    }

    /// The algorithm that signatures of this key have.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The thumbprint: SHA-256 over the canonical JSON form (RFC 7638).
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(base64url::encode(digest::digest(&digest::SHA256, self.json.as_bytes()).as_ref()))
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), to compare it with that of a
    /// certificate request.
    pub fn spki_der(&self) -> Vec<u8> {
        self.key.spki_der()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        self.key.verify(message, signature)
    }
}

impl TryFrom<Members> for Jwk {
    type Error = JoseError;

    fn try_from(members: Members) -> Result<Self, JoseError> {
        let Members { kty, crv, x, y, n, e, .. } = members;
        let key = match (kty.as_str(), crv.as_deref(), x, y, n, e) {
            ("EC", Some("P-256"), Some(x), Some(y), None, None) => {
                PublicKey::p256(&decode(&x)?, &decode(&y)?)?
            }
            ("EC", Some("P-384"), Some(x), Some(y), None, None) => {
                PublicKey::p384(&decode(&x)?, &decode(&y)?)?
            }
            ("OKP", Some("Ed25519"), Some(x), None, None, None) => PublicKey::ed25519(&decode(&x)?)?,
            ("RSA", None, None, None, Some(n), Some(e)) => PublicKey::rsa(&decode(&n)?, &decode(&e)?)?,
            ("EC" | "OKP" | "RSA", ..) => {
                return Err(JoseError::new(
                    JoseErrorKind::Malformed,
                    "the members do not fit the kind of key",
                ));
            }
            _ => {
                return Err(JoseError::new(JoseErrorKind::Unsupported, "this kind of key is not spoken here"));
            }
        };
        Ok(Self::new(key))
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    base64url::decode(text)
}

/// The required members in the order of their names, without white space (RFC 7638 section 3.2).
fn canonical(key: &PublicKey) -> String {
    let b64 = base64url::encode;
    match key {
        PublicKey::P256(point) => ec("P-256", point),
        PublicKey::P384(point) => ec("P-384", point),
        PublicKey::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
        PublicKey::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n)),
    }
}

/// `point` is uncompressed: a 4 and the two coordinates.
fn ec(curve: &str, point: &[u8]) -> String {
    let (x, y) = point[1..].split_at((point.len() - 1) / 2);
    format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, base64url::encode(x), base64url::encode(y))
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwk({})", self.json)
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: serde_json::Value = serde_json::from_str(&self.json).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

/// The thumbprint of a key, base64url, 43 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 section 3.1.
    const RFC_7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    /// RFC 8037 appendix A.2 and A.3.
    const RFC_8037: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn the_thumbprints_of_the_rfcs() {
        let of = |json| serde_json::from_str::<Jwk>(json).unwrap().thumbprint();
        assert_eq!(of(RFC_7638).as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(of(RFC_8037).as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_comes_back_from_its_json() {
        for json in [RFC_7638, RFC_8037] {
            let key: Jwk = serde_json::from_str(json).unwrap();
            let again: Jwk = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();
            assert_eq!(again, key);
        }
    }

    #[test]
    fn the_spki_of_ed25519_is_that_of_rfc_8410() {
        let key: Jwk = serde_json::from_str(RFC_8037).unwrap();
        assert_eq!(key.spki_der()[..12], [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]);
    }

    #[test]
    fn what_is_refused() {
        for json in [
            r#"{}"#,
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"AA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}"#,
            r#"{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","y":"AA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            // The point (1, 1) is on none of the curves.
            r#"{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            r#"{"kty":"RSA","n":"0vx7","e":"AQAB"}"#,
            r#"{"kty":"RSA","n":"0vx7","e":"AQAB","p":"AA"}"#,
            r#"["EC"]"#,
        ] {
            assert!(serde_json::from_str::<Jwk>(json).is_err(), "{json}");
        }
        // RSA: an even modulus, a leading zero, an exponent of 3, 1024 bits.
        let rsa = |n: &[u8], e: &str| {
            let n = base64url::encode(n);
            serde_json::from_str::<Jwk>(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
        };
        assert!(rsa(&[0xff; 256], "AQAB").is_ok());
        assert!(rsa(&[0xff; 256], "Aw").is_err());
        assert!(rsa(&[0xff; 128], "AQAB").is_err());
        assert!(rsa(&[0xff; 513], "AQAB").is_err());
        assert!(rsa(&[&[0], &[0xff; 256][..]].concat(), "AQAB").is_err());
        assert!(rsa(&[&[0xff; 255][..], &[0xfe]].concat(), "AQAB").is_err());
    }
}
