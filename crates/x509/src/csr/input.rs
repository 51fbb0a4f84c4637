//! Extracts the DER document from the input.

use std::borrow::Cow;

use super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::der::{Reader, tag};
use crate::pem;

/// Maximum octets of the input, PEM or DER. A CSR for one name has some hundred.
const MAX_INPUT: usize = 16 * 1024;
/// The label and its old form (RFC 7468 section 7), which Java's keytool and Windows' certreq write.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const FIELD: &str = "request";

/// Returns the DER in `bytes` without parsing it, except to detect a private key.
pub(super) fn document(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CsrRefusal> {
    if bytes.len() > MAX_INPUT {
        return Err(CsrRefusal::new(Code::TooLarge, FIELD, "The CSR is larger than 16 KiB."));
    }
    // First of all: a key that was sent by mistake needs another answer than a malformed CSR.
    if contains(bytes, b"PRIVATE KEY-----") {
        return Err(private_key());
    }
    let der = match bytes.first() {
        Some(&tag::SEQUENCE) => Cow::Borrowed(bytes),
        Some(_) => Cow::Owned(only_block(bytes)?),
        None => return Err(CsrRefusal::new(Code::NotDer, FIELD, "The CSR is empty.")),
    };
    if is_private_key(&der) { Err(private_key()) } else { Ok(der) }
}

fn only_block(text: &[u8]) -> Result<Vec<u8>, CsrRefusal> {
    let mut blocks =
        pem::blocks(text, 1).map_err(|error| not_pem(&format!("The CSR is not one PEM block: {error}.")))?;
    match blocks.pop() {
        Some(block) if LABELS.contains(&block.label) => Ok(block.der.to_vec()),
        _ => Err(not_pem("The CSR is neither DER nor a PEM block CERTIFICATE REQUEST.")),
    }
}

/// Returns whether it begins like PKCS #8, RFC 5915 or RFC 8017. A CSR begins with a SEQUENCE, not with a version.
fn is_private_key(der: &[u8]) -> bool {
    let begins = |mut reader: Reader<'_>| {
        let mut key = Reader::new(reader.any().ok()?.content);
        let version = key.read(tag::INTEGER).ok()?.content;
        let next = key.any().ok()?;
        Some(match next.tag {
            tag::SEQUENCE => Reader::new(next.content).is_next(tag::OID),
            tag::OCTET_STRING => version == [1],
            tag::INTEGER => version == [0] && next.content.len() >= 64,
            _ => false,
        })
    };
    begins(Reader::new(der)).unwrap_or(false)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn not_pem(sentence: &str) -> CsrRefusal {
    CsrRefusal::new(Code::NotPem, FIELD, sentence)
}

fn private_key() -> CsrRefusal {
    let sentence =
        "A private key was sent instead of a CSR; it must be replaced, because it has left the device.";
    CsrRefusal::new(Code::PrivateKeySent, FIELD, sentence)
}
