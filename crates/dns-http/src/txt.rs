//! Texts in presentation form (RFC 1035 section 5.1), as most APIs write the content of TXT records.

use fleetcert_dns::TxtValue;

/// The value as quoted strings of at most 255 octets: `"first 255 octets" "the rest"`. Quotes and backslashes are
/// escaped with a backslash, what is not printable ASCII as `\DDD`.
pub(crate) fn quoted(value: &TxtValue) -> String {
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
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        text.push('"');
    }
    text
}

/// The value of a presentation form: strings with or without quotes, put together. `None` when it is none, or the
/// value is empty or too long. Characters that are not ASCII stand for their octets in UTF-8.
pub(crate) fn unquoted(text: &str) -> Option<TxtValue> {
    let mut octets = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    let mut inside_quotes = false;
    while let Some(octet) = left.next() {
        match octet {
            b'"' => inside_quotes = !inside_quotes,
            b'\\' => octets.push(escaped(&mut left)?),
            b' ' | b'\t' if !inside_quotes => {}
            _ => octets.push(octet),
        }
    }
    if inside_quotes { None } else { TxtValue::new(&octets).ok() }
}

/// What stands after a backslash: three digits, or the octet itself.
fn escaped(left: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = left.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, left.next()?, left.next()?];
    digits.iter().try_fold(0u8, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
