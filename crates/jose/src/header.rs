//! The protected header (RFC 7515 section 4, RFC 8555 section 6.2).

use serde::Serialize;

use crate::members::Members;
use crate::{Algorithm, JoseError, JoseErrorKind, Jwk, Signer, base64url};

/// What stands beside a payload and is signed with it.
///
/// One that was parsed is bounded: 8 KiB in all, `kid` and `url` 2,048 octets, `nonce` 256 (base64url, RFC 8555
/// section 6.5.2), `typ` 64, none of them empty or with control characters. Unknown members are refused, `crit` and
/// `b64` among them, and a `jwk` that is none for `alg`.
///
/// ```
/// use fleetcert_jose::{Algorithm, KeyPair, KeyReference, ProtectedHeader};
///
/// let key = KeyPair::generate(Algorithm::EdDsa)?;
/// let account = KeyReference::Kid("https://ca.test/account/7".to_owned());
/// let header = ProtectedHeader::new(&key, account).nonce("dGFLZV8x").url("https://ca.test/new-order");
/// assert_eq!(header.alg, Algorithm::EdDsa);
/// # Ok::<(), fleetcert_jose::JoseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// The algorithm.
    pub alg: Algorithm,
    /// Whose key signed: the key itself, or what it is known by.
    pub key: KeyReference,
    /// The server's nonce.
    pub nonce: Option<String>,
    /// The URL that the request is meant for.
    pub url: Option<String>,
    /// The kind of message.
    pub typ: Option<String>,
}

/// Exactly one of `jwk` and `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReference {
    /// The public key itself.
    Jwk(Jwk),
    /// The name by which the verifier knows it.
    Kid(String),
}

impl ProtectedHeader {
    /// The header of what `signer` signs, with no nonce, URL or type yet.
    pub fn new(signer: &dyn Signer, key: KeyReference) -> Self {
        Self { alg: signer.algorithm(), key, nonce: None, url: None, typ: None }
    }

    /// The same with a nonce.
    #[must_use]
    pub fn nonce(self, nonce: impl Into<String>) -> Self {
        Self { nonce: Some(nonce.into()), ..self }
    }

    /// The same with a URL.
    #[must_use]
    pub fn url(self, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..self }
    }

    /// The same with a type.
    #[must_use]
    pub fn typ(self, typ: impl Into<String>) -> Self {
        Self { typ: Some(typ.into()), ..self }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let (jwk, kid) = match &self.key {
            KeyReference::Jwk(jwk) => (Some(jwk), None),
            KeyReference::Kid(kid) => (None, Some(kid)),
        };
        let members =
            MembersOut { alg: self.alg, jwk, kid, nonce: &self.nonce, typ: &self.typ, url: &self.url };
        serde_json::to_vec(&members).expect("a header has string keys and no failing serialisation")
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, JoseError> {
        if json.len() > MAX_HEADER {
            return Err(JoseError::new(JoseErrorKind::TooLarge, "a header has at most 8 KiB"));
        }
        let mut members = Members::parse(json)?;
        // The key comes first: whoever shows a private one must be told that, whatever else is wrong.
        let jwk = members.object("jwk")?.map(Jwk::try_from).transpose()?;
        let key = match (jwk, line(&mut members, "kid", MAX_KID)?) {
            (Some(jwk), None) => KeyReference::Jwk(jwk),
            (None, Some(kid)) => KeyReference::Kid(kid),
            _ => return Err(JoseError::malformed("a header has one of jwk and kid")),
        };
        let alg = Algorithm::try_from(members.required_text("alg")?)?;
        let nonce = line(&mut members, "nonce", MAX_NONCE)?;
        if let Some(nonce) = &nonce {
            base64url::decode(nonce)?;
        }
        let url = line(&mut members, "url", MAX_URL)?;
        let typ = line(&mut members, "typ", MAX_TYP)?;
        members.finish()?;
        let header = Self { alg, key, nonce, url, typ };
        header.require_algorithm_of_key()?;
        Ok(header)
    }

    /// A key that the header shows must be one for the header's algorithm; no key that can be shown is one for
    /// HS256.
    pub(crate) fn require_algorithm_of_key(&self) -> Result<(), JoseError> {
        match &self.key {
            KeyReference::Jwk(jwk) if jwk.algorithm() != self.alg => {
                Err(JoseError::new(JoseErrorKind::Unsupported, "the header's alg is not that of its jwk"))
            }
            KeyReference::Jwk(_) | KeyReference::Kid(_) => Ok(()),
        }
    }

    /// Whose signature this header stands over: `key`'s, by its algorithm and, if the header shows a key, by that.
    pub(crate) fn require_key(&self, key: &Jwk) -> Result<(), JoseError> {
        self.require_algorithm(key.algorithm())?;
        match &self.key {
            KeyReference::Jwk(shown) if shown != key => {
                Err(JoseError::new(JoseErrorKind::BadKey, "the header shows another key"))
            }
            KeyReference::Jwk(_) | KeyReference::Kid(_) => Ok(()),
        }
    }

    pub(crate) fn require_algorithm(&self, algorithm: Algorithm) -> Result<(), JoseError> {
        if self.alg == algorithm {
            Ok(())
        } else {
            Err(JoseError::new(
                JoseErrorKind::Unsupported,
                "the header names another algorithm than the key's",
            ))
        }
    }
}

/// The most octets of a header. The key of RSA with 4096 bits takes 720 of them.
const MAX_HEADER: usize = 8 * 1024;
const MAX_KID: usize = 2048;
const MAX_NONCE: usize = 256;
const MAX_URL: usize = 2048;
const MAX_TYP: usize = 64;

/// Takes out a text that is looked up and logged: not empty, bounded, without control characters.
fn line(members: &mut Members, name: &str, limit: usize) -> Result<Option<String>, JoseError> {
    let Some(text) = members.text(name)? else { return Ok(None) };
    if text.len() > limit {
        let why = format!("the member {name} has at most {limit} octets");
        return Err(JoseError::new(JoseErrorKind::TooLarge, why));
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(JoseError::malformed(format!("the member {name} is empty or has control characters")));
    }
    Ok(Some(text))
}

#[derive(Serialize)]
struct MembersOut<'a> {
    alg: Algorithm,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwk: Option<&'a Jwk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: &'a Option<String>,
}

#[cfg(test)]
mod tests;
