//! Parses and decrypts the files; OpenSSL and Java read them in the tests with peers.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::{hmac, pbkdf2};

use super::*;
use crate::KeyKind;
use crate::der::{Reader, check_document};

const PASSPHRASE: &str = "correct horse battery staple";

fn passphrase() -> SecretString {
    SecretString::from(PASSPHRASE)
}

/// Returns a self-signed certificate of the key.
fn chain(key: &KeyPair) -> Chain {
    let pem = key.to_pkcs8_pem().unwrap();
    let own = rcgen::KeyPair::from_pem(&pem).unwrap();
    let params = rcgen::CertificateParams::new(vec!["xi8qz.fleet.test".to_owned()]).unwrap();
    Chain::from_certificates(vec![params.self_signed(&own).unwrap().der().clone()]).unwrap()
}

/// Returns the content of the next element.
fn next<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    reader.any().unwrap().content
}

/// Returns the octets of a ContentInfo of plain data.
fn plain(content_info: &[u8]) -> &[u8] {
    let mut reader = Reader::new(content_info);
    assert_eq!(next(&mut reader), oid::DATA);
    next(&mut Reader::new(next(&mut reader)))
}

/// Decrypts with an AlgorithmIdentifier of PBES2.
fn decrypt(algorithm: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(algorithm);
    assert_eq!(next(&mut reader), oid::PBES2);
    let mut parameters = Reader::new(next(&mut reader));
    let (mut derivation, mut cipher) =
        (Reader::new(next(&mut parameters)), Reader::new(next(&mut parameters)));
    assert_eq!((next(&mut derivation), next(&mut cipher)), (oid::PBKDF2, oid::AES256_CBC));
    let salt = next(&mut Reader::new(next(&mut derivation)));
    let mut key = [0; 32];
    let iterations = protection::ITERATIONS;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, PASSPHRASE.as_bytes(), &mut key);

    let iv: [u8; 16] = next(&mut cipher).try_into().unwrap();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
    let mut octets = octets.to_vec();
    let plain = cipher.decrypt(&mut octets, DecryptionContext::Iv128(iv.into())).ok()?;
    Some(plain.to_vec())
}

#[test]
fn file_has_the_structure_of_rfc_7292() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = KeyPair::generate(kind).unwrap();
        let chain = chain(&key);
        let file = pkcs12(&key, &chain, "xi8qz", &passphrase()).unwrap();
        check_document(&file).unwrap();
        let mut pfx = Reader::new(&file).sequence().unwrap();
        assert_eq!(next(&mut pfx), [3]);
        let contents = plain(next(&mut pfx));
        let mut mac_data = Reader::new(next(&mut pfx));

        let mut digest_info = Reader::new(next(&mut mac_data));
        next(&mut digest_info);
        let (mac, salt) = (next(&mut digest_info), next(&mut mac_data));
        let text = passphrase();
        let bmp = Passphrase::new(&text).unwrap().bmp();
        let mac_key = protection::mac_key(&bmp, salt, protection::ITERATIONS);
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &*mac_key), contents, mac).unwrap();

        let mut safes = Reader::new(contents).sequence().unwrap();
        let mut encrypted = Reader::new(next(&mut safes));
        assert_eq!(next(&mut encrypted), oid::ENCRYPTED_DATA);
        let mut encrypted = Reader::new(next(&mut encrypted)).sequence().unwrap();
        assert_eq!(next(&mut encrypted), [0]);
        let mut content = Reader::new(next(&mut encrypted));
        assert_eq!(next(&mut content), oid::DATA);
        let certificates = decrypt(next(&mut content), next(&mut content)).unwrap();
        let leaf = &chain.certificates()[0];
        assert!(certificates.windows(leaf.len()).any(|window| window == leaf.as_ref()));

        let keys = plain(next(&mut safes));
        let mut bag = Reader::new(keys).sequence().unwrap().sequence().unwrap();
        assert_eq!(next(&mut bag), oid::SHROUDED_KEY_BAG);
        let mut shrouded = Reader::new(next(&mut bag)).sequence().unwrap();
        let pkcs8 = decrypt(next(&mut shrouded), next(&mut shrouded)).unwrap();
        assert_eq!(KeyPair::from_pkcs8_der(&pkcs8).unwrap().spki_der(), key.spki_der());
    }
}

#[test]
fn file_shows_neither_key_nor_names() {
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let file = pkcs12(&key, &chain(&key), "entry", &passphrase()).unwrap();
    let contains = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    let pkcs8 = key.to_pkcs8_der().unwrap();
    assert!(pkcs8.windows(16).all(|part| !contains(part)));
    assert!(!contains(b"fleet"));
    assert!(!contains(PASSPHRASE.as_bytes()));
}

#[test]
fn two_files_share_neither_salt_nor_vector() {
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let chain = chain(&key);
    let of = || pkcs12(&key, &chain, "entry", &passphrase()).unwrap();
    let (one, other) = (of(), of());
    assert_eq!(one.len(), other.len());
    let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    // The DER structure is equal, the rest random.
    assert!(same < one.len() / 2, "{same} of {}", one.len());
}

#[test]
fn invalid_arguments_are_rejected() {
    let (key, other) = (KeyPair::generate(KeyKind::P256).unwrap(), KeyPair::generate(KeyKind::P256).unwrap());
    let chain = chain(&key);
    let kind = |key: &KeyPair, name: &str, text: &str| {
        pkcs12(key, &chain, name, &SecretString::from(text)).unwrap_err().kind()
    };
    assert_eq!(kind(&other, "entry", PASSPHRASE), X509ErrorKind::KeyMismatch);
    assert_eq!(kind(&key, "entry", ""), X509ErrorKind::Unsupported);
    for name in ["", "a\nb", "gr\u{fc}n", &"x".repeat(64)] {
        assert_eq!(kind(&key, name, PASSPHRASE), X509ErrorKind::Unsupported, "{name:?}");
    }
}
