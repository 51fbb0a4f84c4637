//! The tags that occur in CSRs, keys and certificates.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// `[0] IMPLICIT SET OF Attribute` (RFC 2986 section 4.1).
pub(crate) const ATTRIBUTES: u8 = 0xa0;
/// `[2] IMPLICIT IA5String`, the dNSName of a GeneralName (RFC 5280 section 4.2.1.6).
pub(crate) const DNS_NAME: u8 = 0x82;

/// Returns whether the content consists of elements.
pub(crate) fn is_constructed(tag: u8) -> bool {
    tag & 0x20 != 0
}

/// Returns whether the tag is of the universal class.
pub(crate) fn is_universal(tag: u8) -> bool {
    tag & 0xc0 == 0
}
