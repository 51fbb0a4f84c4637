//! The supported algorithms of RFC 7518 and RFC 8037.

use serde::{Deserialize, Serialize, Serializer};

use crate::{JoseError, JoseErrorKind};

/// A signature algorithm by its JWA name. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// RSA PKCS#1 v1.5 with SHA-256; verified only.
    Rs256,
    /// HMAC with SHA-256, for external account binding (RFC 8555 section 7.3.4).
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }
}

impl TryFrom<String> for Algorithm {
    type Error = JoseError;

    fn try_from(name: String) -> Result<Self, JoseError> {
        let all = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Hs256, Self::Hs384, Self::Hs512];
        all.into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| JoseError::new(JoseErrorKind::Unsupported, "the algorithm is not supported"))
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}
