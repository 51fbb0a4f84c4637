//! Public keys as JSON (RFC 7517), and their thumbprints (RFC 7638).

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::members::Members;
use crate::public_key::PublicKey;
use crate::{Algorithm, JoseError, JoseErrorKind, base64url};

/// A public key: EC on P-256 or P-384, Ed25519, or RSA of 2,048 to 4,096 bits.
///
/// Parsing checks it: a point must be on its curve, a modulus must have an allowed size. Its JSON form holds the
/// members that the thumbprint needs and no others. Unknown members are ignored (RFC 7517 section 4), but a key with a
/// private member is rejected.
///
/// ```
/// use fleetcert_jose::{Algorithm, Jwk};
///
/// // RFC 8037 appendix A.2 and A.3.
/// let json = r#"{
///     "kty": "OKP",
///     "crv": "Ed25519",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
/// }"#;
/// let key: Jwk = serde_json::from_str(json)?;
/// assert_eq!(key.algorithm(), Algorithm::EdDsa);
/// let expected = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/// assert_eq!(key.thumbprint().as_str(), expected);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    key: PublicKey,
    json: String,
}

impl Jwk {
    pub(crate) fn new(key: PublicKey) -> Self {
        let json = canonical(&key);
        Self { key, json }
    }

    /// Returns the algorithm of this key's signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Returns the thumbprint: SHA-256 over the canonical JSON form (RFC 7638).
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(base64url::encode(digest::digest(&digest::SHA256, self.json.as_bytes()).as_ref()))
    }

    /// Returns the key as a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), to compare it with that of a
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

    fn try_from(mut members: Members) -> Result<Self, JoseError> {
        if PRIVATE_MEMBERS.iter().any(|name| members.has(name)) {
            return Err(JoseError::new(JoseErrorKind::PrivateKey, "the JWK contains a private member"));
        }
        let kty = members.required_text("kty")?;
        // RSA keys have no curve: the member has no meaning there.
        let curve = if kty == "RSA" { None } else { members.text("crv")? };
        let mut number = |name: &str| base64url::decode(&members.required_text(name)?);
        let key = match (kty.as_str(), curve.as_deref()) {
            ("EC", Some("P-256")) => PublicKey::p256(&number("x")?, &number("y")?)?,
            ("EC", Some("P-384")) => PublicKey::p384(&number("x")?, &number("y")?)?,
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&number("x")?)?,
            ("RSA", _) => PublicKey::rsa(&number("n")?, &number("e")?)?,
            ("EC" | "OKP", None) => return Err(JoseError::malformed("the member crv is missing")),
            _ => {
                return Err(JoseError::new(JoseErrorKind::Unsupported, "the kind of key is not supported"));
            }
        };
        // Optional members must not contradict the key.
        if let Some(alg) = members.text("alg")?
            && Algorithm::try_from(alg)? != key.algorithm()
        {
            return Err(JoseError::new(JoseErrorKind::Unsupported, "the key's alg does not fit its kty"));
        }
        if members.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(JoseError::new(JoseErrorKind::BadKey, "the key's use is not signatures"));
        }
        members.text("kid")?;
        Ok(Self::new(key))
    }
}

/// The private members of EC, OKP and RSA keys, and the one member of a symmetric key (RFC 7518 section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Returns the required members in alphabetical order without white space (RFC 7638 section 3.2).
fn canonical(key: &PublicKey) -> String {
    let b64 = base64url::encode;
    match key {
        PublicKey::P256(point) => ec("P-256", point),
        PublicKey::P384(point) => ec("P-384", point),
        PublicKey::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
        PublicKey::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n)),
    }
}

/// Returns the canonical form of an uncompressed point: the octet 4 and the two coordinates.
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

/// The thumbprint of a key: 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Returns the text.
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
mod tests;
