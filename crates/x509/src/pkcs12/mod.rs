//! PKCS #12 (RFC 7292): a key and its chain in one encrypted file.

mod oid;
mod passphrase;
mod protection;

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::SecretString;

use crate::der::{encode, positive_small, tag};
use crate::{Chain, KeyPair, SigningKey, X509Error, X509ErrorKind};
use passphrase::Passphrase;
use protection::{Encrypted, encrypt, mac_data};

/// `[0] EXPLICIT`, or `[0] IMPLICIT` of something constructed.
const CONTEXT_0: u8 = 0xa0;
/// `[0] IMPLICIT OCTET STRING`, the encryptedContent of RFC 5652 section 6.1.
const ENCRYPTED_CONTENT: u8 = 0x80;
const BMP_STRING: u8 = 0x1e;
/// Maximum characters of the name, like a DNS label.
const MAX_NAME: usize = 63;

/// Returns a PKCS #12 file (`.p12`, `.pfx`) with the key and the chain, for Java, Windows and many appliances.
///
/// `name` is the name of the entry: the alias in a Java keystore (in lower case), the friendly name in Windows. Key
/// and certificates are encrypted by PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC; the file has a MAC by
/// HMAC-SHA-256; each key is derived in 100,000 rounds. Salts and initialisation vectors come from the crypto
/// provider, so two calls return different files. It takes about a tenth of a second. Copies of key and passphrase
/// made here are wiped.
///
/// **Readers.** OpenSSL 1.1.1 and later, Java 12 and later (8 from 8u301 and 11 from 11.0.12), Windows 10, Windows
/// Server 2019 and later. Not: Windows Server 2016 and older, OpenSSL 1.0, older Java, and many old appliances, which
/// support only RC2, 3DES and SHA-1 and report "wrong password"; nor the keychain of macOS before 11, with failures
/// also reported for later versions. The old ciphers are not supported, as anyone can break RC2 with 40 bits.
///
/// **Passphrase.** 1 to 128 printable ASCII characters, as readers encode others differently. It is the only
/// protection of the key in the file: make it long and random.
///
/// # Errors
/// [`X509ErrorKind::KeyMismatch`] if the leaf is for another key; [`X509ErrorKind::Unsupported`] for another
/// passphrase, or for a name without 1 to 63 printable ASCII characters; [`X509ErrorKind::Signing`] if the crypto
/// provider fails.
///
/// ```no_run
/// use fleetcert_x509::{Chain, KeyPair, X509Error, pkcs12};
/// use secrecy::SecretString;
///
/// fn export(
///     key: &KeyPair,
///     chain: &Chain,
///     passphrase: &SecretString,
/// ) -> Result<Vec<u8>, X509Error> {
///     pkcs12(key, chain, "xi8qz.fleet.test", passphrase)
/// }
/// ```
pub fn pkcs12(
    key: &KeyPair,
    chain: &Chain,
    name: &str,
    passphrase: &SecretString,
) -> Result<Vec<u8>, X509Error> {
    if chain.leaf().spki() != key.spki_der() {
        return Err(X509Error::new(X509ErrorKind::KeyMismatch, "the certificate is for another key"));
    }
    let passphrase = Passphrase::new(passphrase)?;
    let attributes = attributes(name, &chain.certificates()[0])?;

    // The order of OpenSSL: certificates, then the key.
    let certificates = chain
        .certificates()
        .iter()
        .enumerate()
        .map(|(position, der)| certificate_bag(der, if position == 0 { &attributes } else { &[] }));
    let certificates = encode(tag::SEQUENCE, &[&certificates.collect::<Vec<_>>().concat()]);
    let certificates = encrypted_data(&encrypt(&certificates, &passphrase)?);
    let shrouded = key_bag(&encrypt(&key.to_pkcs8_der()?, &passphrase)?, &attributes);
    let keys = data(&encode(tag::SEQUENCE, &[&shrouded]));

    let authenticated_safe = encode(tag::SEQUENCE, &[&certificates, &keys]);
    let mac = mac_data(&authenticated_safe, &passphrase)?;
    Ok(encode(tag::SEQUENCE, &[&positive_small(3), &data(&authenticated_safe), &mac]))
}

/// Returns a ContentInfo of plain octets (RFC 5652 section 4).
fn data(octets: &[u8]) -> Vec<u8> {
    let content = encode(CONTEXT_0, &[&encode(tag::OCTET_STRING, &[octets])]);
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid::DATA]), &content])
}

/// Returns a ContentInfo of encrypted octets (RFC 5652 section 8).
fn encrypted_data(encrypted: &Encrypted) -> Vec<u8> {
    let content = encode(
        tag::SEQUENCE,
        &[
            &encode(tag::OID, &[oid::DATA]),
            &encrypted.algorithm,
            &encode(ENCRYPTED_CONTENT, &[&encrypted.octets]),
        ],
    );
    let content = encode(tag::SEQUENCE, &[&positive_small(0), &content]);
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid::ENCRYPTED_DATA]), &encode(CONTEXT_0, &[&content])])
}

fn certificate_bag(der: &[u8], attributes: &[u8]) -> Vec<u8> {
    let octets = encode(CONTEXT_0, &[&encode(tag::OCTET_STRING, &[der])]);
    let certificate = encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid::X509_CERTIFICATE]), &octets]);
    safe_bag(oid::CERT_BAG, &certificate, attributes)
}

/// Returns the key as an EncryptedPrivateKeyInfo (RFC 5958 section 3).
fn key_bag(encrypted: &Encrypted, attributes: &[u8]) -> Vec<u8> {
    let octets = encode(tag::OCTET_STRING, &[&encrypted.octets]);
    safe_bag(oid::SHROUDED_KEY_BAG, &encode(tag::SEQUENCE, &[&encrypted.algorithm, &octets]), attributes)
}

/// Returns a SafeBag (RFC 7292 section 4.2); `attributes` is a whole SET, or empty.
fn safe_bag(kind: &[u8], value: &[u8], attributes: &[u8]) -> Vec<u8> {
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[kind]), &encode(CONTEXT_0, &[value]), attributes])
}

/// Returns the common attributes of key and leaf, by which a reader matches them.
fn attributes(name: &str, leaf: &[u8]) -> Result<Vec<u8>, X509Error> {
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|octet| (0x20..0x7f).contains(&octet)) {
        return Err(X509Error::new(
            X509ErrorKind::Unsupported,
            "the entry's name must have 1 to 63 printable ASCII characters",
        ));
    }
    let bmp = name.bytes().flat_map(|octet| [0, octet]).collect::<Vec<_>>();
    let mut attributes = [
        attribute(oid::FRIENDLY_NAME, &encode(BMP_STRING, &[&bmp])),
        attribute(oid::LOCAL_KEY_ID, &encode(tag::OCTET_STRING, &[digest(&SHA256, leaf).as_ref()])),
    ];
    // The elements of a SET OF are in the order of their octets (X.690 section 11.6).
    attributes.sort();
    Ok(encode(tag::SET, &[&attributes.concat()]))
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[kind]), &encode(tag::SET, &[value])])
}

#[cfg(test)]
mod tests;
