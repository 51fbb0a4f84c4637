//! Subject: empty, or one common name that is one of the names.

use fleetcert_names::IdentifierSet;

use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code, quoted};
use crate::der::{DerFault, Element, Reader, oid, tag};
use crate::{CsrPolicy, SubjectRule};

const FIELD: &str = "subject";
/// ub-common-name (RFC 5280 appendix A.1).
const MAX_COMMON_NAME: usize = 64;

pub(super) fn subject(
    mut subject: Reader<'_>,
    names: &IdentifierSet,
    policy: &CsrPolicy,
) -> Result<(), CsrRefusal> {
    if subject.is_empty() {
        return Ok(());
    }
    match policy.subject() {
        SubjectRule::Empty => Err(refuse("The subject is not empty.")),
        SubjectRule::CommonName => only_common_name(subject, names),
        SubjectRule::Any => {
            while !subject.is_empty() {
                relative_name(&mut subject, names)?;
            }
            Ok(())
        }
    }
}

fn only_common_name(mut subject: Reader<'_>, names: &IdentifierSet) -> Result<(), CsrRefusal> {
    let of = CsrRefusal::der(FIELD);
    let mut rdn = Reader::new(subject.read(tag::SET).map_err(&of)?.content);
    let (kind, value) = attribute(&mut rdn).map_err(&of)?;
    if !subject.is_empty() || !rdn.is_empty() || kind != oid::COMMON_NAME {
        return Err(refuse("The subject has something other than one common name."));
    }
    is_one_of_the_names(value, names)
}

/// Checks one RelativeDistinguishedName of any attributes.
fn relative_name(subject: &mut Reader<'_>, names: &IdentifierSet) -> Result<(), CsrRefusal> {
    let of = CsrRefusal::der(FIELD);
    let mut rdn = Reader::new(subject.read(tag::SET).map_err(&of)?.content);
    // At least one attribute is required (RFC 5280 appendix A.1).
    loop {
        let (kind, value) = attribute(&mut rdn).map_err(&of)?;
        if kind == oid::COMMON_NAME {
            is_one_of_the_names(value, names)?;
        }
        if rdn.is_empty() {
            return Ok(());
        }
    }
}

fn is_one_of_the_names(value: Element<'_>, names: &IdentifierSet) -> Result<(), CsrRefusal> {
    let common_name = common_name(value).ok_or_else(|| {
        refuse("The common name is not 1 to 64 printable characters in a UTF8String or PrintableString.")
    })?;
    let lower_case = common_name.to_ascii_lowercase();
    if names.iter().any(|name| name.as_str() == lower_case) {
        return Ok(());
    }
    let sentence = format!("The common name {} is not one of the names.", quoted(common_name.as_bytes()));
    Err(CsrRefusal::new(Code::CommonNameMismatch, "commonName", sentence))
}

/// Parses one AttributeTypeAndValue (RFC 5280 section 4.1.2.4).
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
        // `*` is in the range above, but is not a PrintableString character (X.680 section 41.4).
        tag::PRINTABLE_STRING => text.chars().all(printable) && !text.contains('*'),
        _ => false,
    };
    (fits && (1..=MAX_COMMON_NAME).contains(&text.chars().count())).then_some(text)
}

fn refuse(sentence: &str) -> CsrRefusal {
    CsrRefusal::new(Code::SubjectNotAllowed, FIELD, sentence)
}
