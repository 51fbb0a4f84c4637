//! The link from a certificate to its issuer.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::X509Error;
use crate::der::{DerFault, Reader};

/// Parses exactly one certificate.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(X509Error::malformed("there are bytes after the end of the certificate")),
        Err(error) => Err(X509Error::malformed("the data is not a certificate").because(error.to_string())),
    }
}

/// Returns whether `subject` names `issuer` as its issuer and has a valid signature by its key.
///
/// Accepts the algorithms of rustls-webpki, as TLS clients do; none of them uses SHA-1.
pub(crate) fn is_signed_by(subject: &[u8], issuer: &[u8]) -> bool {
    let (Ok(below), Ok(above)) = (parse(subject), parse(issuer)) else {
        return false;
    };
    if below.issuer().as_raw() != above.subject().as_raw() {
        return false;
    }
    let (Ok(signed), Ok(key)) = (Signed::read(subject), Key::read(above.public_key().raw)) else {
        return false;
    };
    webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| {
        algorithm.signature_alg_id().as_ref() == signed.algorithm
            && algorithm.public_key_alg_id().as_ref() == key.algorithm
            && algorithm.verify_signature(key.bits, signed.message, signed.signature).is_ok()
    })
}

/// The three parts of a Certificate (RFC 5280 section 4.1).
struct Signed<'a> {
    message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(certificate: &'a [u8]) -> Result<Self, DerFault> {
        let mut parts = Reader::new(certificate).sequence()?;
        let message = parts.any()?.raw;
        let algorithm = parts.any()?.content;
        let signature = parts.octets_of_bits()?;
        parts.finish()?;
        Ok(Self { message, algorithm, signature })
    }
}

/// The two parts of a SubjectPublicKeyInfo.
struct Key<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Key<'a> {
    fn read(spki: &'a [u8]) -> Result<Self, DerFault> {
        let mut parts = Reader::new(spki).sequence()?;
        let algorithm = parts.any()?.content;
        let bits = parts.octets_of_bits()?;
        parts.finish()?;
        Ok(Self { algorithm, bits })
    }
}
