//! The CA's keys: a root and an intermediate that signs leaves.

use std::time::SystemTime;

use fleetcert_x509::Validity;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};

pub(crate) struct Signer {
    root_pem: String,
    intermediate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    next_serial: u64,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = authority("Fleet Root", BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, root_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = authority("Fleet Intermediate", BasicConstraints::Constrained(0));
        let intermediate = params.signed_by(&key, &root).unwrap();
        Self {
            root_pem: root.pem(),
            intermediate_pem: intermediate.pem(),
            issuer: Issuer::new(params, key),
            next_serial: 1 << 56,
        }
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Signs a leaf and returns the chain, without the root.
    pub(crate) fn sign<'a>(
        &mut self,
        spki: &[u8],
        names: impl IntoIterator<Item = &'a str>,
        validity: Validity,
    ) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(self.next_serial));
        self.next_serial += 1;
        params.not_before = to_offset(validity.not_before());
        params.not_after = to_offset(validity.not_after());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names =
            names.into_iter().map(|name| SanType::DnsName(name.try_into().unwrap())).collect();
        let key = SubjectPublicKeyInfo::from_der(spki).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        leaf.pem() + &self.intermediate_pem
    }
}

fn to_offset(time: SystemTime) -> time::OffsetDateTime {
    time::OffsetDateTime::from(time)
}

fn authority(common_name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // The fleet may live in any year.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2060, 1, 1);
    params.is_ca = IsCa::Ca(constraints);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
