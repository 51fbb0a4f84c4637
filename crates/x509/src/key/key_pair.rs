//! A private key in memory.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::{KeyFault, PublicKey};
use crate::{KeyKind, SignatureAlgorithm, SigningKey, X509Error, X509ErrorKind, pem};

/// A key pair in memory, for TLS and for CSRs.
///
/// [`generate`](Self::generate) and ECDSA signatures use the random numbers of the crypto provider. `Debug` shows only
/// the kind; `to_pkcs8_der` and `to_pkcs8_pem` return the secret in memory that is wiped when dropped.
///
/// ```
/// use fleetcert_x509::{KeyKind, KeyPair, SigningKey};
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let again = KeyPair::from_pem(&key.to_pkcs8_pem()?)?;
/// assert_eq!(again.spki_der(), key.spki_der());
/// assert_eq!(format!("{key:?}"), "KeyPair(P-256)");
/// # Ok::<(), fleetcert_x509::X509Error>(())
/// ```
pub struct KeyPair {
    kind: KeyKind,
    private: PrivateKey,
    spki: Vec<u8>,
}

enum PrivateKey {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Maximum octets of a PEM text: the PKCS #8 of an RSA-4096 key, with space for text around it.
const MAX_TEXT: usize = 16 * 1024;
/// Label of the block with the curve that `openssl ecparam -genkey` writes before the key.
const EC_PARAMETERS: &str = "EC PARAMETERS";

impl KeyPair {
    /// Generates a key.
    ///
    /// An RSA key takes a second or more, an EC key almost no time.
    ///
    /// # Errors
    /// [`X509ErrorKind::Signing`] if the crypto provider fails.
    pub fn generate(kind: KeyKind) -> Result<Self, X509Error> {
        let private = match kind {
            KeyKind::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(PrivateKey::Ecdsa),
            KeyKind::P384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).map(PrivateKey::Ecdsa),
            KeyKind::Rsa2048 => RsaKeyPair::generate(KeySize::Rsa2048).map(PrivateKey::Rsa),
            KeyKind::Rsa3072 => RsaKeyPair::generate(KeySize::Rsa3072).map(PrivateKey::Rsa),
            KeyKind::Rsa4096 => RsaKeyPair::generate(KeySize::Rsa4096).map(PrivateKey::Rsa),
        };
        Self::new(private.map_err(|_| X509Error::new(X509ErrorKind::Signing, "no key could be made"))?)
    }

    /// Parses a key in any of the unencrypted PEM forms of OpenSSL: `PRIVATE KEY` (PKCS #8, RFC 5208), `EC PRIVATE
    /// KEY` (RFC 5915), with or without `EC PARAMETERS` before it, and `RSA PRIVATE KEY` (RFC 8017).
    ///
    /// # Errors
    /// [`X509ErrorKind::Unsupported`] for an encrypted key, and for a kind that is not a [`KeyKind`];
    /// [`X509ErrorKind::Malformed`] and [`X509ErrorKind::TooLarge`] for text that is not a key.
    pub fn from_pem(text: &str) -> Result<Self, X509Error> {
        if text.len() > MAX_TEXT {
            return Err(X509Error::new(X509ErrorKind::TooLarge, "the text is larger than 16 KiB"));
        }
        let blocks = pem::blocks(text.as_bytes(), 2)?;
        let mut keys = blocks.iter().filter(|block| block.label != EC_PARAMETERS);
        let (Some(block), None) = (keys.next(), keys.next()) else {
            return Err(X509Error::malformed("the text must contain exactly one private key in PEM"));
        };
        match block.label {
            pem::PRIVATE_KEY => Self::from_pkcs8_der(&block.der),
            "EC PRIVATE KEY" => first_of(ecdsa(EcdsaKeyPair::from_private_key_der, &block.der)),
            "RSA PRIVATE KEY" => first_of([RsaKeyPair::from_der(&block.der).ok().map(PrivateKey::Rsa)]),
            "ENCRYPTED PRIVATE KEY" => Err(X509Error::new(
                X509ErrorKind::Unsupported,
                "the private key is encrypted; decrypt it first",
            )),
            _ => Err(X509Error::malformed("the PEM block is not a private key")),
        }
    }

