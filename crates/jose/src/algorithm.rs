//! The algorithms of RFC 7518 and RFC 8037 that are spoken here.

use serde::{Deserialize, Serialize};

/// A signature algorithm by its JWA name. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA PKCS#1 v1.5 with SHA-256; verified only.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256, for external account binding (RFC 8555 section 7.3.4).
    #[serde(rename = "HS256")]
    Hs256,
}
