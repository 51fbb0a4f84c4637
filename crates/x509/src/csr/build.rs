//! Making CSRs.

use fleetcert_names::{Identifier, IdentifierSet};

use super::{CsrPolicy, CsrRefusalCode, NameGrant, VerifiedCsr};
use crate::der::{encode, oid, positive_small, tag};
use crate::{KeyKind, SigningKey, X509Error, X509ErrorKind};

/// Returns a CSR in DER for `identifiers`, signed by `key`.
///
/// The identifiers are its subject alternative names; the CSR contains nothing else. The subject is empty, as public
/// CAs advise. The CSR is checked by the gate of [`VerifiedCsr`], which detects a signer with wrong signatures.
///
/// # Errors
/// [`X509ErrorKind::Signing`] if the key does not sign, or its signature is wrong; [`X509ErrorKind::Unsupported`] if
/// no public CA would accept a name, such as an IP address, or the key.
///
/// ```
/// use fleetcert_x509::{KeyKind, KeyPair, csr_for};
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let names = "xi8qz.fleet.test,*.xi8qz.fleet.test".parse()?;
/// assert_eq!(csr_for(&names, &key)?[0], 0x30);
/// assert!(csr_for(&"10.0.0.1".parse()?, &key).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn csr_for(identifiers: &IdentifierSet, key: &dyn SigningKey) -> Result<Vec<u8>, X509Error> {
    let info = encode(
        tag::SEQUENCE,
        &[
            &positive_small(0),
            &encode(tag::SEQUENCE, &[]),
            key.spki_der(),
            &encode(tag::ATTRIBUTES, &[&extension_request(identifiers)]),
        ],
    );
    let signature = key.sign(&info)?;
    let csr = encode(
        tag::SEQUENCE,
        &[&info, &key.signature_algorithm().identifier(), &encode(tag::BIT_STRING, &[&[0], &signature])],
    );

    let policy = CsrPolicy::lets_encrypt().with_keys(&KeyKind::ALL).with_grant(NameGrant::exact(identifiers));
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

/// Returns the attribute with the one extension (RFC 2985 section 5.4.2).
fn extension_request(identifiers: &IdentifierSet) -> Vec<u8> {
    let dns_name = |identifier: &Identifier| encode(tag::DNS_NAME, &[identifier.as_str().as_bytes()]);
    let names = identifiers.iter().map(dns_name).collect::<Vec<_>>();
    let general_names = encode(tag::SEQUENCE, &[&names.concat()]);
    let extension = encode(
        tag::SEQUENCE,
        &[&encode(tag::OID, &[oid::SUBJECT_ALT_NAME]), &encode(tag::OCTET_STRING, &[&general_names])],
    );
    let extensions = encode(tag::SEQUENCE, &[&extension]);
    encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid::EXTENSION_REQUEST]), &encode(tag::SET, &[&extensions])])
}
