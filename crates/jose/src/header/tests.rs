use super::*;
use crate::KeyPair;
use proptest::prelude::*;

const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn rejection(json: &str) -> JoseErrorKind {
    match ProtectedHeader::parse(json.as_bytes()) {
        Ok(header) => panic!("{header:?} was accepted"),
        Err(error) => error.kind(),
    }
}

#[test]
fn invalid_header_is_rejected_with_its_kind() {
    use JoseErrorKind::{BadKey, Malformed, PrivateKey, Unsupported};
    let kid = |more: &str| format!(r#"{{"alg":"EdDSA","kid":"k"{more}}}"#);
    let jwk = |alg: &str, jwk: &str| format!(r#"{{"alg":"{alg}","jwk":{jwk}}}"#);
    let private = JWK.replacen('{', r#"{"d":"AA","#, 1);
    for (json, kind) in [
        ("", Malformed),
        ("{}", Malformed),
        ("[]", Malformed),
        ("null", Malformed),
        (r#"["EdDSA",null,"k",null,null,null]"#, Malformed),
        (r#"{"alg":"none","kid":"k"}"#, Unsupported),
        (r#"{"alg":"None","kid":"k"}"#, Unsupported),
        (r#"{"alg":"","kid":"k"}"#, Unsupported),
        (r#"{"alg":"ES512","kid":"k"}"#, Unsupported),
        (r#"{"alg":"PS256","kid":"k"}"#, Unsupported),
        (r#"{"alg":"eddsa","kid":"k"}"#, Unsupported),
        (r#"{"alg":1,"kid":"k"}"#, Malformed),
        (r#"{"alg":null,"kid":"k"}"#, Malformed),
        (r#"{"alg":{"EdDSA":null},"kid":"k"}"#, Malformed),
        (r#"{"kid":"k"}"#, Malformed),
        (r#"{"alg":"EdDSA"}"#, Malformed),
        (r#"{"alg":"EdDSA","kid":1}"#, Malformed),
        (r#"{"alg":"EdDSA","kid":null}"#, Malformed),
        (r#"{"alg":"EdDSA","kid":""}"#, Malformed),
        (r#"{"alg":"EdDSA","kid":"a\nb"}"#, Malformed),
        (r#"{"alg":"EdDSA","kid":"a\u0085b"}"#, Malformed),
        (&kid(r#","alg":"EdDSA""#), Malformed),
        (&kid(r#","kid":"l""#), Malformed),
        (&kid(r#","jwk":null"#), Malformed),
        (&kid(r#","nonce":null"#), Malformed),
        (&kid(r#","url":null"#), Malformed),
        (&kid(r#","typ":null"#), Malformed),
        (&kid(r#","crit":["exp"]"#), Malformed),
        (&kid(r#","crit":["exp"],"exp":1363284000"#), Malformed),
        (&kid(r#","crit":[]"#), Malformed),
        (&kid(r#","crit":null"#), Malformed),
        (&kid(r#","crit":["alg"]"#), Malformed),
        (&kid(r#","b64":true"#), Malformed),
        (&kid(r#","x5t":"AA""#), Malformed),
        (&kid(r##","x5t#S256":"AA""##), Malformed),
        (&kid(r#","unknown":1,"unknown":1"#), Malformed),
        (&kid(r#","b64":false"#), Malformed),
        (&kid(r#","jku":"https://evil/""#), Malformed),
        (&kid(r#","x5u":"https://evil/""#), Malformed),
        (&kid(r#","x5c":[]"#), Malformed),
        (&kid(r#","zip":"DEF""#), Malformed),
        (&kid(r#","nonce":1"#), Malformed),
        (&kid(r#","nonce":"""#), Malformed),
        (&kid(r#","nonce":"n""#), Malformed),
        (&kid(r#","nonce":"no base64url!""#), Malformed),
        (&kid(r#","nonce":"bm9uY2U=""#), Malformed),
        (&kid(r#","nonce":"bm9+Y2/V""#), Malformed),
        (&kid(r#","url":["https://x/"]"#), Malformed),
        (&kid(r#","url":"""#), Malformed),
        (&kid(r#","url":"https://x/\r\n""#), Malformed),
        (&kid(r#","typ":"\u0000""#), Malformed),
        (&kid("").repeat(2), Malformed),
        (&format!(r#"{{"alg":"EdDSA","kid":"k","jwk":{JWK}}}"#), Malformed),
        (&jwk("EdDSA", r#""k""#), Malformed),
        (&jwk("EdDSA", "{}"), Malformed),
        (&jwk("EdDSA", r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#), BadKey),
        (&jwk("EdDSA", r#"{"kty":"EC","crv":"P-521","x":"AAAA","y":"AAAA"}"#), Unsupported),
        (&jwk("EdDSA", &private), PrivateKey),
        (&jwk("none", &private), PrivateKey),
        (&jwk("ES256", JWK), Unsupported),
        (&jwk("RS256", JWK), Unsupported),
        (&jwk("HS256", JWK), Unsupported),
        (&jwk("HS256", r#"{"kty":"oct","k":"AAAA"}"#), PrivateKey),
    ] {
        assert_eq!(rejection(json), kind, "{json}");
    }
}

#[test]
fn member_over_its_limit_is_too_large() {
    let with = |member: &str, value: &str| match member {
        "kid" => format!(r#"{{"alg":"EdDSA","kid":"{value}"}}"#),
        _ => format!(r#"{{"alg":"EdDSA","kid":"k","{member}":"{value}"}}"#),
    };
    for (member, limit) in [("kid", MAX_KID), ("nonce", MAX_NONCE), ("url", MAX_URL), ("typ", MAX_TYP)] {
        assert!(ProtectedHeader::parse(with(member, &"A".repeat(limit)).as_bytes()).is_ok(), "{member}");
        let above = with(member, &"A".repeat(limit + 1));
        assert_eq!(rejection(&above), JoseErrorKind::TooLarge, "{member}");
    }
    let padded = |octets: usize| format!("{:octets$}", with("kid", "k"));
    assert!(ProtectedHeader::parse(padded(MAX_HEADER).as_bytes()).is_ok());
    assert_eq!(rejection(&padded(MAX_HEADER + 1)), JoseErrorKind::TooLarge);
}

/// RFC 7515 section 4: unknown parameters are ignored.
#[test]
fn unknown_parameters_are_ignored() {
    let plain = ProtectedHeader::parse(br#"{"alg":"EdDSA","kid":"k"}"#).unwrap();
    for more in [
        r#""cty":"json""#,
        r#""exp":1363284000"#,
        // The example of RFC 7515 section 4.1.11, without its `crit`.
        r#""http://openid.net/spec/exp":1363284000"#,
        r#""Crit":["exp"],"CRIT":null"#,
        r#""unknown":{"a":1,"a":2},"list":[[{}]],"null":null"#,
        r#""d":"AA","JWK":{}"#,
    ] {
        let json = format!(r#"{{"alg":"EdDSA",{more},"kid":"k"}}"#);
        assert_eq!(ProtectedHeader::parse(json.as_bytes()).unwrap(), plain, "{json}");
    }
    // They count towards the limit of the whole header.
    let long = format!(r#"{{"alg":"EdDSA","kid":"k","unknown":"{}"}}"#, "x".repeat(MAX_HEADER));
    assert_eq!(rejection(&long), JoseErrorKind::TooLarge);
}

/// Headers as other ACME clients send them: RSA keys, members in any order, white space; and external account binding,
/// which has no nonce (RFC 8555 section 7.3.4).
#[test]
fn headers_of_other_clients_are_parsed() {
    for octets in [256, 512] {
        let n = base64url::encode(&vec![0xff; octets]);
        let json = format!(
            r#"{{"nonce":"bm9uY2U", "url":"https://ca/x", "jwk":{{"n":"{n}","kty":"RSA","e":"AQAB"}}, "alg":"RS256"}}"#
        );
        let header = ProtectedHeader::parse(json.as_bytes()).unwrap();
        assert_eq!(header.alg, Algorithm::Rs256);
        assert!(matches!(&header.key, KeyReference::Jwk(key) if key.algorithm() == Algorithm::Rs256));
    }
    let account =
        r#"{"alg":"RS256","kid":"https://ca.test/acct/1","nonce":"bm9uY2U","url":"https://ca.test/o"}"#;
    let header = ProtectedHeader::parse(account.as_bytes()).unwrap();
    assert_eq!(header.key, KeyReference::Kid("https://ca.test/acct/1".into()));
    let binding = r#"{"alg":"HS256","kid":"V6iRR0p3","url":"https://ca.test/new-account"}"#;
    let header = ProtectedHeader::parse(binding.as_bytes()).unwrap();
    assert_eq!((header.alg, header.nonce), (Algorithm::Hs256, None));
}

proptest! {
    #[test]
    fn header_survives_a_round_trip_through_json(
        shown: bool,
        nonce in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..64)),
        url in proptest::option::of("[ -~]{1,80}"),
        typ in proptest::option::of("[a-z+]{1,20}"),
        kid in "\\PC{1,40}",
    ) {
        let key = KeyPair::generate(Algorithm::EdDsa).unwrap();
        let reference = if shown { KeyReference::Jwk(key.jwk().clone()) } else { KeyReference::Kid(kid) };
        let header = ProtectedHeader {
            nonce: nonce.map(|octets| base64url::encode(&octets)),
            url,
            typ,
            ..ProtectedHeader::new(&key, reference)
        };
        prop_assert_eq!(ProtectedHeader::parse(&header.to_json()).unwrap(), header);
    }
}
