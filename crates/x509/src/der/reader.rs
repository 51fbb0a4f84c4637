//! Reading elements one after another.

use super::tag;

/// Why bytes are not the expected DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DerFault {
    /// Cut off, not minimal, indefinite, or another element than expected.
    Malformed,
    /// The structure is complete, but more follows.
    Trailing,
    /// Nested deeper than supported.
    TooDeep,
}

/// One element: tag, content, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// The remaining elements of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that nothing follows.
    pub(crate) fn finish(self) -> Result<(), DerFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerFault::Trailing) }
    }

    /// Reads the next element.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, DerFault> {
        let (header, length) = header(self.rest)?;
        let end = header.checked_add(length).ok_or(DerFault::Malformed)?;
        let (raw, rest) = self.rest.split_at_checked(end).ok_or(DerFault::Malformed)?;
        self.rest = rest;
        Ok(Element { tag: raw[0], content: &raw[header..], raw })
    }

    /// Reads the next element, which must have this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Result<Element<'a>, DerFault> {
        if self.is_next(tag) { self.any() } else { Err(DerFault::Malformed) }
    }

    /// Reads the next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerFault> {
        if self.is_next(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Reads the content of the next element, which must be a SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Result<Self, DerFault> {
        self.read(tag::SEQUENCE).map(|element| Self::new(element.content))
    }

    /// Reads the octets of the next element, which must be a BIT STRING of whole octets.
    pub(crate) fn octets_of_bits(&mut self) -> Result<&'a [u8], DerFault> {
        match self.read(tag::BIT_STRING)?.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(DerFault::Malformed),
        }
    }

    pub(crate) fn is_next(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }
}

/// Parses the length of the header and of the content, which are numbers from the input.
fn header(bytes: &[u8]) -> Result<(usize, usize), DerFault> {
    let (tag, first) = match bytes {
        // Five set low bits would begin a tag number of several octets, which does not occur here.
        [tag, first, ..] if tag & 0x1f != 0x1f => (*tag, *first),
        _ => return Err(DerFault::Malformed),
    };
    if tag == 0 {
        return Err(DerFault::Malformed);
    }
    let count = match first {
        0..=0x7f => return Ok((2, usize::from(first))),
        // 0x80 is the indefinite form; four octets of length exceed any input.
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => return Err(DerFault::Malformed),
    };
    let octets = bytes.get(2..2 + count).ok_or(DerFault::Malformed)?;
    let length = octets.iter().fold(0u32, |length, octet| length << 8 | u32::from(*octet));
    if octets[0] == 0 || length < 0x80 {
        return Err(DerFault::Malformed);
    }
    Ok((2 + count, usize::try_from(length).map_err(|_| DerFault::Malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(bytes: &[u8]) -> Result<usize, DerFault> {
        Reader::new(bytes).any().map(|element| element.content.len())
    }

    #[test]
    fn only_minimal_lengths_are_accepted() {
        assert_eq!(any(&[0x30, 0x00]), Ok(0));
        assert_eq!(any(&[&[0x04, 0x81, 0x80][..], &[0; 0x80]].concat()), Ok(0x80));
        assert_eq!(any(&[&[0x04, 0x82, 0x01, 0x00][..], &[0; 0x100]].concat()), Ok(0x100));
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x81, 0x01, 0x00],
            &[0x30, 0x82, 0x00, 0x81],
            &[0x30, 0x84, 0x00, 0x00, 0x00, 0x01, 0x00],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff],
            &[0x1f, 0x01, 0x00],
            &[0x00, 0x00],
        ] {
            assert_eq!(any(bad), Err(DerFault::Malformed), "{bad:02x?}");
        }
    }
}
