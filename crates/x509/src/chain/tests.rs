//! Chains made by another library, each with one defect.

use std::time::{Duration, SystemTime};

use fleetcert_names::{Identifier, IdentifierSet};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use crate::{
    Chain, ChainFault, CsrPolicy, Expectation, KeyKind, KeyPair, Leaf, Roots, SigningKey, VerifiedCsr,
    X509ErrorKind, csr_for,
};

const DAY: u64 = 24 * 60 * 60;

/// Returns the start of the leaves' validity: 1 January 2026.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn days(count: u64) -> SystemTime {
    start() + Duration::from_secs(count * DAY)
}

fn identifiers(names: &str) -> IdentifierSet {
    names.parse().unwrap()
}

fn texts(identifiers: &[Identifier]) -> Vec<&str> {
    identifiers.iter().map(Identifier::as_str).collect()
}

/// A root and an intermediate.
struct Authority {
    root: CertificateDer<'static>,
    intermediate: CertificateDer<'static>,
    issuer: Issuer<'static, rcgen::KeyPair>,
}

const KEY_ID: [u8; 20] = [
    0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde,
    0x01, 0xc8, 0xd4,
];

impl Authority {
    fn new() -> Self {
        Self::with_intermediate(|_| ())
    }

    fn with_intermediate(change: fn(&mut CertificateParams)) -> Self {
        let key = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let (root_key, root_params) = (key(), params("root"));
        let root = root_params.self_signed(&root_key).unwrap().der().clone();
        let root_issuer = Issuer::new(root_params, root_key);

        let (intermediate_key, mut intermediate_params) = (key(), params("intermediate"));
        intermediate_params.key_identifier_method = KeyIdMethod::PreSpecified(KEY_ID.to_vec());
        change(&mut intermediate_params);
        let intermediate =
            intermediate_params.signed_by(&intermediate_key, &root_issuer).unwrap().der().clone();
        Self { root, intermediate, issuer: Issuer::new(intermediate_params, intermediate_key) }
    }

    fn roots(&self) -> Roots {
        Roots::from_certificates(vec![self.root.clone()]).unwrap()
    }

    /// Returns a leaf of 90 days for the CSR, with a change.
    fn leaf(
        &self,
        csr: &VerifiedCsr,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let names = csr.identifiers().iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        change(&mut params);
        let key = SubjectPublicKeyInfo::from_der(csr.spki()).unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }

    fn chain(&self, csr: &VerifiedCsr, change: impl FnOnce(&mut CertificateParams)) -> Chain {
        Chain::from_certificates(vec![self.leaf(csr, change), self.intermediate.clone()]).unwrap()
    }
}

fn csr(names: &[&str]) -> VerifiedCsr {
    let names = identifiers(&names.join(","));
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    VerifiedCsr::parse(&csr_for(&names, &key).unwrap(), &CsrPolicy::lets_encrypt()).unwrap()
}

fn expected<'a>(csr: &'a VerifiedCsr, roots: Option<&'a Roots>) -> Expectation<'a> {
    Expectation { spki: csr.spki(), identifiers: csr.identifiers(), now: days(10), roots }
}

