//! Attributes: one extension request with one value, and no other.

use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::CsrPolicy;
use crate::der::{Element, Reader, oid, tag};

const FIELD: &str = "attributes";

/// Returns the requested extensions; empty if none are requested.
pub(super) fn extension_request<'a>(
    mut attributes: Reader<'a>,
    policy: &CsrPolicy,
) -> Result<Reader<'a>, CsrRefusal> {
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence().map_err(CsrRefusal::der(FIELD))?;
        let kind = attribute.read(tag::OID).map_err(CsrRefusal::der(FIELD))?.content;
        let values = attribute.read(tag::SET).map_err(CsrRefusal::der(FIELD))?;
        attribute.finish().map_err(CsrRefusal::der(FIELD))?;
        if kind != oid::EXTENSION_REQUEST {
            if policy.leaves_out_surplus() {
                continue;
            }
            let sentence = format!("The CSR has the attribute {}.", oid::dotted(kind));
            return Err(CsrRefusal::new(Code::AttributeNotAllowed, FIELD, sentence));
        }
        if found.replace(only_value(values)?).is_some() {
            return Err(duplicate("There is more than one extension request."));
        }
    }
    Ok(found.unwrap_or(Reader::new(&[])))
}

fn only_value(values: Element<'_>) -> Result<Reader<'_>, CsrRefusal> {
    let mut values = Reader::new(values.content);
    if values.is_empty() {
        return Err(duplicate("The extension request has no value."));
    }
    let extensions = values.sequence().map_err(CsrRefusal::der(FIELD))?;
    match values.finish() {
        Ok(()) => Ok(extensions),
        Err(_) => Err(duplicate("The extension request has more than one value.")),
    }
}

fn duplicate(sentence: &str) -> CsrRefusal {
    CsrRefusal::new(Code::DuplicateAttribute, FIELD, sentence)
}
