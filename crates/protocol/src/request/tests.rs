use super::*;
use crate::AddressReport;
use base64::Engine as _;
use fleetcert_jose::KeyPair;
use proptest::prelude::*;

const NONCE: &str = "bm9uY2U";
const URL: &str = "https://control.test/v1/addresses";

fn key() -> KeyPair {
    KeyPair::generate(Algorithm::EdDsa).unwrap()
}

fn kid() -> KeyReference {
    KeyReference::Kid("AAAAAAAAAAAAAAAAAAAAAA".into())
}

fn kind<T>(result: Result<T, ProtocolError>) -> ProtocolErrorKind {
    result.map(|_| ()).unwrap_err().kind()
}

#[test]
fn a_request_is_good_for_its_key_and_url_alone() {
    let key = key();
    let report = AddressReport::new(["10.0.0.1".parse().unwrap()]).unwrap();
    let body = sign(URL, NONCE, &kid(), &report, &key).unwrap();
    let parsed = SignedRequest::parse(&body).unwrap();
    let open = |key: &KeyPair, url| parsed.clone().open::<AddressReport>(key.jwk(), url);
    assert_eq!(open(&key, URL).unwrap(), report);
    assert_eq!(kind(open(&self::key(), URL)), ProtocolErrorKind::Unauthenticated);
    assert_eq!(kind(open(&key, "https://control.test/v1/enrol")), ProtocolErrorKind::Unauthenticated);
    assert_eq!(kind(parsed.clone().open_enrolment(URL)), ProtocolErrorKind::Malformed);
}

#[test]
fn messages_of_other_protocols_are_refused() {
    let key = key();
    for header in [
        ProtectedHeader::new(&key, kid()).url(URL).nonce(NONCE),
        ProtectedHeader::new(&key, kid()).url(URL).typ(TYPE),
        ProtectedHeader::new(&key, kid()).url(URL).nonce(NONCE).typ("JWT"),
        ProtectedHeader::new(&key, KeyReference::Kid("../x".into())).url(URL).nonce(NONCE).typ(TYPE),
    ] {
        let body = FlattenedJws::sign(&header, b"{}", &key).unwrap().to_json();
        assert_eq!(kind(SignedRequest::parse(&body)), ProtocolErrorKind::Malformed, "{header:?}");
    }
}

/// Before anything is verified: it does not matter who signed, or whether anybody did.
#[test]
fn a_private_key_is_refused_wherever_it_stands() {
    let key = key();
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----";
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pem);
    for payload in [serde_json::json!({ "csr": pem }), serde_json::json!({ "csr": encoded })] {
        let mut body = sign(URL, NONCE, &kid(), &payload, &key).unwrap();
        assert_eq!(kind(SignedRequest::parse(&body)), ProtocolErrorKind::PrivateKeySent);
        let signature =
            std::str::from_utf8(&body).unwrap().find("signature").unwrap() + "signature\":\"".len();
        body[signature] = if body[signature] == b'A' { b'B' } else { b'A' };
        assert_eq!(kind(SignedRequest::parse(&body)), ProtocolErrorKind::PrivateKeySent, "badly signed");
    }
    assert_eq!(kind(SignedRequest::parse(pem.as_bytes())), ProtocolErrorKind::PrivateKeySent);
}

/// A body with a header of our choice, which nobody signed.
fn with_header(header: &serde_json::Value) -> Vec<u8> {
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let protected = encode(&header.to_string());
    serde_json::json!({ "protected": protected, "payload": encode("{}"), "signature": "AAAA" })
        .to_string()
        .into_bytes()
}

#[test]
fn a_private_key_in_the_header_is_told_apart() {
    let mut jwk = serde_json::to_value(key().jwk()).unwrap();
    jwk["d"] = "AAAA".into();
    let header = serde_json::json!({ "alg": "EdDSA", "jwk": jwk, "nonce": NONCE, "url": URL, "typ": TYPE });
    assert_eq!(kind(SignedRequest::parse(&with_header(&header))), ProtocolErrorKind::PrivateKeySent);
}

#[test]
fn devices_sign_by_es256_es384_or_eddsa() {
    for algorithm in ALGORITHMS {
        let key = KeyPair::generate(algorithm).unwrap();
        let body = sign(URL, NONCE, &kid(), &serde_json::json!({}), &key).unwrap();
        assert!(SignedRequest::parse(&body).unwrap().open_bytes(key.jwk(), URL).is_ok());
    }
    let device = "AAAAAAAAAAAAAAAAAAAAAA";
    for (alg, expected) in [
        ("RS256", ProtocolErrorKind::Unsupported),
        ("HS256", ProtocolErrorKind::Unsupported),
        ("ES512", ProtocolErrorKind::Unsupported),
        ("none", ProtocolErrorKind::Unsupported),
    ] {
        let header =
            serde_json::json!({ "alg": alg, "kid": device, "nonce": NONCE, "url": URL, "typ": TYPE });
        assert_eq!(kind(SignedRequest::parse(&with_header(&header))), expected, "{alg}");
    }
}

#[derive(Debug)]
struct Rsa(Jwk);

impl Signer for Rsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Rs256
    }

    fn jwk(&self) -> &Jwk {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, JoseError> {
        Ok(Vec::new())
    }
}

#[test]
fn nothing_is_signed_that_no_server_takes() {
    let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([0xff; 256]);
    let jwk = serde_json::from_value(serde_json::json!({ "kty": "RSA", "n": n, "e": "AQAB" })).unwrap();
    let signed = sign(URL, NONCE, &kid(), &serde_json::json!({}), &Rsa(jwk));
    assert_eq!(kind(signed), ProtocolErrorKind::Signing);
    let foreign = KeyReference::Jwk(key().jwk().clone());
    let signed = sign(URL, NONCE, &foreign, &serde_json::json!({}), &key());
    assert_eq!(kind(signed), ProtocolErrorKind::Signing);
}

#[test]
fn a_payload_is_not_printed() {
    let key = key();
    let token = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I";
    let wish = EnrolRequest::new(token.parse::<crate::EnrolmentToken>().unwrap());
    let body = sign(URL, NONCE, &KeyReference::Jwk(key.jwk().clone()), &wish, &key).unwrap();
    let shown = format!("{:?}", SignedRequest::parse(&body).unwrap());
    let payload = serde_json::to_vec(&wish).unwrap();
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&payload);
    assert!(shown.contains(&format!("payload_octets: {}", payload.len())), "{shown}");
    for secret in [token, &encoded, &format!("{payload:?}")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn unknown_members_and_too_many_addresses_are_refused() {
    let key = key();
    for payload in [
        serde_json::json!({ "addresses": ["10.0.0.1"], "name": "other" }),
        serde_json::json!({ "addresses": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] }),
        serde_json::json!({ "addresses": ["10.0.0.1/8"] }),
        serde_json::json!({ "addresses": ["fe80::1%eth0"] }),
        serde_json::json!({ "addresses": ["010.0.0.1"] }),
    ] {
        let body = sign(URL, NONCE, &kid(), &payload, &key).unwrap();
        let opened = SignedRequest::parse(&body).unwrap().open::<AddressReport>(key.jwk(), URL);
        assert_eq!(kind(opened), ProtocolErrorKind::Malformed, "{payload}");
    }
}

proptest! {
    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedRequest::parse(&octets);
    }
}
