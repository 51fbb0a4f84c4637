//! Entry points for the fuzz targets, which test internal parts.

use crate::csr::CsrPolicy;
use crate::der::{Reader, check_document, encode, tag};

/// Parses a document and encodes it again; `None` if it is not strict DER.
pub fn written_again(bytes: &[u8]) -> Option<Vec<u8>> {
    check_document(bytes).ok()?;
    elements(bytes)
}

fn elements(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut written = Vec::new();
    while !reader.is_empty() {
        let element = reader.any().ok()?;
        let inner = if tag::is_constructed(element.tag) {
            elements(element.content)?
        } else {
            element.content.to_vec()
        };
        written.extend(encode(element.tag, &[&inner]));
    }
    Some(written)
}

/// Runs all rules of the gate except those of the key and the signature, and then parses the key.
pub fn rules_without_signature(bytes: &[u8], policy: &CsrPolicy) {
    crate::csr::rules_without_signature(bytes, policy);
}

/// Parses text as PEM blocks.
pub fn pem_blocks(bytes: &[u8]) {
    let _ = crate::pem::blocks(bytes, 10);
}
