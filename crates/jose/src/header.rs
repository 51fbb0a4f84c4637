//! The protected header (RFC 7515 section 4, RFC 8555 section 6.2).

use serde::{Deserialize, Serialize};

use crate::{Algorithm, JoseError, JoseErrorKind, Jwk, Signer};

/// What stands beside a payload and is signed with it. Unknown members are refused, `crit` and `b64` among them.
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
        let malformed = |error| JoseError::new(JoseErrorKind::Malformed, error);
        let members: MembersIn = serde_json::from_slice(json).map_err(malformed)?;
        let key = match (members.jwk, members.kid) {
            (Some(jwk), None) => KeyReference::Jwk(jwk),
            (None, Some(kid)) => KeyReference::Kid(kid),
            _ => return Err(JoseError::new(JoseErrorKind::Malformed, "a header has one of jwk and kid")),
        };
        Ok(Self { alg: members.alg, key, nonce: members.nonce, url: members.url, typ: members.typ })
    }
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersIn {
    alg: Algorithm,
    jwk: Option<Jwk>,
    kid: Option<String>,
    nonce: Option<String>,
    typ: Option<String>,
    url: Option<String>,
}
