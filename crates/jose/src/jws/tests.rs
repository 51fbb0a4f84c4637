use super::*;
use crate::{KeyPair, KeyReference};
use proptest::prelude::*;

fn signed(algorithm: Algorithm, payload: &[u8]) -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate(algorithm).unwrap();
    let header = ProtectedHeader::new(&key, KeyReference::Kid("device".into())).nonce("n").url("https://x/");
    let jws = FlattenedJws::sign(&header, payload, &key).unwrap().to_json();
    (key, jws)
}

#[test]
fn what_was_signed_verifies_with_its_key_alone() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let (key, jws) = signed(algorithm, b"payload");
        let verified = UnverifiedJws::parse(&jws).unwrap().verify(key.jwk()).unwrap();
        assert_eq!(verified.payload(), b"payload");
        assert_eq!(verified.header().nonce.as_deref(), Some("n"));
        let (other, _) = signed(algorithm, b"payload");
        let error = UnverifiedJws::parse(&jws).unwrap().verify(other.jwk()).unwrap_err();
        assert_eq!(error.kind(), JoseErrorKind::BadSignature);
        let stored = KeyPair::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(stored.jwk(), key.jwk());
    }
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    let (key, _) = signed(Algorithm::Es256, b"");
    let header = ProtectedHeader {
        alg: Algorithm::EdDsa,
        ..ProtectedHeader::new(&key, KeyReference::Kid("k".into()))
    };
    assert!(FlattenedJws::sign(&header, b"", &key).is_err());
    // HS256 with the public key as its secret, the classic confusion.
    let header = ProtectedHeader { alg: Algorithm::Hs256, ..header };
    let forged = FlattenedJws::sign_hs256(&header, b"", &key.jwk().spki_der()).unwrap().to_json();
    let error = UnverifiedJws::parse(&forged).unwrap().verify(key.jwk()).unwrap_err();
    assert_eq!(error.kind(), JoseErrorKind::Unsupported);
}

#[test]
fn a_mac_is_of_its_key() {
    let (key, _) = signed(Algorithm::Es256, b"");
    let header = ProtectedHeader {
        alg: Algorithm::Hs256,
        ..ProtectedHeader::new(&key, KeyReference::Kid("k".into()))
    };
    let jws = FlattenedJws::sign_hs256(&header, b"p", b"secret").unwrap().to_json();
    assert_eq!(UnverifiedJws::parse(&jws).unwrap().verify_hs256(b"secret").unwrap().payload(), b"p");
    assert!(UnverifiedJws::parse(&jws).unwrap().verify_hs256(b"other").is_err());
}

/// RFC 8037 appendix A.4: a signature made elsewhere. Its header has no key reference, so the parts are put
/// together here as they are verified there.
#[test]
fn the_signature_of_rfc_8037() {
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
fn the_signature_of_rfc_7515() {
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
fn malformed_envelopes() {
    let (_, good) = signed(Algorithm::EdDsa, b"p");
    let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
    let with = |member: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        changed[member] = value;
        changed.to_string()
    };
    let header = |json: &str| with("protected", base64url::encode(json.as_bytes()).into());
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let without = |member: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(member);
        changed.to_string()
    };
    let mut cases = vec![
        String::new(),
        "{}".into(),
        "[]".into(),
        "null".into(),
        good.to_string() + "x",
        good.to_string().replacen('{', r#"{"payload":"","#, 1),
        without("payload"),
        without("protected"),
        without("signature"),
        with("header", serde_json::json!({})),
        with("signatures", serde_json::json!([])),
        with("payload", 1.into()),
        with("payload", serde_json::Value::Null),
        with("payload", "cA==".into()),
        with("payload", "cB".into()), // stray bits behind the last octet
        with("payload", "c A".into()),
        with("payload", "c+A/".into()),
        with("signature", "*".into()),
        with("protected", "".into()),
        with("protected", "e30=".into()),
    ];
    for json in [
        "",
        "{}",
        "[]",
        r#"{"alg":"none","kid":"k"}"#,
        r#"{"alg":"None","kid":"k"}"#,
        r#"{"alg":"ES512","kid":"k"}"#,
        r#"{"alg":"eddsa","kid":"k"}"#,
        r#"{"alg":1,"kid":"k"}"#,
        r#"{"kid":"k"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":1}"#,
        r#"{"alg":"EdDSA","kid":null}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA","kid":"k"}"#,
        r#"{"alg":"EdDSA","kid":"k","kid":"l"}"#,
        r#"{"alg":"EdDSA","kid":"k","crit":["exp"]}"#,
        r#"{"alg":"EdDSA","kid":"k","b64":false}"#,
        r#"{"alg":"EdDSA","kid":"k","jku":"https://evil/"}"#,
        r#"{"alg":"EdDSA","kid":"k","x5u":"https://evil/"}"#,
        r#"{"alg":"EdDSA","kid":"k","x5c":[]}"#,
        r#"{"alg":"EdDSA","kid":"k","zip":"DEF"}"#,
        r#"{"alg":"EdDSA","kid":"k","nonce":1}"#,
        r#"{"alg":"EdDSA","kid":"k","url":["https://x/"]}"#,
        r#"{"alg":"EdDSA","kid":"k"} "#.repeat(2).as_str(),
        &format!(r#"{{"alg":"EdDSA","kid":"k","jwk":{jwk}}}"#),
        r#"{"alg":"EdDSA","jwk":"k"}"#,
        r#"{"alg":"EdDSA","jwk":{}}"#,
        &jwk.replacen('{', r#"{"alg":"EdDSA","d":"AA","#, 1),
    ] {
        cases.push(header(json));
    }
    cases.push(with("payload", "A".repeat(MAX_JWS).into()));
    assert!(cases.len() > 40);
    for case in cases {
        assert!(UnverifiedJws::parse(case.as_bytes()).is_err(), "{case:.200}");
    }
    assert!(UnverifiedJws::parse(good.to_string().as_bytes()).is_ok());
}

/// What other ACME clients send: the public key of RSA, members in any order, white space, an empty payload.
#[test]
fn the_forms_of_other_clients_parse() {
    let n = base64url::encode(&[0xff; 256]);
    let header = format!(
        r#"{{"nonce":"n", "url":"https://ca/x", "jwk":{{"n":"{n}","kty":"RSA","e":"AQAB"}}, "alg":"RS256"}}"#
    );
    let json = format!(
        r#"{{ "signature":"AAAA", "protected":"{}",  "payload":"" }}"#,
        base64url::encode(header.as_bytes())
    );
    let jws = UnverifiedJws::parse(json.as_bytes()).unwrap();
    assert_eq!(jws.header().alg, Algorithm::Rs256);
    assert!(matches!(&jws.header().key, KeyReference::Jwk(key) if key.algorithm() == Algorithm::Rs256));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_bit_verifies(payload in proptest::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0u8..8) {
        let (key, jws) = signed(Algorithm::EdDsa, &payload);
        let mut changed = jws.clone();
        let index = at.index(changed.len());
        changed[index] ^= 1 << bit;
        if let Ok(verified) = UnverifiedJws::parse(&changed).and_then(|parsed| parsed.verify(key.jwk())) {
            // A change of the JSON around the three strings is none of the message.
            prop_assert_eq!(verified.payload(), &payload[..]);
            let texts = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
            prop_assert_eq!(texts(&changed), texts(&jws));
        }
    }

    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = UnverifiedJws::parse(&octets);
        let _ = serde_json::from_slice::<Jwk>(&octets);
        let _ = KeyPair::from_pkcs8_der(&octets);
    }
}
