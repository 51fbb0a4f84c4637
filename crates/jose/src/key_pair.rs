//! Private keys and the trait of everything that signs.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use zeroize::Zeroizing;

use crate::public_key::PublicKey;
use crate::{Algorithm, JoseError, JoseErrorKind, Jwk};

/// Anything that signs: a key in memory, in a TPM, or in another process.
pub trait Signer: Send + Sync + fmt::Debug {
    /// Returns the algorithm of the signatures.
    fn algorithm(&self) -> Algorithm;

    /// Returns the public key that verifies the signatures.
    fn jwk(&self) -> &Jwk;

    /// Signs `message`. Returns the signature in the form of RFC 7518: for ECDSA, the two numbers at full length.
    ///
    /// # Errors
    /// [`JoseErrorKind::BadKey`] if the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError>;
}

/// A private key in memory: P-256, P-384 or Ed25519. `Debug` shows the thumbprint of its public key.
///
/// ```
/// use fleetcert_jose::{Algorithm, KeyPair, Signer};
///
/// let key = KeyPair::generate(Algorithm::Es256)?;
/// let stored = key.to_pkcs8_der()?;
/// assert_eq!(KeyPair::from_pkcs8_der(&stored)?.jwk(), key.jwk());
/// # Ok::<(), fleetcert_jose::JoseError>(())
/// ```
pub struct KeyPair {
    private: PrivateKey,
    jwk: Jwk,
}

enum PrivateKey {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    /// Generates a key with the randomness of the crypto provider.
    ///
    /// # Errors
    /// [`JoseErrorKind::Unsupported`] for RSA and HMAC, [`JoseErrorKind::BadKey`] if the provider fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, JoseError> {
        let private = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(PrivateKey::Ecdsa)
            }
            Algorithm::Es384 => {
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(PrivateKey::Ecdsa)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(PrivateKey::Ed25519),
            Algorithm::Rs256 | Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                return Err(JoseError::new(
                    JoseErrorKind::Unsupported,
                    "only keys for ES256, ES384 and EdDSA can be generated",
                ));
            }
        };
        Self::new(private.map_err(|error| JoseError::new(JoseErrorKind::BadKey, error))?)
    }

    /// Parses a PKCS#8 document (RFC 5958).
    ///
    /// # Errors
    /// [`JoseErrorKind::BadKey`] if the document is damaged or holds another kind of key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, JoseError> {
        let ecdsa = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der).map(PrivateKey::Ecdsa);
        let private = Ed25519KeyPair::from_pkcs8(der)
            .map(PrivateKey::Ed25519)
            .or_else(|_| ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING))
            .or_else(|_| ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING));
        Self::new(private.map_err(|error| JoseError::new(JoseErrorKind::BadKey, error))?)
    }

    /// Returns the key as a PKCS#8 document, which is wiped from memory when dropped.
    ///
    /// # Errors
    /// [`JoseErrorKind::BadKey`] if the provider fails.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let failed = |error| JoseError::new(JoseErrorKind::BadKey, error);
        let document = match &self.private {
            PrivateKey::Ecdsa(key) => key.to_pkcs8v1().map_err(failed)?,
            PrivateKey::Ed25519(key) => key.to_pkcs8v1().map_err(failed)?,
        };
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    fn new(private: PrivateKey) -> Result<Self, JoseError> {
        let public = match &private {
            PrivateKey::Ecdsa(key) => {
                let (x, y) =
                    key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
                if x.len() == 32 { PublicKey::p256(x, y)? } else { PublicKey::p384(x, y)? }
            }
            PrivateKey::Ed25519(key) => PublicKey::ed25519(key.public_key().as_ref())?,
        };
        Ok(Self { private, jwk: Jwk::new(public) })
    }
}

impl Signer for KeyPair {
    fn algorithm(&self) -> Algorithm {
        self.jwk.algorithm()
    }

    fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        match &self.private {
            PrivateKey::Ecdsa(key) => {
                let signature = key.sign(&SystemRandom::new(), message);
                let signature = signature.map_err(|error| JoseError::new(JoseErrorKind::BadKey, error))?;
                Ok(signature.as_ref().to_vec())
            }
            PrivateKey::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.jwk.thumbprint())
    }
}
