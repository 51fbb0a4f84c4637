//! The parts of a CSR (RFC 2986 section 4), borrowed and unchecked.

use super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::der::{Reader, check_document, tag};

#[derive(Debug)]
pub(super) struct CertificationRequest<'a> {
    /// CertificationRequestInfo: the bytes that are signed.
    pub(super) signed: &'a [u8],
    /// Content of the subject.
    pub(super) subject: Reader<'a>,
    /// SubjectPublicKeyInfo.
    pub(super) spki: &'a [u8],
    /// Content of the attributes; empty if there are none.
    pub(super) attributes: Reader<'a>,
    /// AlgorithmIdentifier of the signature.
    pub(super) signature_algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> CertificationRequest<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CsrRefusal> {
        let of = CsrRefusal::der;
        check_document(der).map_err(of("request"))?;
        let mut request = Reader::new(der).sequence().map_err(of("request"))?;
        let signed = request.read(tag::SEQUENCE).map_err(of("certificationRequestInfo"))?;
        let signature_algorithm = request.read(tag::SEQUENCE).map_err(of("signatureAlgorithm"))?.raw;
        let signature = request.octets_of_bits().map_err(of("signature"))?;
        request.finish().map_err(of("request"))?;

        let mut info = Reader::new(signed.content);
        match info.read(tag::INTEGER) {
            Ok(version) if version.content == [0] => {}
            _ => return Err(CsrRefusal::new(Code::BadVersion, "version", "The version of a CSR must be 0.")),
        }
        let subject = info.sequence().map_err(of("subject"))?;
        let spki = info.read(tag::SEQUENCE).map_err(of("subjectPKInfo"))?.raw;
        let attributes = info.optional(tag::ATTRIBUTES).map_err(of("attributes"))?;
        info.finish().map_err(of("certificationRequestInfo"))?;

        Ok(Self {
            signed: signed.raw,
            subject,
            spki,
            attributes: Reader::new(attributes.map_or(&[], |element| element.content)),
            signature_algorithm,
            signature,
        })
    }
}
