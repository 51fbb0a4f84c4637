//! Texts in presentation form (RFC 1035 section 5.1), as most APIs write the content of TXT records.

use fleetcert_dns::TxtValue;

/// In which numbers octets are written that are not printable ASCII. All have three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digits {
    /// `\DDD`, as in zone files.
    Decimal,
    /// `\OOO`, as Amazon Route 53 has it.
    #[cfg_attr(not(feature = "route53"), allow(dead_code, reason = "only Route 53 has it"))]
    Octal,
}

/// Returns the value as quoted strings of at most 255 octets: `"first 255 octets" "the rest"`. Quotes and backslashes are
/// escaped with a backslash, what is not printable ASCII as `\DDD`.
#[cfg(any(feature = "__spelling", feature = "cloudflare", feature = "powerdns"))]
pub(crate) fn quoted(value: &TxtValue) -> String {
    quoted_in(Digits::Decimal, value)
}

/// As [`quoted`], in these digits.
#[cfg(any(feature = "__spelling", feature = "cloudflare", feature = "powerdns"))]
pub(crate) fn quoted_in(digits: Digits, value: &TxtValue) -> String {
    let mut text = String::with_capacity(value.as_bytes().len() + 8);
    for string in value.strings() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push('"');
        for &octet in string {
            match octet {
                b'"' | b'\\' => text.extend(['\\', char::from(octet)]),
                b' '..=b'~' => text.push(char::from(octet)),
                _ => text.push_str(&match digits {
                    Digits::Decimal => format!("\\{octet:03}"),
                    Digits::Octal => format!("\\{octet:03o}"),
                }),
            }
        }
        text.push('"');
    }
    text
}

/// The value of a presentation form: strings with or without quotes, put together. `None` when it is none, or the
/// value is empty or too long. Characters that are not ASCII stand for their octets in UTF-8.
pub(crate) fn unquoted(text: &str) -> Option<TxtValue> {
    unquoted_in(Digits::Decimal, text)
}

/// As [`unquoted`], in these digits.
pub(crate) fn unquoted_in(digits: Digits, text: &str) -> Option<TxtValue> {
    let mut octets = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    let mut inside_quotes = false;
    while let Some(octet) = left.next() {
        match octet {
            b'"' => inside_quotes = !inside_quotes,
            b'\\' => octets.push(escaped(digits, &mut left)?),
            b' ' | b'\t' if !inside_quotes => {}
            _ => octets.push(octet),
        }
    }
    if inside_quotes { None } else { TxtValue::new(&octets).ok() }
}

/// What stands after a backslash: three digits, or the octet itself.
fn escaped(base: Digits, left: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = left.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, left.next()?, left.next()?];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let radix = match base {
        Digits::Decimal => 10,
        Digits::Octal => 8,
    };
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        for (octets, text) in [
            (b"gfj9Xq-Rg85nM_".as_slice(), r#""gfj9Xq-Rg85nM_""#),
            (br#"a"b\c d"#, r#""a\"b\\c d""#),
            (b"\x00\xff\x7f\n", r#""\000\255\127\010""#),
        ] {
            let value = TxtValue::new(octets).unwrap();
            assert_eq!(quoted(&value), text);
            assert_eq!(unquoted(text), Some(value));
        }
        let long = TxtValue::new(&[b'a'; 300]).unwrap();
        assert_eq!(quoted(&long), format!("\"{}\" \"{}\"", "a".repeat(255), "a".repeat(45)));
        assert_eq!(unquoted(&quoted(&long)), Some(long));
    }

    #[test]
    fn what_servers_write() {
        for (text, value) in [
            ("bare", "bare"),
            ("two words", "twowords"),
            (r#""a" "b""#, "ab"),
            (r#""a""b""#, "ab"),
            ("\"ä\"", "ä"),
        ] {
            assert_eq!(unquoted(text), Some(value.parse().unwrap()), "{text}");
        }
        for text in ["", "\"\"", "\"a", "a\\", r"\25", r"\256", r"\2x5", &"a".repeat(1025)] {
            assert_eq!(unquoted(text), None, "{text}");
        }
    }

    #[test]
    fn octal() {
        let value = TxtValue::new(b"\x00\xff\n\"").unwrap();
        let text = r#""\000\377\012\"""#;
        assert_eq!(quoted_in(Digits::Octal, &value), text);
        assert_eq!(unquoted_in(Digits::Octal, text), Some(value));
        for text in [r"\400", r"\189", r"\37"] {
            assert_eq!(unquoted_in(Digits::Octal, text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(octets in prop::collection::vec(any::<u8>(), 1..=1024)) {
            let value = TxtValue::new(&octets).unwrap();
            for digits in [Digits::Decimal, Digits::Octal] {
                let text = quoted_in(digits, &value);
                prop_assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
                prop_assert_eq!(unquoted_in(digits, &text), Some(value.clone()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (unquoted_in(Digits::Decimal, &text), unquoted_in(Digits::Octal, &text));
        }
    }
}
