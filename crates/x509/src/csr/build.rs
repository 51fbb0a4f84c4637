//! Making a CSR.

use fleetcert_names::HostName;

use super::{CsrPolicy, CsrRefusalCode, VerifiedCsr};
use crate::der::{encode, oid, positive_small, tag};
use crate::{KeyKind, SigningKey, X509Error, X509ErrorKind};

/// A CSR in DER for `names`, signed by `key`: the names as subject alternative names, and nothing else in it.
///
/// The subject is empty, as public CAs advise. Names that occur twice are taken once. What was made has been
/// through the gate of [`VerifiedCsr`], so that a signer which gives a bad signature is found here.
///
/// # Errors
/// [`X509ErrorKind::Signing`] when the key does not sign, or signs badly; [`X509ErrorKind::Unsupported`] when no
/// public CA would take the names or the key: no name, more than 100, an IP address.
///
/// ```
/// use fleetcert_x509::{KeyKind, KeyPair, csr_for};
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let der = csr_for(&["xi8qz.fleet.test".parse()?], &key)?;
/// assert_eq!(der[0], 0x30);
/// assert!(csr_for(&[], &key).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn csr_for(names: &[HostName], key: &dyn SigningKey) -> Result<Vec<u8>, X509Error> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();

    let info = encode(
        tag::SEQUENCE,
        &[
            &positive_small(0),
            &encode(tag::SEQUENCE, &[]),
            key.spki_der(),
            &encode(tag::ATTRIBUTES, &[&extension_request(&names)]),
        ],
    );
    let signature = key.sign(&info)?;
    let csr = encode(
        tag::SEQUENCE,
        &[&info, &key.signature_algorithm().identifier(), &encode(tag::BIT_STRING, &[&[0], &signature])],
    );

    let policy = CsrPolicy::lets_encrypt().with_keys(&KeyKind::ALL);
    match VerifiedCsr::parse(&csr, &policy) {
        Ok(_) => Ok(csr),
        Err(refusal) => {
            let kind = match refusal.code() {
                CsrRefusalCode::BadSignature => X509ErrorKind::Signing,
                _ => X509ErrorKind::Unsupported,
            };
            Err(X509Error::new(kind, "no usable CSR can be made of these names and this key")
                .because(refusal))
        }
    }
}

/// The attribute with the one extension (RFC 2985 section 5.4.2).
fn extension_request(names: &[HostName]) -> Vec<u8> {
    let names =
        names.iter().map(|name| encode(tag::DNS_NAME, &[name.as_str().as_bytes()])).collect::<Vec<_>>();
    let general_names = encode(tag::SEQUENCE, &[&names.concat()]);
    let extension = encode(
        tag::SEQUENCE,
        &[&encode(tag::OID, &[oid::SUBJECT_ALT_NAME]), &encode(tag::OCTET_STRING, &[&general_names])],
    );
    let extensions = encode(tag::SEQUENCE, &[&extension]);
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid::EXTENSION_REQUEST]), &encode(tag::SET, &[&extensions])])
}
