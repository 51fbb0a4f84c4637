//! The check of a whole document before it is parsed.

use super::{DerFault, Reader, tag};

/// Maximum nesting. Seven levels are usual in a CSR.
const MAX_DEPTH: usize = 16;

/// Checks that `document` is exactly one element, and completely in DER.
///
/// Enters every constructed element, at most 16 levels deep; every universal primitive must be in its one DER form.
/// The content of an OCTET STRING or a BIT STRING is not entered.
pub(crate) fn check_document(document: &[u8]) -> Result<(), DerFault> {
    let mut top = Reader::new(document);
    top.any()?;
    top.finish()?;

    let mut open = vec![Reader::new(document)];
    while let Some(reader) = open.last_mut() {
        if reader.is_empty() {
            open.pop();
            continue;
        }
        let element = reader.any()?;
        if !is_canonical(element.tag, element.content) {
            return Err(DerFault::Malformed);
        }
        if tag::is_constructed(element.tag) {
            if open.len() > MAX_DEPTH {
                return Err(DerFault::TooDeep);
            }
            open.push(Reader::new(element.content));
        }
    }
    Ok(())
}

fn is_canonical(tag: u8, content: &[u8]) -> bool {
    match tag {
        tag::BOOLEAN => matches!(content, [0x00 | 0xff]),
        tag::INTEGER => match content {
            [] => false,
            [0x00, second, ..] => second & 0x80 != 0,
            [0xff, second, ..] => second & 0x80 == 0,
            _ => true,
        },
        tag::BIT_STRING => match content {
            [unused, .., last] => *unused < 8 && last.trailing_zeros() >= u32::from(*unused),
            [unused] => *unused == 0,
            [] => false,
        },
        tag::NULL => content.is_empty(),
        tag::OID => {
            let begins_arc = |at: usize| at == 0 || content[at - 1] & 0x80 == 0;
            content.last().is_some_and(|last| last & 0x80 == 0)
                && content.iter().enumerate().all(|(at, octet)| *octet != 0x80 || !begins_arc(at))
        }
        tag::SEQUENCE | tag::SET => true,
        // A string in pieces, or a primitive SEQUENCE.
        other if tag::is_universal(other) => {
            !tag::is_constructed(other) && other != tag::SEQUENCE & 0x1f && other != tag::SET & 0x1f
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;

    #[test]
    fn canonical_values_are_accepted() {
        for good in [
            &[0x30, 0x00][..],
            &[0x02, 0x01, 0x00],
            &[0x02, 0x02, 0x00, 0x80],
            &[0x02, 0x01, 0xff],
            &[0x02, 0x02, 0xff, 0x7f],
            &[0x03, 0x02, 0x07, 0x80],
            &[0x01, 0x01, 0xff],
            &[0x06, 0x03, 0x55, 0x04, 0x03],
            &[0x06, 0x03, 0x81, 0x80, 0x01],
            &[0x82, 0x00],
        ] {
            assert_eq!(check_document(good), Ok(()), "{good:02x?}");
        }
    }

    #[test]
    fn alternative_forms_of_a_value_are_rejected() {
        for bad in [
            &[0x02, 0x00][..],
            &[0x02, 0x02, 0x00, 0x7f],
            &[0x02, 0x02, 0xff, 0x80],
            &[0x03, 0x00],
            &[0x03, 0x01, 0x01],
            &[0x03, 0x02, 0x07, 0xc0],
            &[0x03, 0x02, 0x08, 0x00],
            &[0x01, 0x01, 0x01],
            &[0x01, 0x00],
            &[0x05, 0x01, 0x00],
            &[0x06, 0x00],
            &[0x06, 0x02, 0x55, 0x80],
            &[0x06, 0x02, 0x80, 0x01],
            &[0x06, 0x03, 0x55, 0x80, 0x01],
            &[0x24, 0x03, 0x04, 0x01, 0x00],
            &[0x10, 0x00],
            &[0x11, 0x00],
        ] {
            assert_eq!(check_document(bad), Err(DerFault::Malformed), "{bad:02x?}");
        }
    }

    #[test]
    fn depth_and_trailing_bytes_are_checked() {
        let nested =
            |levels: usize| (0..levels).fold(Vec::new(), |inner, _| encode(tag::SEQUENCE, &[&inner]));
        assert_eq!(check_document(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_document(&nested(MAX_DEPTH + 1)), Err(DerFault::TooDeep));
        assert_eq!(check_document(&nested(4000)), Err(DerFault::TooDeep));
        assert_eq!(check_document(&[0x30, 0x00, 0x00]), Err(DerFault::Trailing));
    }
}
