//! The keys of the CA: a root, an intermediate that signs, and another root for the listener.

use std::net::IpAddr;
use std::time::SystemTime;

use fleetcert_names::IdentifierSet;
use fleetcert_x509::Chain;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

/// Root and intermediate. The root's key is dropped once it has signed the intermediate.
#[derive(Debug)]
pub(crate) struct Authority {
    root_pem: String,
    intermediate: CertificateDer<'static>,
    intermediate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a leaf says, apart from what is the same for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafTerms<'a> {
    /// A DER SubjectPublicKeyInfo.
    pub(crate) spki: &'a [u8],
    pub(crate) identifiers: &'a IdentifierSet,
    pub(crate) serial: [u8; 16],
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Authority {
    /// New keys on P-256. The certificates hold at any time, so that virtual clocks can show what they like.
    pub(crate) fn generate() -> Result<Self, Error> {
        let root = new_root("Test Root")?;
        let key = KeyPair::generate()?;
        let params = ca_params("Test Intermediate", BasicConstraints::Constrained(0));
        let intermediate = params.signed_by(&key, &root)?;
        Ok(Self {
            root_pem: root.pem(),
            intermediate: intermediate.der().clone(),
            intermediate_pem: intermediate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub(crate) fn intermediate_pem(&self) -> &str {
        &self.intermediate_pem
    }

    /// Signs a leaf, and gives the chain without the root. Names stand in the SAN alone; the key is taken as the
    /// CSR's SubjectPublicKeyInfo has it, never by way of rcgen's reading of CSRs, which takes the curve from the
    /// signature's hash.
    pub(crate) fn sign(&self, terms: &LeafTerms<'_>) -> Result<Chain, SigningError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from_slice(&terms.serial));
        params.not_before = OffsetDateTime::from(terms.not_before);
        params.not_after = OffsetDateTime::from(terms.not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for identifier in terms.identifiers {
            params.subject_alt_names.push(SanType::DnsName(identifier.as_str().try_into()?));
        }
        let key = SubjectPublicKeyInfo::from_der(terms.spki)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(Chain::from_certificates(vec![leaf.der().clone(), self.intermediate.clone()])?)
    }
}

/// A leaf that could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    #[error(transparent)]
    Signing(#[from] Error),
    #[error(transparent)]
    Chain(#[from] fleetcert_x509::X509Error),
}

/// The certificate of the listener for `address` and `localhost`, its key, and the root that signed it, in PEM.
///
/// It is another root than that of the CA, as everywhere: a client that trusts the CA's API need not trust what it
/// issues.
pub(crate) fn listener_certificate(
    address: IpAddr,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>, String), Error> {
    let root = new_root("Test Listener Root")?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into()?), SanType::IpAddress(address)];
    let certificate = params.signed_by(&key, &root)?;
    Ok((certificate.der().clone(), key.into(), root.pem()))
}

fn new_root(common_name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
    CertifiedIssuer::self_signed(
        ca_params(common_name, BasicConstraints::Unconstrained),
        KeyPair::generate()?,
    )
}

fn ca_params(common_name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(constraints);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_x509::{CsrPolicy, Expectation, KeyKind, Roots, VerifiedCsr, csr_for};
    use std::time::Duration;

    fn terms<'a>(csr: &'a VerifiedCsr, identifiers: &'a IdentifierSet, first_octet: u8) -> LeafTerms<'a> {
        let not_before = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut serial = [7; 16];
        serial[0] = first_octet;
        let not_after = not_before + Duration::from_secs(86_399);
        LeafTerms { spki: csr.spki(), identifiers, serial, not_before, not_after }
    }

    /// Every kind of key keeps its SubjectPublicKeyInfo to the byte, and the chain leads to the root.
    #[test]
    fn leaves_of_all_kinds_are_good() {
        let authority = Authority::generate().unwrap();
        let roots = Roots::from_pem(authority.root_pem().as_bytes()).unwrap();
        let identifiers = "a.fleet.test,b.fleet.test".parse().unwrap();
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
            let key = fleetcert_x509::KeyPair::generate(kind).unwrap();
            let csr = csr_for(&identifiers, &key).unwrap();
            let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).unwrap();
            let terms = terms(&csr, &identifiers, 0x01);
            let chain = authority.sign(&terms).unwrap();
            let now = terms.not_before + Duration::from_secs(60);
            let expected =
                Expectation { spki: csr.spki(), identifiers: &identifiers, now, roots: Some(&roots) };
            assert_eq!(chain.check(&expected), Ok(()), "{kind}");
            assert_eq!(chain.leaf().not_before(), terms.not_before);
            assert_eq!(chain.leaf().not_after(), terms.not_after);
        }
    }

    /// A P-256 key that signs its CSR with SHA-384 is still a P-256 key; rcgen would call it P-384 (its issue 448).
    #[test]
    fn the_curve_comes_from_the_key() {
        // openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha384 -subj / -addext subjectAltName=…
        const CSR: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
            MIHmMIGMAgEAMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASY/s/Kl/O1m3gQ\n\
            QP4AtUA5d6OYkIte5ER4jnpcNAw3cVg+tmFGfKEiOo6ncdmIs7nzHnfPkVEIahje\n\
            sAtgkZo3oCowKAYJKoZIhvcNAQkOMRswGTAXBgNVHREEEDAOggxhLmZsZWV0LnRl\n\
            c3QwCgYIKoZIzj0EAwMDSQAwRgIhAI63YLfIf+EGTluvSC+AKraIo2r3vPy0fNu9\n\
            aenV4hDCAiEAs4yLX3nMI+Npzwv1Awl8TgzCxbtpHVHMqHqr8bGvUjM=\n\
            -----END CERTIFICATE REQUEST-----\n";
        let csr = VerifiedCsr::parse(CSR.as_bytes(), &CsrPolicy::lets_encrypt()).unwrap();
        assert_eq!(csr.key_kind(), KeyKind::P256);
        let chain = Authority::generate()
            .unwrap()
            .sign(&terms(&csr, &"a.fleet.test".parse().unwrap(), 0x01))
            .unwrap();
        assert_eq!(chain.leaf().spki(), csr.spki());
    }

    #[test]
    fn a_serial_with_its_first_bit_set_gets_a_zero_before_it() {
        let key = fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap();
        let csr = csr_for(&"a.fleet.test".parse().unwrap(), &key).unwrap();
        let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).unwrap();
        let chain = Authority::generate()
            .unwrap()
            .sign(&terms(&csr, &"a.fleet.test".parse().unwrap(), 0x87))
            .unwrap();
        assert_eq!(chain.leaf().serial()[..2], [0x00, 0x87]);
        assert_eq!(chain.leaf().serial().len(), 17);
    }
}