    /// Parses a key in PKCS #8 as [`to_pkcs8_pem`](Self::to_pkcs8_pem) writes it; [`from_pem`](Self::from_pem) accepts
    /// other forms too.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, X509Error> {
        if text.contains("-----BEGIN PRIVATE KEY-----") {
            Self::from_pem(text)
        } else {
            Err(X509Error::malformed("the text does not contain a `PRIVATE KEY` in PEM"))
        }
    }

    /// Parses a key in the DER of PKCS #8 (RFC 5208), unencrypted.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > MAX_TEXT {
            return Err(X509Error::new(X509ErrorKind::TooLarge, "the key is larger than 16 KiB"));
        }
        let [p256, p384] = ecdsa(EcdsaKeyPair::from_pkcs8, der);
        first_of([p256, p384, RsaKeyPair::from_pkcs8(der).ok().map(PrivateKey::Rsa)])
    }

    /// Returns the secret in the DER of PKCS #8, for example for the `PrivatePkcs8KeyDer` of `rustls`.
    ///
    /// # Errors
    /// [`X509ErrorKind::Signing`] if the crypto provider fails.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, X509Error> {
        let der = match &self.private {
            PrivateKey::Ecdsa(key) => key.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            PrivateKey::Rsa(key) => key.as_der().map(|document| document.as_ref().to_vec()),
        };
        der.map(Zeroizing::new)
            .map_err(|_| X509Error::new(X509ErrorKind::Signing, "the key could not be encoded"))
    }

    /// Returns the secret as a PEM block `PRIVATE KEY`.
    ///
    /// # Errors
    /// As for [`to_pkcs8_der`](Self::to_pkcs8_der).
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, X509Error> {
        Ok(pem::encode(pem::PRIVATE_KEY, &self.to_pkcs8_der()?))
    }

    /// Returns the kind of the key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    fn new(private: PrivateKey) -> Result<Self, X509Error> {
        let spki = match &private {
            PrivateKey::Ecdsa(key) => key.public_key().as_der(),
            PrivateKey::Rsa(key) => key.public_key().as_der(),
        };
        let spki = spki.map(|der| der.as_ref().to_vec());
        let spki =
            spki.map_err(|_| X509Error::new(X509ErrorKind::Signing, "the public key could not be encoded"))?;
        // Refuse here what a CA would refuse later.
        let kind = PublicKey::parse(&spki).map_err(|fault| unsupported(&fault))?.kind();
        Ok(Self { kind, private, spki })
    }
}

impl SigningKey for KeyPair {
    fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn signature_algorithm(&self) -> SignatureAlgorithm {
        match self.kind {
            KeyKind::P256 => SignatureAlgorithm::EcdsaSha256,
            KeyKind::P384 => SignatureAlgorithm::EcdsaSha384,
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => SignatureAlgorithm::RsaSha256,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        let random = SystemRandom::new();
        let signature = match &self.private {
            PrivateKey::Ecdsa(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            PrivateKey::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(X509Error::signing)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.kind)
    }
}

type ReadEcdsa<E> = fn(&'static EcdsaSigningAlgorithm, &[u8]) -> Result<EcdsaKeyPair, E>;

/// Parses the key on either curve.
fn ecdsa<E>(read: ReadEcdsa<E>, der: &[u8]) -> [Option<PrivateKey>; 2] {
    [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING]
        .map(|algorithm| read(algorithm, der).ok().map(PrivateKey::Ecdsa))
}

fn first_of<const N: usize>(readings: [Option<PrivateKey>; N]) -> Result<KeyPair, X509Error> {
    let private = readings.into_iter().flatten().next().ok_or_else(|| {
        X509Error::new(X509ErrorKind::Unsupported, "the key is not a P-256, P-384 or RSA private key")
    })?;
    KeyPair::new(private)
}

fn unsupported(fault: &KeyFault) -> X509Error {
    X509Error::new(X509ErrorKind::Unsupported, format!("no public CA accepts this key: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_survive_a_round_trip() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
            let key = KeyPair::generate(kind).unwrap();
            assert_eq!(key.kind(), kind);
            let again = KeyPair::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
            assert_eq!((again.kind(), again.spki_der()), (kind, key.spki_der()));

            let signature = again.sign(b"message").unwrap();
            let public = PublicKey::parse(key.spki_der()).unwrap();
            let algorithm = key.signature_algorithm();
            assert!(algorithm.verifies(&public, b"message", &signature));
            assert!(!algorithm.verifies(&public, b"massage", &signature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = KeyPair::generate(KeyKind::P256).unwrap();
        assert_eq!(format!("{key:?}{key:#?}"), "KeyPair(P-256)KeyPair(P-256)");
    }

    #[test]
    fn invalid_and_unsupported_keys_are_rejected() {
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert_eq!(
            KeyPair::from_pem(&ed25519.serialize_pem()).unwrap_err().kind(),
            X509ErrorKind::Unsupported
        );
        let p521 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        assert_eq!(
            KeyPair::from_pkcs8_der(p521.serialized_der()).unwrap_err().kind(),
            X509ErrorKind::Unsupported
        );

        let pem = KeyPair::generate(KeyKind::P256).unwrap().to_pkcs8_pem().unwrap();
        let encrypted = pem.replace(" PRIVATE", " ENCRYPTED PRIVATE");
        assert_eq!(KeyPair::from_pem(&encrypted).unwrap_err().kind(), X509ErrorKind::Unsupported);
        for malformed in ["", &format!("{}{}", *pem, *pem), &pem.replace("PRIVATE KEY", "CERTIFICATE")] {
            assert_eq!(KeyPair::from_pem(malformed).unwrap_err().kind(), X509ErrorKind::Malformed);
        }
        assert_eq!(KeyPair::from_pem(&" ".repeat(20_000)).unwrap_err().kind(), X509ErrorKind::TooLarge);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            prop_assert!(KeyPair::from_pkcs8_der(&bytes).is_err());
        }
    }
}
