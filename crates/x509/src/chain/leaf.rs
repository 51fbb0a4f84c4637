//! The server certificate.

use std::time::{Duration, SystemTime};

use fleetcert_names::{Identifier, IdentifierSet, NameError};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::time::ASN1Time;

use super::{Validity, link};
use crate::key::PublicKey;
use crate::{CertificateId, KeyKind, X509Error, X509ErrorKind};

/// The content of a server certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    identifiers: Vec<Identifier>,
    other_names: Vec<String>,
    spki: Vec<u8>,
    serial: Vec<u8>,
    authority_key_id: Option<Vec<u8>>,
    validity: Validity,
    server_auth: bool,
    authority: bool,
}

impl Leaf {
    /// Parses a certificate in DER.
    ///
    /// # Errors
    /// [`X509ErrorKind::Malformed`] if it is not a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        let certificate = link::parse(der)?;
        let fault =
            |error| X509Error::malformed("an extension of the certificate is repeated").because(error);
        let AlternativeNames { identifiers, others } = AlternativeNames::of(&certificate)?;
        let eku = certificate.extended_key_usage().map_err(fault)?;
        let constraints = certificate.basic_constraints().map_err(fault)?;
        Ok(Self {
            identifiers,
            other_names: others,
            spki: certificate.public_key().raw.to_vec(),
            serial: certificate.raw_serial().to_vec(),
            authority_key_id: authority_key_id(&certificate),
            validity: Validity::new(
                moment(certificate.validity().not_before)?,
                moment(certificate.validity().not_after)?,
            ),
            server_auth: eku.is_some_and(|usage| usage.value.server_auth),
            authority: constraints.is_some_and(|constraints| constraints.value.ca),
        })
    }

    /// Returns the DNS names and wildcards of the subject alternative name extension, sorted, without duplicates. The
    /// subject does not count. A CA certificate has none, and some CAs issue certificates with more than 100.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// Returns the identifiers as a set.
    ///
    /// # Errors
    /// [`NameError`] if there is none, or more than 100.
    pub fn identifier_set(&self) -> Result<IdentifierSet, NameError> {
        IdentifierSet::new(self.identifiers.iter().cloned())
    }

    /// Returns the other subject alternative names, such as IP addresses, as text.
    pub fn other_names(&self) -> &[String] {
        &self.other_names
    }

    /// Returns the public key: a DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the kind of the public key, or `None` for a key that no public CA certifies.
    pub fn key_kind(&self) -> Option<KeyKind> {
        PublicKey::parse(&self.spki).ok().map(|key| key.kind())
    }

    /// Returns the content octets of the serial number's DER INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Returns the keyIdentifier of the authority key identifier extension.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// Returns the validity.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Returns the start of the validity.
    pub fn not_before(&self) -> SystemTime {
        self.validity.not_before()
    }

    /// Returns the last moment of the validity.
    pub fn not_after(&self) -> SystemTime {
        self.validity.not_after()
    }

    /// Returns the time to renew it if the CA gives no advice; see [`Validity::renewal_point`].
    pub fn renewal_point(&self) -> SystemTime {
        self.validity.renewal_point()
    }

    /// Returns whether the extended key usage has serverAuth.
    pub fn is_for_servers(&self) -> bool {
        self.server_auth
    }

    /// Returns whether it may sign other certificates (cA is TRUE in its basic constraints).
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Returns the identifier in ACME renewal information (RFC 9773 section 4.1).
    ///
    /// # Errors
    /// [`X509ErrorKind::MissingField`] if it does not name the key that signed it.
    pub fn certificate_id(&self) -> Result<CertificateId, X509Error> {
        let key_id = self.authority_key_id().ok_or_else(|| {
            X509Error::new(X509ErrorKind::MissingField, "the certificate has no authority key identifier")
        })?;
        CertificateId::new(key_id, &self.serial)
    }
}

#[derive(Default)]
struct AlternativeNames {
    identifiers: Vec<Identifier>,
    others: Vec<String>,
}

impl AlternativeNames {
    fn of(certificate: &X509Certificate<'_>) -> Result<Self, X509Error> {
        let extension = certificate.subject_alternative_name().map_err(|error| {
            X509Error::malformed("the subject alternative names cannot be parsed").because(error)
        })?;
        let mut names = Self::default();
        for name in extension.map_or(&[][..], |extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(text) => match text.parse() {
                    Ok(identifier) if !text.ends_with('.') => names.identifiers.push(identifier),
                    _ => names.others.push(escaped(text)),
                },
                other => names.others.push(escaped(&other.to_string())),
            }
        }
        names.identifiers.sort();
        names.identifiers.dedup();
        Ok(names)
    }
}

/// Escapes and shortens text from outside.
fn escaped(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_default).collect()
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => {
            Some(identifier.key_identifier.as_ref()?.0.to_vec())
        }
        _ => None,
    })
}

fn moment(time: ASN1Time) -> Result<SystemTime, X509Error> {
    let distance = Duration::from_secs(time.timestamp().unsigned_abs());
    let moment = if time.timestamp() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moment.ok_or_else(|| X509Error::malformed("the certificate's validity is out of range"))
}
