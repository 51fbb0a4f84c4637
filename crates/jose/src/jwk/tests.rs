use super::*;

/// RFC 7638 section 3.1.
const RFC_7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
/// RFC 8037 appendix A.2 and A.3.
const RFC_8037: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[test]
fn thumbprints_match_the_rfcs() {
    let of = |json| serde_json::from_str::<Jwk>(json).unwrap().thumbprint();
    assert_eq!(of(RFC_7638).as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(of(RFC_8037).as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn key_survives_a_round_trip_through_json() {
    for json in [RFC_7638, RFC_8037] {
        let key: Jwk = serde_json::from_str(json).unwrap();
        let again: Jwk = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();
        assert_eq!(again, key);
    }
}

#[test]
fn spki_of_ed25519_matches_rfc_8410() {
    let key: Jwk = serde_json::from_str(RFC_8037).unwrap();
    assert_eq!(key.spki_der()[..12], [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]);
}

fn rejection(json: &str) -> JoseErrorKind {
    match Members::parse(json.as_bytes()).and_then(Jwk::try_from) {
        Ok(key) => panic!("{key:?} was accepted"),
        Err(error) => {
            assert!(serde_json::from_str::<Jwk>(json).is_err(), "serde is equally strict: {json}");
            error.kind()
        }
    }
}

#[test]
fn invalid_or_private_key_is_rejected_with_its_kind() {
    use JoseErrorKind::{BadKey, Malformed, PrivateKey, Unsupported};
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let okp = |more: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{more}}}"#);
    // The point (1, 1) is on none of the curves.
    let one = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";
    let off_curve = format!(r#"{{"kty":"EC","crv":"P-256","x":"{one}","y":"{one}"}}"#);
    let array = format!(r#"["OKP","Ed25519","{x}"]"#);
    for (json, kind) in [
        ("{}", Malformed),
        ("null", Malformed),
        (&array, Malformed),
        (r#"{"kty":1}"#, Malformed),
        (r#"{"kty":null}"#, Malformed),
        (r#"{"kty":"oct"}"#, Unsupported),
        (r#"{"kty":"oct","k":"AAAA"}"#, PrivateKey),
        (&okp(r#","d":"AA""#), PrivateKey),
        (&okp(r#","d":null"#), PrivateKey),
        (r#"{"kty":"RSA","n":"0vx7","e":"AQAB","p":"AA"}"#, PrivateKey),
        (r#"{"kty":"RSA","n":"0vx7","e":"AQAB","oth":[]}"#, PrivateKey),
        (&okp(r#","kty":"OKP""#), Malformed),
        (&okp(r#","x5c":[],"x5c":[]"#), Malformed),
        (&okp(r#","ext":true,"d":"AA""#), PrivateKey),
        (&okp(r#","k":{"d":"AA"}"#), PrivateKey),
        (&okp(r#","D":"AA","q":[]"#), PrivateKey),
        (&okp(r#","alg":"ES256""#), Unsupported),
        (&okp(r#","alg":"none""#), Unsupported),
        (&okp(r#","alg":null"#), Malformed),
        (&okp(r#","use":"enc""#), BadKey),
        (&okp(r#","use":null"#), Malformed),
        (&okp(r#","kid":1"#), Malformed),
        (&okp("").replace("Ed25519", "X25519"), Unsupported),
        (&okp("").replace(x, &x[4..]), BadKey),
        (&okp("").replace(x, &x[2..]), Malformed),
        (&okp("").replace(x, &format!("{x}=")), Malformed),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#, Malformed),
        (r#"{"kty":"EC","x":"AA","y":"AA"}"#, Malformed),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, BadKey),
        (&off_curve, BadKey),
        (r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#, Unsupported),
        (r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, Unsupported),
        (r#"{"kty":"RSA","n":"0vx7","e":"AQAB"}"#, BadKey),
        (r#"{"kty":"RSA","crv":"P-256","n":"0vx7","e":"AQAB"}"#, BadKey),
        (r#"{"kty":"RSA","crv":"P-256","x":"AA","y":"AA"}"#, Malformed),
    ] {
        assert_eq!(rejection(json), kind, "{json}");
    }
}

#[test]
fn optional_and_unknown_members_do_not_change_the_key() {
    let key: Jwk = serde_json::from_str(RFC_8037).unwrap();
    for more in [
        r#""alg":"EdDSA","#,
        r#""use":"sig","#,
        r#""kid":"mine","#,
        // As WebCrypto exports a key.
        r#""ext":true,"key_ops":["verify"],"#,
        r#""x5c":[],"x5t":1,"x5u":null,"#,
        r#""y":"AA","n":"0vx7","e":null,"#,
        r#""D":"AA","\u0000":{"d":"AA"},"K":[[[]]],"#,
        r#""unknown":{"a":1,"a":2},"#,
    ] {
        let json = RFC_8037.replacen('{', &format!("{{{more}"), 1);
        let taken: Jwk = serde_json::from_str(&json).unwrap();
        assert_eq!(taken, key, "{json}");
        assert_eq!(taken.thumbprint(), key.thumbprint(), "{json}");
        assert_eq!(serde_json::to_string(&taken).unwrap(), serde_json::to_string(&key).unwrap());
    }
    let rsa: Jwk = serde_json::from_str(RFC_7638).unwrap();
    let with_curve = RFC_7638.replacen('{', r#"{"crv":"P-256","x":"AA","#, 1);
    assert_eq!(serde_json::from_str::<Jwk>(&with_curve).unwrap(), rsa);
}

/// The public keys of RFC 7517 appendix A.1, with their `use` and `kid`.
#[test]
fn public_keys_of_rfc_7517_are_accepted() {
    let ec = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;
    assert_eq!(rejection(ec), JoseErrorKind::BadKey, "its use is encryption, not signatures");
    let signing: Jwk = serde_json::from_str(&ec.replace("enc", "sig")).unwrap();
    assert_eq!(signing.algorithm(), Algorithm::Es256);
    let rsa: Jwk = serde_json::from_str(RFC_7638).unwrap();
    assert_eq!(rsa.algorithm(), Algorithm::Rs256);
    // Appendix A.2: the same key with its private member.
    let private =
        ec.replace(r#""use":"enc""#, r#""d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"sig""#);
    assert_eq!(rejection(&private), JoseErrorKind::PrivateKey);
}

#[test]
fn rsa_keys_of_2048_to_4096_bits_are_accepted() {
    let json = |n: &[u8], e: &str| format!(r#"{{"kty":"RSA","n":"{}","e":"{e}"}}"#, base64url::encode(n));
    for octets in [256, 384, 512] {
        let key: Jwk = serde_json::from_str(&json(&vec![0xff; octets], "AQAB")).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Rs256);
    }
    let leading_zero = [&[0], &[0xff; 256][..]].concat();
    let even = [&[0xff; 255][..], &[0xfe]].concat();
    for (n, e) in [
        (&[0xff; 256][..], "Aw"),
        (&[0xff; 128], "AQAB"),
        (&[0xff; 513], "AQAB"),
        (&leading_zero, "AQAB"),
        (&even, "AQAB"),
        (&[0xff; 256], ""),
    ] {
        assert_eq!(rejection(&json(n, e)), JoseErrorKind::BadKey);
    }
}
