//! Encryption by PBES2, and the MAC over the file.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{hmac, pbkdf2};
use zeroize::Zeroizing;

use super::oid;
use super::passphrase::Passphrase;
use crate::der::{encode, null, tag};
use crate::{X509Error, X509ErrorKind};

/// Iterations for each of the three derived keys. .NET refuses files with more than 600,000 (KB5025823).
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");

const SALT: usize = 16;
/// Octets of the MAC's salt, as OpenSSL writes it; macOS reportedly fails with a longer one.
const MAC_SALT: usize = 8;
const AES_BLOCK: usize = 16;

/// The result of PBES2 (RFC 8018 section 6.2).
pub(super) struct Encrypted {
    /// AlgorithmIdentifier.
    pub(super) algorithm: Vec<u8>,
    pub(super) octets: Vec<u8>,
}

/// Encrypts by PBES2: PBKDF2 with HMAC-SHA-256, AES-256-CBC.
pub(super) fn encrypt(plain: &[u8], passphrase: &Passphrase<'_>) -> Result<Encrypted, X509Error> {
    let salt = random::<SALT>()?;
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, passphrase.octets(), &mut *key);

    // With space for the padding, so that no copy of the plain octets is left behind by a reallocation.
    let mut octets = Zeroizing::new(Vec::with_capacity(plain.len() + AES_BLOCK));
    octets.extend_from_slice(plain);
    let context = UnboundCipherKey::new(&AES_256, &*key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|cipher| cipher.encrypt(&mut *octets))
        .map_err(X509Error::signing)?;
    let DecryptionContext::Iv128(iv) = context else {
        return Err(X509Error::new(X509ErrorKind::Signing, "the cipher has no initialisation vector"));
    };
    Ok(Encrypted { algorithm: pbes2(&salt, iv.as_ref()), octets: std::mem::take(&mut *octets) })
}

fn pbes2(salt: &[u8], iv: &[u8]) -> Vec<u8> {
    let derivation = encode(
        tag::SEQUENCE,
        &[&encode(tag::OCTET_STRING, &[salt]), &iterations(), &algorithm(oid::HMAC_WITH_SHA256, &null())],
    );
    let parameters = encode(
        tag::SEQUENCE,
        &[
            &algorithm(oid::PBKDF2, &derivation),
            &algorithm(oid::AES256_CBC, &encode(tag::OCTET_STRING, &[iv])),
        ],
    );
    algorithm(oid::PBES2, &parameters)
}

/// Returns the MacData over the content of the file (RFC 7292 section 4): HMAC-SHA-256.
pub(super) fn mac_data(contents: &[u8], passphrase: &Passphrase<'_>) -> Result<Vec<u8>, X509Error> {
    let salt = random::<MAC_SALT>()?;
    let key = mac_key(&passphrase.bmp(), &salt, ITERATIONS);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), contents);
    let digest_info = encode(
        tag::SEQUENCE,
        &[&algorithm(oid::SHA256, &null()), &encode(tag::OCTET_STRING, &[mac.as_ref()])],
    );
    Ok(encode(tag::SEQUENCE, &[&digest_info, &encode(tag::OCTET_STRING, &[&salt]), &iterations()]))
}

/// Derives a MAC key by RFC 7292 appendix B.2 with SHA-256. The key is as long as the digest, so one round of step 6
/// makes it, and the steps for further rounds are not needed.
pub(super) fn mac_key(bmp: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; SHA256_OUTPUT_LEN]> {
    /// Octets of a block of SHA-256.
    const BLOCK: usize = 64;
    /// Diversifier of MAC keys (appendix B.3).
    const MAC_ID: u8 = 3;

    let filled = |octets: &[u8]| {
        let length = octets.len().next_multiple_of(BLOCK);
        let mut all = Zeroizing::new(Vec::with_capacity(length));
        all.extend(octets.iter().cycle().take(length));
        all
    };
    let mut first = Context::new(&SHA256);
    first.update(&[MAC_ID; BLOCK]);
    first.update(&filled(salt));
    first.update(&filled(bmp));

    let mut key = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
    key.copy_from_slice(first.finish().as_ref());
    for _ in 1..iterations.get() {
        let next = digest(&SHA256, &*key);
        key.copy_from_slice(next.as_ref());
    }
    key
}

/// Returns an AlgorithmIdentifier (RFC 5280 section 4.1.1.2).
fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid]), parameters])
}

fn iterations() -> Vec<u8> {
    let octets = ITERATIONS.get().to_be_bytes();
    let leading = octets.iter().take_while(|octet| **octet == 0).count();
    // The first bit is zero, as required in a positive INTEGER.
    encode(tag::INTEGER, &[&octets[leading..]])
}

fn random<const N: usize>() -> Result<[u8; N], X509Error> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(X509Error::signing)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    /// Made by `openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexpass:... -kdfopt hexsalt:0102030405060708
    /// -kdfopt iter:... -kdfopt id:3 PKCS12KDF` of OpenSSL 3.0, the passphrase in hex with its two zeros.
    #[test]
    fn derived_keys_match_openssl() {
        let salt = [1, 2, 3, 4, 5, 6, 7, 8];
        let key = |text: &str, iterations: u32| {
            let text = SecretString::from(text);
            let bmp = Passphrase::new(&text).unwrap().bmp();
            let key = mac_key(&bmp, &salt, iterations.try_into().unwrap());
            key.iter().map(|octet| format!("{octet:02X}")).collect::<String>()
        };
        assert_eq!(key("fleet", 2048), "C6F81BFA15F2D9D04E356AB71534BC159874304555EFC0699DC487F27E788FD7");
        assert_eq!(
            key("a passphrase that is longer than one block of SHA-256", 1),
            "6F80D3EC4E01A2F1248F99A931A074F56271728790744A52B2D2B0E4144F8BA2"
        );
    }

    #[test]
    fn iterations_are_encoded_as_a_positive_integer() {
        assert_eq!(iterations(), [0x02, 0x03, 0x01, 0x86, 0xa0]);
    }
}
