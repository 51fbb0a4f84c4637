//! Writing elements.

use super::tag;

/// Returns one element from its tag and the parts of its content.
pub(crate) fn encode(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut element = Vec::with_capacity(length + 6);
    element.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let leading = octets.iter().take_while(|octet| **octet == 0).count();
            let octets = &octets[leading..];
            element.push(0x80 | octets.len() as u8);
            element.extend_from_slice(octets);
        }
    }
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// Returns an INTEGER from 0 to 127.
pub(crate) fn positive_small(number: u8) -> Vec<u8> {
    encode(tag::INTEGER, &[&[number & 0x7f]])
}

/// Returns NULL.
pub(crate) fn null() -> Vec<u8> {
    encode(tag::NULL, &[])
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    #[test]
    fn encoded_elements_are_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let written = encode(tag::OCTET_STRING, &[&content]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.any().unwrap().content, content);
            reader.finish().unwrap();
        }
    }
}
