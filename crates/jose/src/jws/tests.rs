use super::*;
use crate::{Algorithm, Jwk, KeyPair, KeyReference, ProtectedHeader, Signer, base64url};
use proptest::prelude::*;

fn signed(algorithm: Algorithm, payload: &[u8]) -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate(algorithm).unwrap();
    let header =
        ProtectedHeader::new(&key, KeyReference::Kid("device".into())).nonce("bm9uY2U").url("https://x/");
    let jws = FlattenedJws::sign(&header, payload, &key).unwrap().to_json();
    (key, jws)
}

#[test]
fn signed_message_verifies_only_with_its_key() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let (key, jws) = signed(algorithm, b"payload");
        let verified = UnverifiedJws::parse(&jws).unwrap().verify(key.jwk()).unwrap();
        assert_eq!(verified.payload(), b"payload");
        assert_eq!(verified.header().nonce.as_deref(), Some("bm9uY2U"));
        let (other, _) = signed(algorithm, b"payload");
        let error = UnverifiedJws::parse(&jws).unwrap().verify(other.jwk()).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::BadSignature);
        let stored = KeyPair::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(stored.jwk(), key.jwk());
    }
}

#[test]
fn header_cannot_choose_the_algorithm() {
    let (key, _) = signed(Algorithm::Es256, b"");
    let header = ProtectedHeader {
        alg: Algorithm::EdDsa,
        ..ProtectedHeader::new(&key, KeyReference::Kid("k".into()))
    };
    let error = FlattenedJws::sign(&header, b"", &key).unwrap_err();
    assert_eq!(error.kind(), JoseErrorKind::Unsupported);
    // HS256 with the public key as its secret, the classic confusion.
    let header = ProtectedHeader { alg: Algorithm::Hs256, ..header };
    let forged = FlattenedJws::sign_mac(&header, b"", &key.jwk().spki_der()).unwrap().to_json();
    let error = UnverifiedJws::parse(&forged).unwrap().verify(key.jwk()).unwrap_err();
    assert_eq!(error.kind(), JoseErrorKind::Unsupported);
}

/// A signature by one key under a header that contains another could be read in two ways.
#[test]
fn header_with_another_key_neither_signs_nor_verifies() {
    let [key, other] = [(); 2].map(|()| KeyPair::generate(Algorithm::Es256).unwrap());
    let header = ProtectedHeader::new(&key, KeyReference::Jwk(other.jwk().clone()));
    assert_eq!(FlattenedJws::sign(&header, b"", &key).unwrap_err().kind(), JoseErrorKind::BadKey);
    let forged = FlattenedJws::with_signature(&header, b"", |octets| key.sign(octets)).unwrap().to_json();
    for claimed in [&key, &other] {
        let error = UnverifiedJws::parse(&forged).unwrap().verify(claimed.jwk()).unwrap_err();
        let kind =
            if claimed.jwk() == key.jwk() { JoseErrorKind::BadKey } else { JoseErrorKind::BadSignature };
        assert_eq!(error.kind(), kind);
    }
    let header = ProtectedHeader::new(&key, KeyReference::Jwk(key.jwk().clone()));
    let good = FlattenedJws::sign(&header, b"", &key).unwrap().to_json();
    assert!(UnverifiedJws::parse(&good).unwrap().verify(key.jwk()).is_ok());
}

#[test]
fn mac_verifies_only_with_its_key() {
    let header = mac_header(KeyReference::Kid("k".into()));
    // Let's Encrypt uses none; the CAs that do hand out keys of 32 octets and more.
    for (alg, octets) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs256, 200), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        let header = ProtectedHeader { alg, ..header.clone() };
        let jws = FlattenedJws::sign_mac(&header, b"p", &vec![7; octets]).unwrap().to_json();
        let verify = |key: &[u8]| UnverifiedJws::parse(&jws).unwrap().verify_mac(key);
        assert_eq!(verify(&vec![7; octets]).unwrap().payload(), b"p");
        assert_eq!(verify(&vec![8; octets]).unwrap_err().kind(), JoseErrorKind::BadSignature);
    }
}

#[test]
fn short_mac_keys_are_rejected() {
    let header = mac_header(KeyReference::Kid("k".into()));
    let jws = FlattenedJws::sign_mac(&header, b"p", &[7; 32]).unwrap();
    for (alg, octets) in [(Algorithm::Hs384, 47), (Algorithm::Hs512, 63)] {
        let header = ProtectedHeader { alg, ..header.clone() };
        let error = FlattenedJws::sign_mac(&header, b"p", &vec![7; octets]).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::BadKey);
    }
    for octets in [0, 6, 31] {
        let error = FlattenedJws::sign_mac(&header, b"p", &vec![7; octets]).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::BadKey);
        let error = UnverifiedJws::try_from(jws.clone()).unwrap().verify_mac(&vec![7; octets]).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::BadKey);
    }
}

#[test]
fn header_with_a_jwk_is_rejected_for_a_mac() {
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    let header = mac_header(KeyReference::Jwk(key.jwk().clone()));
    let error = FlattenedJws::sign_mac(&header, b"p", &[7; 32]).unwrap_err();
    assert_eq!(error.kind(), JoseErrorKind::Unsupported);
}

