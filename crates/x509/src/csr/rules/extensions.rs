//! Requested extensions: only those of a server certificate, each once, with only its values.

use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::der::{DerFault, Reader, check_document, oid, tag};
use crate::{CsrExtension, CsrPolicy};

const FIELD: &str = "extensionRequest";

/// Returns the GeneralNames of the subject alternative name extension, after checking all extensions.
pub(super) fn subject_alt_name<'a>(
    mut extensions: Reader<'a>,
    policy: &CsrPolicy,
) -> Result<Option<Reader<'a>>, CsrRefusal> {
    let mut seen = Vec::new();
    let mut names = None;
    while !extensions.is_empty() {
        let (kind, value) = extension(&mut extensions)?;
        if seen.contains(&kind) {
            let sentence = format!("The extension {} is requested twice.", oid::dotted(kind));
            return Err(CsrRefusal::new(Code::DuplicateExtension, FIELD, sentence));
        }
        let verdict = match kind {
            oid::SUBJECT_ALT_NAME => {
                check_document(value).map_err(CsrRefusal::der("subjectAltName"))?;
                names = Some(Reader::new(value).sequence().map_err(CsrRefusal::der("subjectAltName"))?);
                Verdict::Allowed
            }
            oid::TLS_FEATURE => Verdict::NotAllowed,
            _ if policy.leaves_out_surplus() => Verdict::Allowed,
            _ => match rule(kind) {
                Some((extension, rule)) if policy.allows_extension(extension) => judge(value, rule)?,
                _ => Verdict::NotAllowed,
            },
        };
        if let Verdict::NotAllowed = verdict {
            let sentence = format!("The extension {}, or its value, is not allowed.", oid::dotted(kind));
            return Err(CsrRefusal::new(Code::ExtensionNotAllowed, FIELD, sentence));
        }
        seen.push(kind);
    }
    Ok(names)
}

enum Verdict {
    Allowed,
    NotAllowed,
}

type Rule = fn(Reader<'_>) -> Result<Verdict, DerFault>;

fn rule(kind: &[u8]) -> Option<(CsrExtension, Rule)> {
    Some(match kind {
        oid::KEY_USAGE => (CsrExtension::KeyUsage, key_usage),
        oid::EXTENDED_KEY_USAGE => (CsrExtension::ExtendedKeyUsage, extended_key_usage),
        oid::BASIC_CONSTRAINTS => (CsrExtension::BasicConstraints, basic_constraints),
        _ => return None,
    })
}

/// Parses one Extension (RFC 5280 section 4.1): its identifier and the content of its OCTET STRING.
fn extension<'a>(extensions: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), CsrRefusal> {
    let parts = |extensions: &mut Reader<'a>| {
        let mut extension = extensions.sequence()?;
        let kind = extension.read(tag::OID)?.content;
        let critical = extension.optional(tag::BOOLEAN)?.map(|element| element.content);
        let value = extension.read(tag::OCTET_STRING)?.content;
        extension.finish()?;
        Ok((kind, critical, value))
    };
    match parts(extensions).map_err(CsrRefusal::der(FIELD))? {
        // FALSE is the default, and DER does not write defaults (X.690 section 11.5).
        (_, Some([0x00]), _) => Err(CsrRefusal::new(
            Code::NotDer,
            FIELD,
            "An extension says that it is not critical, which DER omits.",
        )),
        (kind, _, value) => Ok((kind, value)),
    }
}

fn judge(value: &[u8], rule: Rule) -> Result<Verdict, CsrRefusal> {
    check_document(value).and_then(|()| rule(Reader::new(value))).map_err(CsrRefusal::der(FIELD))
}

/// Checks for digitalSignature and keyEncipherment, either or both (RFC 5280 section 4.2.1.3).
fn key_usage(mut value: Reader<'_>) -> Result<Verdict, DerFault> {
    const DIGITAL_SIGNATURE: u8 = 0x80;
    const KEY_ENCIPHERMENT: u8 = 0x20;
    Ok(match value.read(tag::BIT_STRING)?.content {
        [unused, bits] if bits & !(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT) == 0 && *bits != 0 => {
            // A list of named bits ends with its last one bit (X.690 section 11.2.2).
            if u32::from(*unused) != bits.trailing_zeros() {
                return Err(DerFault::Malformed);
            }
            Verdict::Allowed
        }
        _ => Verdict::NotAllowed,
    })
}

/// Checks for serverAuth and nothing else (RFC 5280 section 4.2.1.12).
fn extended_key_usage(mut value: Reader<'_>) -> Result<Verdict, DerFault> {
    let mut purposes = value.sequence()?;
    let first = purposes.read(tag::OID)?.content;
    Ok(if first == oid::SERVER_AUTH && purposes.is_empty() { Verdict::Allowed } else { Verdict::NotAllowed })
}

/// Checks for an empty SEQUENCE, which is the DER of cA FALSE (RFC 5280 section 4.2.1.9).
fn basic_constraints(mut value: Reader<'_>) -> Result<Verdict, DerFault> {
    let mut constraints = value.sequence()?;
    if constraints.is_empty() {
        return Ok(Verdict::Allowed);
    }
    match constraints.optional(tag::BOOLEAN)?.map(|element| element.content) {
        Some([0x00]) => Err(DerFault::Malformed),
        _ => Ok(Verdict::NotAllowed),
    }
}
