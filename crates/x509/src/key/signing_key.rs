//! The trait of keys outside this process.

use std::fmt::Debug;

use crate::{SignatureAlgorithm, X509Error};

/// Anything that signs: a [`KeyPair`](crate::KeyPair) in memory, a TPM, an HSM, a remote signer.
///
/// [`csr_for`](crate::csr_for) makes a CSR with it. Implement the three methods; their results are checked against
/// each other when a CSR is made. `sign` may block; call it where that is allowed.
///
/// ```
/// use fleetcert_x509::{
///     KeyKind, KeyPair, SignatureAlgorithm, SigningKey, X509Error,
/// };
///
/// #[derive(Debug)]
/// struct Token(KeyPair); // in place of a handle to a device
///
/// impl SigningKey for Token {
///     fn spki_der(&self) -> &[u8] {
///         self.0.spki_der()
///     }
///     fn signature_algorithm(&self) -> SignatureAlgorithm {
///         SignatureAlgorithm::EcdsaSha256
///     }
///     fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
///         self.0.sign(message).map_err(X509Error::signing)
///     }
/// }
///
/// let token = Token(KeyPair::generate(KeyKind::P256)?);
/// assert!(fleetcert_x509::csr_for(&"xi8qz.fleet.test".parse()?, &token).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SigningKey: Send + Sync + Debug {
    /// Returns the public key: a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    fn spki_der(&self) -> &[u8];

    /// Returns the algorithm of the signatures that [`sign`](Self::sign) makes.
    fn signature_algorithm(&self) -> SignatureAlgorithm;

    /// Signs `message`. Returns the signature in the form of X.509: for ECDSA the DER of r and s (RFC 3279 section
    /// 2.2.3), for RSA the PKCS #1 v1.5 octets.
    ///
    /// # Errors
    /// [`X509ErrorKind::Signing`](crate::X509ErrorKind::Signing) if the key is unavailable.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error>;
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn SigningKey> = None;
