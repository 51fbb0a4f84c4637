//! The subject: empty, or one common name that is one of the names.

use fleetcert_names::HostName;

use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code, quoted};
use crate::der::{DerFault, Element, Reader, oid, tag};

const FIELD: &str = "subject";
/// ub-common-name (RFC 5280 appendix A.1).
const MAX_COMMON_NAME: usize = 64;

pub(in super::super) fn subject(mut subject: Reader<'_>, names: &[HostName]) -> Result<(), CsrRefusal> {
    if subject.is_empty() {
        return Ok(());
    }
    let of = CsrRefusal::der(FIELD);
    let mut rdn = Reader::new(subject.read(tag::SET).map_err(&of)?.content);
    let (kind, value) = attribute(&mut rdn).map_err(&of)?;
    if !subject.is_empty() || !rdn.is_empty() || kind != oid::COMMON_NAME {
        return Err(refuse("The subject may have one common name and nothing else."));
    }
    let common_name = common_name(value).ok_or_else(|| {
        refuse("The common name must be 1 to 64 printable characters in a UTF8String or PrintableString.")
    })?;
    if names.iter().any(|name| name.as_str() == common_name.to_ascii_lowercase()) {
        return Ok(());
    }
    let sentence = format!("The common name {} is not one of the names.", quoted(common_name.as_bytes()));
    Err(CsrRefusal::new(Code::CommonNameMismatch, "commonName", sentence))
}

/// One AttributeTypeAndValue (RFC 5280 section 4.1.2.4).
fn attribute<'a>(rdn: &mut Reader<'a>) -> Result<(&'a [u8], Element<'a>), DerFault> {
    let mut attribute = rdn.sequence()?;
    let kind = attribute.read(tag::OID)?.content;
    let value = attribute.any()?;
    attribute.finish()?;
    Ok((kind, value))
}

fn common_name(value: Element<'_>) -> Option<&str> {
    let text = std::str::from_utf8(value.content).ok()?;
    let printable = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, ' ' | '\'' | '('..='/' | ':' | '=' | '?')
    };
    let fits = match value.tag {
        tag::UTF8_STRING => !text.contains(char::is_control),
        // `*` lies in the range above and is not printable in this sense (X.680 section 41.4).
        tag::PRINTABLE_STRING => text.chars().all(printable) && !text.contains('*'),
        _ => false,
    };
    (fits && (1..=MAX_COMMON_NAME).contains(&text.chars().count())).then_some(text)
}

fn refuse(sentence: &str) -> CsrRefusal {
    CsrRefusal::new(Code::SubjectNotAllowed, FIELD, sentence)
}
