use super::*;
use proptest::prelude::*;

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="; // 0123456789abcdef, twice

fn fault(text: &str) -> (TsigKeyErrorKind, Option<usize>) {
    let error = TsigKey::parse(text).unwrap_err();
    (error.kind(), error.line())
}

#[test]
fn bind_form_is_parsed() {
    let texts = [
        format!("key \"Ddns.Key\" {{\n\talgorithm hmac-sha384;\n\tsecret \"{SECRET}\";\n}};\n"),
        format!("// made\n# by\n/* hand\n */ key ddns.key. {{ secret {SECRET}; algorithm HMAC-SHA384. ; }}"),
    ];
    for text in texts {
        let key = TsigKey::parse(&text).unwrap();
        assert_eq!((key.name().as_str(), key.algorithm()), ("ddns.key", TsigAlgorithm::HmacSha384));
        assert_eq!(key.secret.as_slice(), b"0123456789abcdef0123456789abcdef");
    }
}

#[test]
fn knot_form_is_parsed() {
    let text = format!(
        "# hmac-sha512:ddns:{SECRET}\n\nkey: # of keymgr\n  - id: ddns\n    algorithm: hmac-sha512\n    secret: \"{SECRET}\"\n"
    );
    let key: TsigKey = text.parse().unwrap();
    assert_eq!((key.name().as_str(), key.algorithm()), ("ddns", TsigAlgorithm::HmacSha512));
    assert_eq!(key.secret.len(), 32);
}

#[test]
fn key_of_a_complete_knot_conf_is_parsed() {
    let text = format!(
        "server:\n    listen: 127.0.0.1@53\n\nkey:\n- id: ddns\n  algorithm: hmac-sha256\n  secret: {SECRET}\n\nacl:\n  - id: a\n    key: ddns\n    action: update\n"
    );
    let key = TsigKey::parse(&text).unwrap();
    assert_eq!((key.name().as_str(), key.algorithm()), ("ddns", TsigAlgorithm::HmacSha256));
    assert_eq!(
        fault("server:\n    listen: 127.0.0.1@53\nkey:\nacl:\n  - id: a\n"),
        (TsigKeyErrorKind::NoKey, Some(3))
    );
}

#[test]
fn line_form_is_parsed() {
    for (text, algorithm) in [
        (format!("hmac-sha384:Ddns.Key.:{SECRET}\n"), TsigAlgorithm::HmacSha384),
        (format!("# keymgr\n\n  ddns.key:{SECRET}"), TsigAlgorithm::HmacSha256),
    ] {
        let key = TsigKey::parse(&text).unwrap();
        assert_eq!((key.name().as_str(), key.algorithm()), ("ddns.key", algorithm));
        assert_eq!(key.secret.as_slice(), b"0123456789abcdef0123456789abcdef");
    }
}

#[test]
fn invalid_lines_are_rejected() {
    use TsigKeyErrorKind::*;
    assert_eq!(fault(&format!("hmac-md5:a:{SECRET}")), (UnsupportedAlgorithm, Some(1)));
    assert_eq!(fault(&format!("\nhmac-sha256:a..b:{SECRET}")), (Name, Some(2)));
    assert_eq!(fault("hmac-sha256:a:*"), (SecretEncoding, Some(1)));
    assert_eq!(fault("a:QQ=="), (SecretLength, Some(1)));
    assert_eq!(fault("a:b:c:d"), (Syntax, Some(1)));
    assert_eq!(fault(&format!("a:{SECRET}\nb:{SECRET}")), (SeveralKeys, Some(2)));
}

/// Neither an error nor its debug output contains a part of the secret.
#[test]
fn errors_do_not_show_the_secret() {
    let texts = [
        format!("key a {{ algorithm hmac-md5; secret \"{SECRET}\"; }};"),
        format!("key a {{ algorithm hmac-sha256; secret \"{SECRET}*\"; }};"),
        format!("key a {{ algorithm hmac-sha256; secret \"{SECRET}\"; secret \"{SECRET}\"; }};"),
        format!("key {SECRET}"),
        format!("key:\n- id: a\n  algorithm: hmac-sha256\n  {SECRET}: secret\n"),
        format!("key:\n- id: a\n  algorithm: {SECRET}\n  secret: {SECRET}\n"),
        format!("{SECRET}:hmac-sha256:a"),
        format!("hmac-sha256:a:{SECRET}:{SECRET}"),
        SECRET.to_owned(),
    ];
    for text in texts {
        let error = TsigKey::parse(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&SECRET[..8]), "{shown}");
    }
}

#[test]
fn errors_have_the_line() {
    use TsigKeyErrorKind::*;
    assert_eq!(fault(""), (NoKey, Some(1)));
    assert_eq!(fault("key:\n"), (NoKey, Some(1)));
    assert_eq!(fault("options {};"), (Syntax, Some(1)));
    assert_eq!(fault("key a {\n algorithm hmac-md5;\n secret \"\";\n};"), (UnsupportedAlgorithm, Some(2)));
    assert_eq!(fault("key a {\n algorithm hmac-sha256;\n secret \"*\";\n};"), (SecretEncoding, Some(3)));
    assert_eq!(fault("key a {\n algorithm hmac-sha256;\n secret \"QQ==\";\n};"), (SecretLength, Some(3)));
    assert_eq!(fault("key a {\n algorithm hmac-sha256;\n};"), (Incomplete, Some(3)));
    assert_eq!(fault("key a {\n algorithm hmac-sha256\n"), (Syntax, Some(3)));
    assert_eq!(fault("key a {\n secret \"QQ\n==\";"), (Syntax, Some(2)));
    assert_eq!(fault("/* no end\n"), (Syntax, Some(1)));
    let named = |name: &str| format!("\nkey \"{name}\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
    assert_eq!(fault(&named("a..b")), (Name, Some(2)));
    assert_eq!(fault(&(named("a") + &named("b"))), (SeveralKeys, Some(4)));
    assert_eq!(fault("key:\n- id: a\n- id: b\n"), (SeveralKeys, Some(3)));
    assert_eq!(fault("key:\n- id: a\n  id: b\n"), (Syntax, Some(3)));
    assert_eq!(fault(&"#".repeat(16 * 1024 + 1)), (TooLong, None));
}

#[test]
fn debug_does_not_show_the_secret() {
    let key = TsigKey::new("a".parse().unwrap(), TsigAlgorithm::HmacSha256, b"0123456789abcdef").unwrap();
    assert_eq!(format!("{key:?}"), "TsigKey { name: DomainName(a), algorithm: HmacSha256, .. }");
}

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text: String) {
        let _ = TsigKey::parse(&text);
        let _ = TsigKey::parse(&format!("key:\n{text}"));
        let _ = TsigKey::parse(&format!("key a {{ {text}"));
        let _ = TsigKey::parse(&format!("hmac-sha256:{text}"));
    }

    #[test]
    fn shuffled_tokens_do_not_panic(words in prop::collection::vec(
        prop::sample::select(vec!["key", "\"", "a", "{", "}", ";", "algorithm", "hmac-sha256", "secret", "/*", "*/", "#", "\n", "é"]), 0..24)
    ) {
        let _ = TsigKey::parse(&words.join(" "));
        let _ = TsigKey::parse(&words.concat());
    }
}