#[test]
fn good_chain_passes() {
    let (authority, csr) = (Authority::new(), csr(&["b.fleet.test", "a.fleet.test"]));
    let chain = authority.chain(&csr, |_| ());
    let roots = authority.roots();
    chain.check(&expected(&csr, Some(&roots))).unwrap();
    chain.check(&expected(&csr, None)).unwrap();

    let leaf = chain.leaf();
    assert_eq!(leaf.identifier_set().unwrap(), identifiers("a.fleet.test,b.fleet.test"));
    assert_eq!((leaf.not_before(), leaf.not_after()), (start(), days(90)));
    assert_eq!(leaf.renewal_point(), days(60));
    assert_eq!(leaf.certificate_id().unwrap().to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");

    let again = Chain::from_pem(chain.to_pem().as_bytes()).unwrap();
    assert_eq!(again, chain);
    let with_root = [chain.certificates(), std::slice::from_ref(&authority.root)].concat();
    Chain::from_certificates(with_root).unwrap().check(&expected(&csr, Some(&roots))).unwrap();
}

#[test]
fn difference_in_the_leaf_is_a_fault() {
    let (authority, ours) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let fault = |change: fn(&mut CertificateParams)| {
        authority.chain(&ours, change).check(&expected(&ours, None)).unwrap_err()
    };
    let other = csr(&["xi8qz.fleet.test"]);
    let chain = authority.chain(&other, |_| ());
    assert_eq!(chain.check(&expected(&ours, None)), Err(ChainFault::WrongKey));

    let unexpected = |name: &str| ChainFault::UnexpectedName(name.to_owned());
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let own = || SanType::DnsName("xi8qz.fleet.test".try_into().unwrap());
    assert_eq!(
        fault(|params| params.subject_alt_names.clear()),
        ChainFault::MissingName("xi8qz.fleet.test".to_owned())
    );
    let with = |names: Vec<SanType>| {
        let chain = authority.chain(&ours, |params| params.subject_alt_names = names);
        chain.check(&expected(&ours, None)).unwrap_err()
    };
    assert_eq!(with(vec![dns("evil.test")]), ChainFault::MissingName("xi8qz.fleet.test".to_owned()));
    assert_eq!(with(vec![own(), dns("evil.test")]), unexpected("evil.test"));
    assert_eq!(with(vec![own(), dns("*.fleet.test")]), unexpected("*.fleet.test"));
    assert_eq!(with(vec![own(), dns("b.test.")]), unexpected("b.test."));
    let address = with(vec![own(), SanType::IpAddress([10, 0, 0, 1].into())]);
    assert!(matches!(address, ChainFault::UnexpectedName(_)), "{address}");

    assert_eq!(fault(|params| params.not_after = date_time_ymd(2025, 12, 1)), ChainFault::NeverValid);
    assert_eq!(fault(|params| params.extended_key_usages.clear()), ChainFault::NotForServers);
    let client = fault(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert_eq!(client, ChainFault::NotForServers);
    let ca = fault(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(ca, ChainFault::IsAuthority);
    let no_id = authority.chain(&ours, |params| params.use_authority_key_identifier_extension = false);
    assert_eq!(no_id.leaf().certificate_id().unwrap_err().kind(), X509ErrorKind::MissingField);
}

#[test]
fn leaf_must_have_exactly_the_ordered_wildcards() {
    let (authority, csr) = (Authority::new(), csr(&["fleet.test"]));
    let roots = authority.roots();
    let with = |names: &[&str]| {
        let names = names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        authority.chain(&csr, |params| params.subject_alt_names = names)
    };
    let ordered = identifiers("fleet.test,*.fleet.test");
    let wanted = Expectation { identifiers: &ordered, ..expected(&csr, Some(&roots)) };
    let missing = |name: &str| Err(ChainFault::MissingName(name.to_owned()));
    let unexpected = |name: &str| Err(ChainFault::UnexpectedName(name.to_owned()));

    let both = with(&["fleet.test", "*.Fleet.test"]);
    assert_eq!(texts(both.leaf().identifiers()), ["*.fleet.test", "fleet.test"]);
    assert_eq!(both.check(&wanted), Ok(()));
    assert_eq!(both.check(&Expectation { roots: None, ..wanted }), Ok(()));
    assert_eq!(both.check(&expected(&csr, None)), unexpected("*.fleet.test"));
    let alone = with(&["*.fleet.test"]);
    assert_eq!(alone.check(&wanted), missing("fleet.test"));
    let wildcard = identifiers("*.fleet.test");
    assert_eq!(alone.check(&Expectation { identifiers: &wildcard, ..wanted }), Ok(()));

    // A wildcard does not stand for a name below its base, nor vice versa.
    assert_eq!(with(&["fleet.test"]).check(&wanted), missing("*.fleet.test"));
    assert_eq!(with(&["fleet.test", "a.fleet.test"]).check(&wanted), missing("*.fleet.test"));
    assert_eq!(with(&["fleet.test", "*.a.fleet.test"]).check(&wanted), missing("*.fleet.test"));
    assert_eq!(with(&["fleet.test", "*.fleet.test", "*.test"]).check(&wanted), unexpected("*.test"));
    // A name that clients do not treat as a wildcard is a name that was not ordered.
    for odd in ["*.*.fleet.test", "f*.fleet.test", "*", "*.fleet.test."] {
        assert_eq!(with(&["fleet.test", "*.fleet.test", odd]).check(&wanted), unexpected(odd), "{odd}");
    }
}

#[test]
fn validity_is_checked_with_leeway() {
    let (authority, csr) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let roots = authority.roots();
    let chain = authority.chain(&csr, |_| ());
    let at = |now: SystemTime| chain.check(&Expectation { now, ..expected(&csr, Some(&roots)) });
    let minute = Duration::from_secs(60);
    assert_eq!(at(start() - 6 * minute), Err(ChainFault::NotYetValid { not_before: start() }));
    assert_eq!(at(start() - 4 * minute), Ok(()));
    assert_eq!(at(days(90)), Ok(()));
    assert_eq!(at(days(90) + Duration::from_secs(1)), Err(ChainFault::Expired { not_after: days(90) }));
}

#[test]
fn broken_link_is_a_fault() {
    let (authority, stranger, csr) = (Authority::new(), Authority::new(), csr(&["xi8qz.fleet.test"]));
    let leaf = authority.leaf(&csr, |_| ());
    let check = |issuers: &[&CertificateDer<'static>], roots: Option<&Roots>| {
        let issuers = issuers.iter().map(|one| (*one).clone());
        let chain = Chain::from_certificates([leaf.clone()].into_iter().chain(issuers).collect()).unwrap();
        chain.check(&expected(&csr, roots))
    };
    let broken = |position| Err(ChainFault::BrokenLink { position });
    // The stranger's certificates have the same names but other keys.
    assert_eq!(check(&[&stranger.intermediate], None), broken(0));
    assert_eq!(check(&[&authority.intermediate, &stranger.root], None), broken(1));
    assert_eq!(check(&[&authority.root, &authority.intermediate], None), broken(0));
    assert_eq!(check(&[&authority.intermediate, &authority.root], None), Ok(()));

    let untrusted = |result| matches!(result, Err(ChainFault::NotTrusted { .. }));
    assert!(untrusted(check(&[&authority.intermediate], Some(&stranger.roots()))));
    assert!(untrusted(check(&[], Some(&authority.roots()))));
    assert_eq!(check(&[], None), Ok(()));
}

#[test]
fn chain_in_order_has_each_issuer_once() {
    let (authority, stranger, csr) = (Authority::new(), Authority::new(), csr(&["xi8qz.fleet.test"]));
    let leaf = authority.leaf(&csr, |_| ());
    let chain = |certificates: &[&CertificateDer<'static>]| {
        Chain::from_certificates(certificates.iter().map(|one| (*one).clone()).collect()).unwrap()
    };
    let (issuer, root) = (&authority.intermediate, &authority.root);
    let ordered = chain(&[&leaf, issuer, root]);
    assert_eq!(ordered.root_name(), chain(&[&leaf, issuer]).root_name());
    assert_ne!(ordered.root_name(), chain(&[&leaf]).root_name());
    assert_eq!(ordered.in_order(), ordered);
    for sent in [
        chain(&[&leaf, root, issuer]),
        chain(&[root, issuer, &leaf]),
        chain(&[&leaf, issuer, issuer, root, &leaf, root]),
        chain(&[&leaf, &stranger.intermediate, issuer, &stranger.root, root]),
    ] {
        assert_eq!(sent.in_order(), ordered);
    }
    let broken = chain(&[&leaf, &stranger.intermediate]);
    assert_eq!(broken.in_order(), broken, "nothing is dropped that shows a broken chain");
    assert_eq!(chain(&[&leaf]).in_order(), chain(&[&leaf]));
}

#[test]
fn lifetime_over_the_expected_one_is_a_fault() {
    let (authority, csr) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let chain = authority.chain(&csr, |_| ());
    let day = Duration::from_secs(DAY);
    assert_eq!(chain.check_lifetime(90 * day), Ok(()));
    assert_eq!(chain.check_lifetime(89 * day), Ok(()));
    assert_eq!(chain.check_lifetime(Duration::MAX), Ok(()));
    let expected = 89 * day - Duration::from_secs(1);
    let fault = ChainFault::LivesTooLong { lifetime: 90 * day, expected };
    assert_eq!(chain.check_lifetime(expected), Err(fault));
    assert!(chain.check_lifetime(Duration::from_secs(160 * 60 * 60)).is_err());
}

#[test]
fn invalid_issuer_is_a_fault() {
    let csr = csr(&["xi8qz.fleet.test"]);
    let with = |change: fn(&mut CertificateParams)| {
        let authority = Authority::with_intermediate(change);
        let chain = authority.chain(&csr, |_| ());
        let roots = authority.roots();
        let without = chain.check(&expected(&csr, None));
        assert_eq!(without.is_ok(), chain.check(&expected(&csr, Some(&roots))).is_ok());
        without
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(
        with(|params| params.is_ca = IsCa::ExplicitNoCa),
        Err(ChainFault::IssuerIsNoAuthority { position: 1 })
    );
    assert_eq!(
        with(|params| params.is_ca = IsCa::NoCa),
        Err(ChainFault::IssuerIsNoAuthority { position: 1 })
    );
    let not_valid = Err(ChainFault::IssuerNotValid { position: 1 });
    assert_eq!(with(|params| params.not_after = date_time_ymd(2026, 1, 10)), not_valid);
    assert_eq!(with(|params| params.not_before = date_time_ymd(2026, 1, 12)), not_valid);
    assert_eq!(with(|params| params.not_after = date_time_ymd(2026, 1, 12)), Ok(()));
}

#[test]
fn name_that_clients_reject_is_a_fault() {
    let (authority, csr) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let roots = authority.roots();
    let address = SanType::DnsName("10.0.0.1".try_into().unwrap());
    let chain = authority.chain(&csr, |params| params.subject_alt_names = vec![address]);
    let names = identifiers("10.0.0.1");
    let expected = Expectation { identifiers: &names, ..expected(&csr, Some(&roots)) };
    assert_eq!(chain.check(&expected), Err(ChainFault::NotValidForName("10.0.0.1".to_owned())));
}

#[test]
fn invalid_texts_are_rejected() {
    let kind = |text: &[u8]| Chain::from_pem(text).unwrap_err().kind();
    let (authority, csr) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let pem = authority.chain(&csr, |_| ()).to_pem();
    let key = KeyPair::generate(KeyKind::P256).unwrap().to_pkcs8_pem().unwrap();
    assert_eq!(kind(b""), X509ErrorKind::Malformed);
    assert_eq!(kind(b"<html>"), X509ErrorKind::Malformed);
    assert_eq!(kind(format!("{pem}{}", *key).as_bytes()), X509ErrorKind::Malformed);
    assert_eq!(kind(&pem.as_bytes()[..pem.len() / 4]), X509ErrorKind::Malformed);
    assert_eq!(kind(pem.repeat(6).as_bytes()), X509ErrorKind::Malformed);
    assert_eq!(kind(&[b' '; 64 * 1024 + 1]), X509ErrorKind::TooLarge);
    let trailing = CertificateDer::from([authority.root.as_ref(), &[0]].concat());
    assert_eq!(Chain::from_certificates(vec![trailing]).unwrap_err().kind(), X509ErrorKind::Malformed);
    assert_eq!(
        Chain::from_certificates(vec![authority.root.clone(); 11]).unwrap_err().kind(),
        X509ErrorKind::TooLarge
    );

    assert_eq!(Roots::from_pem(b"").unwrap_err().kind(), X509ErrorKind::Malformed);
    assert_eq!(
        Roots::from_certificates(vec![CertificateDer::from(vec![0x30, 0])]).unwrap_err().kind(),
        X509ErrorKind::Malformed
    );
    let two = format!("{pem}{}", Chain::from_certificates(vec![authority.root.clone()]).unwrap().to_pem());
    assert_eq!(Roots::from_pem(two.as_bytes()).unwrap().certificates().len(), 3);
}

/// The key kind comes from the key itself, so that what a CA signs is the key of the CSR.
#[test]
fn leaf_for_each_kind_of_key_passes() {
    let authority = Authority::new();
    let roots = authority.roots();
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = KeyPair::generate(kind).unwrap();
        let der = csr_for(&identifiers("xi8qz.fleet.test"), &key).unwrap();
        let csr = VerifiedCsr::parse(&der, &CsrPolicy::lets_encrypt()).unwrap();
        let chain = authority.chain(&csr, |_| ());
        assert_eq!(chain.leaf().spki(), key.spki_der());
        chain.check(&expected(&csr, Some(&roots))).unwrap();
    }
}

#[test]
fn changed_octet_of_a_leaf_is_a_fault() {
    let (authority, csr) = (Authority::new(), csr(&["xi8qz.fleet.test"]));
    let leaf = authority.leaf(&csr, |_| ());
    for at in 0..leaf.len() {
        let mut changed = leaf.to_vec();
        changed[at] ^= 0x41;
        let certificates = vec![CertificateDer::from(changed), authority.intermediate.clone()];
        if let Ok(chain) = Chain::from_certificates(certificates) {
            assert!(chain.check(&expected(&csr, None)).is_err(), "octet {at}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        prop_assert!(Leaf::from_der(&bytes).is_err());
        prop_assert!(Chain::from_pem(&bytes).is_err());
        prop_assert!(Roots::from_pem(&bytes).is_err());
    }
}

mod server_files {
    use super::*;
    use crate::ServerFiles;

    fn labels(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect()
    }

    #[test]
    fn files_are_in_the_order_of_each_server() {
        let authority = Authority::new();
        let key = KeyPair::generate(KeyKind::P256).unwrap();
        let der = csr_for(&identifiers("xi8qz.fleet.test"), &key).unwrap();
        let csr = VerifiedCsr::parse(&der, &CsrPolicy::device()).unwrap();
        let chain = authority.chain(&csr, |_| ());
        let (leaf, issuer, secret) = ("CERTIFICATE", "CERTIFICATE", "PRIVATE KEY");
        let all = [
            (
                ServerFiles::nginx(&chain, &key),
                vec![("ssl_certificate", vec![leaf, issuer]), ("ssl_certificate_key", vec![secret])],
            ),
            (
                ServerFiles::dovecot(&chain, &key),
                vec![("ssl_server_cert_file", vec![leaf, issuer]), ("ssl_server_key_file", vec![secret])],
            ),
            (ServerFiles::haproxy(&chain, &key), vec![("crt", vec![leaf, issuer, secret])]),
            (ServerFiles::postfix(&chain, &key), vec![("smtpd_tls_chain_files", vec![secret, leaf, issuer])]),
        ];
        for (files, expected) in all {
            let files = files.unwrap();
            let found =
                files.files().iter().map(|file| (file.directive(), labels(file.text()))).collect::<Vec<_>>();
            assert_eq!(found, expected);
            for file in files.files() {
                assert_eq!(file.has_key(), file.text().contains("PRIVATE KEY"));
                assert!(!format!("{file:?}{files:?}").contains("BEGIN"));
                let certificates = file.text().find("-----BEGIN CERT");
                if let Some(start) = certificates {
                    let end = file.text().rfind("-----END CERTIFICATE-----\n").unwrap() + 26;
                    assert_eq!(file.text()[start..end], chain.to_pem());
                }
                if file.has_key() {
                    let start = file.text().find("-----BEGIN PRIV").unwrap();
                    let end = file.text().find("-----END PRIVATE KEY-----\n").unwrap() + 26;
                    let again = KeyPair::from_pkcs8_pem(&file.text()[start..end]).unwrap();
                    assert_eq!(again.spki_der(), key.spki_der());
                }
            }
        }

        let other = KeyPair::generate(KeyKind::P256).unwrap();
        for make in [ServerFiles::nginx, ServerFiles::dovecot, ServerFiles::haproxy, ServerFiles::postfix] {
            assert_eq!(make(&chain, &other).unwrap_err().kind(), X509ErrorKind::KeyMismatch);
        }
    }
}
