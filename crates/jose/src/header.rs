//! The protected header (RFC 7515 section 4, RFC 8555 section 6.2).

use serde::Serialize;

use crate::members::Members;
use crate::{Algorithm, JoseError, JoseErrorKind, Jwk, Signer, base64url};

/// The protected header, which is signed together with the payload.
///
/// A parsed header is bounded: 8 KiB in all, `kid` and `url` 2,048 octets, `nonce` 256 (base64url, RFC 8555 section
/// 6.5.2), `typ` 64. None of them is empty or contains control characters. Unknown parameters are ignored (RFC 7515
/// section 4). Parsing rejects `crit`, as no extension is supported; `b64` and `zip`, which change the payload; `jku`,
/// `x5u`, `x5c`, `x5t` and `x5t#S256`, which name a second key; and a `jwk` that does not fit `alg`.
///
/// ```
/// use fleetcert_jose::{Algorithm, KeyPair, KeyReference, ProtectedHeader};
///
/// let key = KeyPair::generate(Algorithm::EdDsa)?;
/// let account = KeyReference::Kid("https://ca.test/account/7".to_owned());
/// let url = "https://ca.test/new-order";
/// let header = ProtectedHeader::new(&key, account).nonce("dGFLZV8x").url(url);
/// assert_eq!(header.alg, Algorithm::EdDsa);
/// # Ok::<(), fleetcert_jose::JoseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// Algorithm of the signature.
    pub alg: Algorithm,
    /// Key that signed, or its identifier.
    pub key: KeyReference,
    /// Nonce issued by the server.
    pub nonce: Option<String>,
    /// URL of the request.
    pub url: Option<String>,
    /// Media type of the message.
    pub typ: Option<String>,
}

/// The key of a header: exactly one of `jwk` and `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReference {
    /// Public key itself.
    Jwk(Jwk),
    /// Identifier by which the verifier knows the key.
    Kid(String),
}

impl ProtectedHeader {
    /// Returns a header for messages of `signer`, without nonce, URL and type.
    pub fn new(signer: &dyn Signer, key: KeyReference) -> Self {
        Self { alg: signer.algorithm(), key, nonce: None, url: None, typ: None }
    }

    /// Sets the nonce.
    #[must_use]
    pub fn nonce(self, nonce: impl Into<String>) -> Self {
        Self { nonce: Some(nonce.into()), ..self }
    }

    /// Sets the URL.
    #[must_use]
    pub fn url(self, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..self }
    }

    /// Sets the type.
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
            HeaderMembers { alg: self.alg, jwk, kid, nonce: &self.nonce, typ: &self.typ, url: &self.url };
        serde_json::to_vec(&members).expect("a header has string keys and no failing serialisation")
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, JoseError> {
        if json.len() > MAX_HEADER {
            return Err(JoseError::new(JoseErrorKind::TooLarge, "the header is larger than 8 KiB"));
        }
        let mut members = Members::parse(json)?;
        // The key comes first: a private key is reported even if other parts are invalid too.
        let jwk = members.object("jwk")?.map(Jwk::try_from).transpose()?;
        let key = match (jwk, line(&mut members, "kid", MAX_KID)?) {
            (Some(jwk), None) => KeyReference::Jwk(jwk),
            (None, Some(kid)) => KeyReference::Kid(kid),
            _ => return Err(JoseError::malformed("the header must have exactly one of jwk and kid")),
        };
        let alg = Algorithm::try_from(members.required_text("alg")?)?;
        let nonce = line(&mut members, "nonce", MAX_NONCE)?;
        if let Some(nonce) = &nonce {
            base64url::decode(nonce)?;
        }
        let url = line(&mut members, "url", MAX_URL)?;
        let typ = line(&mut members, "typ", MAX_TYP)?;
        if let Some(name) = REJECTED_PARAMETERS.iter().find(|name| members.has(name)) {
            return Err(JoseError::malformed(format!("the header parameter {name} is not supported")));
        }
        let header = Self { alg, key, nonce, url, typ };
        header.require_algorithm_of_key()?;
        Ok(header)
    }

    /// Checks that a key in the header fits the header's algorithm. No such key fits HS256.
    pub(crate) fn require_algorithm_of_key(&self) -> Result<(), JoseError> {
        match &self.key {
            KeyReference::Jwk(jwk) if jwk.algorithm() != self.alg => {
                Err(JoseError::new(JoseErrorKind::Unsupported, "the header's alg does not fit its jwk"))
            }
            KeyReference::Jwk(_) | KeyReference::Kid(_) => Ok(()),
        }
    }

    /// Checks that the header's algorithm is that of `key`, and that a key in the header is `key`.
    pub(crate) fn require_key(&self, key: &Jwk) -> Result<(), JoseError> {
        self.require_algorithm(key.algorithm())?;
        match &self.key {
            KeyReference::Jwk(shown) if shown != key => {
                Err(JoseError::new(JoseErrorKind::BadKey, "the header contains another key"))
            }
            KeyReference::Jwk(_) | KeyReference::Kid(_) => Ok(()),
        }
    }

    pub(crate) fn require_algorithm(&self, algorithm: Algorithm) -> Result<(), JoseError> {
        if self.alg == algorithm {
            Ok(())
        } else {
            Err(JoseError::new(JoseErrorKind::Unsupported, "the header's algorithm is not that of the key"))
        }
    }
}

/// Parameters that ask for an extension, change the payload, or name a second key.
const REJECTED_PARAMETERS: [&str; 8] = ["crit", "b64", "zip", "jku", "x5u", "x5c", "x5t", "x5t#S256"];

/// Maximum octets of a header. An RSA key of 4096 bits takes 720 of them.
const MAX_HEADER: usize = 8 * 1024;
const MAX_KID: usize = 2048;
const MAX_NONCE: usize = 256;
const MAX_URL: usize = 2048;
const MAX_TYP: usize = 64;

/// Takes a member that is safe to look up and to log: not empty, bounded, without control characters.
fn line(members: &mut Members, name: &str, limit: usize) -> Result<Option<String>, JoseError> {
    let Some(text) = members.text(name)? else { return Ok(None) };
    if text.len() > limit {
        let why = format!("the member {name} is longer than {limit} octets");
        return Err(JoseError::new(JoseErrorKind::TooLarge, why));
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(JoseError::malformed(format!(
            "the member {name} is empty or contains control characters"
        )));
    }
    Ok(Some(text))
}

#[derive(Serialize)]
struct HeaderMembers<'a> {
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