fn mac_header(key: KeyReference) -> ProtectedHeader {
    ProtectedHeader { alg: Algorithm::Hs256, key, nonce: None, url: Some("https://x/".into()), typ: None }
}

#[test]
fn debug_does_not_show_the_payload() {
    for length in 0..9 {
        let secret = &b"s3cret-t0ken"[..length];
        let (key, json) = signed(Algorithm::EdDsa, secret);
        let flattened: FlattenedJws = serde_json::from_slice(&json).unwrap();
        let unverified = UnverifiedJws::parse(&json).unwrap();
        let verified = unverified.clone().verify(key.jwk()).unwrap();
        for shown in [format!("{flattened:?}"), format!("{unverified:#?}"), format!("{verified:?}")] {
            assert!(shown.contains(&format!("payload_octets: {length}")), "{shown}");
            if length > 4 {
                assert!(!shown.contains(std::str::from_utf8(secret).unwrap()), "{shown}");
                assert!(!shown.contains(&base64url::encode(secret)), "{shown}");
                assert!(!shown.contains(&format!("{secret:?}")), "{shown}");
            }
        }
    }
}

/// RFC 8037 appendix A.4: a signature made elsewhere. Its header has no key reference, so this test verifies the parts
/// as `verify` does.
#[test]
fn signature_of_rfc_8037_verifies() {
    let key: Jwk = serde_json::from_str(
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    )
    .unwrap();
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    key.verify(signed, &base64url::decode(signature).unwrap()).unwrap();
}

/// RFC 7515 appendix A.3.
#[test]
fn signature_of_rfc_7515_verifies() {
    let key: Jwk = serde_json::from_str(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    )
    .unwrap();
    let signed = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    key.verify(signed, &base64url::decode(signature).unwrap()).unwrap();
}

#[test]
fn invalid_envelopes_are_rejected() {
    let (_, good) = signed(Algorithm::EdDsa, b"p");
    let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
    let with = |member: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        changed[member] = value;
        changed.to_string()
    };
    let without = |member: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(member);
        changed.to_string()
    };
    let array = serde_json::json!([good["protected"], good["payload"], good["signature"]]).to_string();
    for json in [
        String::new(),
        "{}".into(),
        "[]".into(),
        "null".into(),
        array,
        good.to_string() + "x",
        good.to_string().replacen('{', r#"{"payload":"","#, 1),
        without("payload"),
        without("protected"),
        without("signature"),
        with("header", serde_json::json!({})),
        with("header", serde_json::Value::Null),
        with("signatures", serde_json::json!([])),
        with("payload", 1.into()),
        with("payload", serde_json::Value::Null),
        with("payload", serde_json::json!({})),
        with("payload", "cA==".into()),
        with("payload", "cB".into()), // stray bits after the last octet
        with("payload", "c A".into()),
        with("payload", "c+A/".into()),
        with("signature", "*".into()),
        with("signature", serde_json::Value::Null),
        with("protected", "".into()),
        with("protected", "e30=".into()),
    ] {
        let error = UnverifiedJws::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::Malformed, "{json}");
        // A JWS inside another message is parsed as strictly.
        let inner = serde_json::from_str::<FlattenedJws>(&json).map(UnverifiedJws::try_from);
        assert!(!matches!(inner, Ok(Ok(_))), "{json}");
    }
    let large = with("payload", "A".repeat(MAX_JWS).into());
    assert_eq!(UnverifiedJws::parse(large.as_bytes()).unwrap_err().kind(), JoseErrorKind::TooLarge);
    assert!(serde_json::from_str::<FlattenedJws>(&large).is_err());
    assert!(UnverifiedJws::parse(good.to_string().as_bytes()).is_ok());
}

/// Changes one bit of a message and verifies it.
fn verify_with_a_changed_bit(
    algorithm: Algorithm,
    payload: &[u8],
    at: prop::sample::Index,
    bit: u8,
) -> Result<(), TestCaseError> {
    let (key, jws) = signed(algorithm, payload);
    let mut changed = jws.clone();
    let index = at.index(changed.len());
    changed[index] ^= 1 << bit;
    if let Ok(verified) = UnverifiedJws::parse(&changed).and_then(|parsed| parsed.verify(key.jwk())) {
        // A changed bit in the JSON around the three strings does not change the message.
        prop_assert_eq!(verified.payload(), payload);
        let texts = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        prop_assert_eq!(texts(&changed), texts(&jws));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn changed_bit_does_not_verify_with_ed25519(payload in proptest::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0u8..8) {
        verify_with_a_changed_bit(Algorithm::EdDsa, &payload, at, bit)?;
    }

    #[test]
    fn changed_bit_does_not_verify_with_es256(payload in proptest::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0u8..8) {
        verify_with_a_changed_bit(Algorithm::Es256, &payload, at, bit)?;
    }

    #[test]
    fn arbitrary_octets_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = UnverifiedJws::parse(&octets);
        let _ = serde_json::from_slice::<Jwk>(&octets);
        let _ = KeyPair::from_pkcs8_der(&octets);
    }
}
