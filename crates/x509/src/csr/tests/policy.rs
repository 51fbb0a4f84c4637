//! The effect of a policy, and of known keys.

use std::sync::Arc;

use fleetcert_names::IdentifierSet;

use super::builder::*;
use crate::CsrRefusalCode as Code;
use crate::der::{encode, null, oid, tag};
use crate::{
    BlockedKeys, BlocklistUnavailable, CsrExtension, CsrPolicy, CsrRefusal, CsrRefusalCode, KeyBlocklist,
    KeyKind, KeyPair, KnownKeys, NameGrant, SignatureAlgorithm, SigningKey, SubjectRule, Surplus,
    VerifiedCsr,
};

fn code(bytes: &[u8], policy: &CsrPolicy) -> Option<CsrRefusalCode> {
    VerifiedCsr::parse(bytes, policy).err().map(|refusal| refusal.code())
}

fn cn(text: &str) -> Vec<u8> {
    rdn(oid::COMMON_NAME, tag::UTF8_STRING, text.as_bytes())
}

#[test]
fn subject_rules_are_applied() {
    let organisation = rdn(&[0x55, 4, 10], tag::UTF8_STRING, b"Acme");
    let [nothing, own, more, foreign] = [
        with_subject(&[]),
        with_subject(&[cn(NAME)]),
        with_subject(&[organisation.clone(), cn(NAME)]),
        with_subject(&[cn(NAME), organisation, cn("evil.test")]),
    ];
    let (no, mismatch) = (Some(Code::SubjectNotAllowed), Some(Code::CommonNameMismatch));
    for (rule, answers) in [
        (SubjectRule::Empty, [None, no, no, no]),
        (SubjectRule::CommonName, [None, None, no, no]),
        (SubjectRule::Any, [None, None, None, mismatch]),
    ] {
        let policy = CsrPolicy::device().with_subject(rule);
        let found = [&nothing, &own, &more, &foreign].map(|csr| code(csr, &policy));
        assert_eq!(found, answers, "{rule:?}");
    }
    assert_eq!(code(&more, &CsrPolicy::lets_encrypt()), None);
    let any = CsrPolicy::device().with_subject(SubjectRule::Any);
    let empty_rdn = with_subject(&[encode(tag::SET, &[]), cn(NAME)]);
    assert_eq!(code(&empty_rdn, &any), Some(Code::NotDer));
    let attribute = sequence(&[encode(tag::OID, &[&[0x55, 4, 10]]), null(), null()]);
    assert_eq!(code(&with_subject(&[encode(tag::SET, &[&attribute])]), &any), Some(Code::TrailingData));
}

#[test]
fn surplus_extensions_are_refused_or_ignored() {
    let usage = with_extension(oid::KEY_USAGE, &[3, 2, 7, 0x80]);
    let purposes =
        with_extension(oid::EXTENDED_KEY_USAGE, &sequence(&[encode(tag::OID, &[oid::SERVER_AUTH])]));
    let constraints = with_extension(oid::BASIC_CONSTRAINTS, &sequence(&[]));
    let unknown = with_extension(&[0x2a, 3], &[1]);
    let staple = with_extension(oid::TLS_FEATURE, &[0x30, 3, 2, 1, 5]);
    let all = [&usage, &purposes, &constraints, &unknown, &staple];
    let no = Some(Code::ExtensionNotAllowed);

    let codes = |policy: CsrPolicy| all.map(|csr| code(csr, &policy));
    assert_eq!(codes(CsrPolicy::device()), [None, None, None, no, no]);
    assert_eq!(codes(CsrPolicy::device().with_extensions(&[])), [no; 5]);
    for (at, extension) in CsrExtension::ALL.into_iter().enumerate() {
        let mut expected = [no; 5];
        expected[at] = None;
        assert_eq!(codes(CsrPolicy::device().with_extensions(&[extension])), expected, "{extension:?}");
    }
    assert_eq!(codes(CsrPolicy::device().with_surplus(Surplus::LeftOut)), [None, None, None, None, no]);
    assert_eq!(codes(CsrPolicy::lets_encrypt()), [None, None, None, None, no]);
    assert_eq!(codes(CsrPolicy::lets_encrypt().with_surplus(Surplus::Refused)), [None, None, None, no, no]);

    let attributes =
        vec![attribute(&[0x2a, 3], &[null()]), request(&[san(&[dns(NAME)])]), attribute(&[0x2a, 3], &[])];
    let surplus = csr(|parts| parts.attributes = attributes);
    assert_eq!(code(&surplus, &CsrPolicy::device()), Some(Code::AttributeNotAllowed));
    assert_eq!(code(&surplus, &CsrPolicy::device().with_surplus(Surplus::LeftOut)), None);
}

#[test]
fn a_labels_are_allowed_by_choice() {
    let bytes = with_names(&[dns("xn--bcher-kva.fleet.test")]);
    let malformed = Some(Code::NameMalformed);
    assert_eq!(code(&bytes, &CsrPolicy::device()), malformed);
    assert_eq!(code(&bytes, &CsrPolicy::device().with_a_labels(true)), None);
    assert_eq!(code(&bytes, &CsrPolicy::lets_encrypt()), None);
    assert_eq!(code(&bytes, &CsrPolicy::lets_encrypt().with_a_labels(false)), malformed);
}

#[test]
fn ecdsa_identifiers_with_null_are_allowed_by_choice() {
    for (oid, algorithm) in [
        (oid::ECDSA_WITH_SHA256, SignatureAlgorithm::EcdsaSha256),
        (oid::ECDSA_WITH_SHA384, SignatureAlgorithm::EcdsaSha384),
        (oid::ECDSA_WITH_SHA512, SignatureAlgorithm::EcdsaSha512),
    ] {
        let identifier = sequence(&[encode(tag::OID, &[oid]), null()]);
        assert_eq!(SignatureAlgorithm::from_ecdsa_with_null(&identifier), Some(algorithm));
        assert_eq!(SignatureAlgorithm::from_identifier(&identifier), None);
        assert_eq!(SignatureAlgorithm::from_ecdsa_with_null(&algorithm.identifier()), None);
    }
    let signed = csr(|parts| {
        parts.signature_algorithm = sequence(&[encode(tag::OID, &[oid::ECDSA_WITH_SHA256]), null()]);
    });
    let unsupported = Some(Code::SignatureAlgorithmUnsupported);
    for preset in [CsrPolicy::device(), CsrPolicy::lets_encrypt()] {
        assert_eq!(code(&signed, &preset), None);
        let strict = preset.with_ecdsa_null_parameters(false);
        assert_eq!(code(&signed, &strict), unsupported);
        assert_eq!(code(&signed, &strict.with_ecdsa_null_parameters(true)), None);
    }
    // Only NULL is allowed there.
    let with = |parameters: &[u8]| {
        csr(|parts| {
            let oid = encode(tag::OID, &[oid::ECDSA_WITH_SHA256]);
            parts.signature_algorithm = sequence(&[oid, parameters.to_vec()]);
        })
    };
    for parameters in [&[0x05, 0x01, 0x00][..], &[0x30, 0x00], &[0x05, 0x00, 0x05, 0x00]] {
        assert!(code(&with(parameters), &CsrPolicy::device()).is_some(), "{parameters:02x?}");
    }
}

fn set(names: &str) -> IdentifierSet {
    names.parse().unwrap()
}

/// An exact grant demands its wildcards like its names.
#[test]
fn csr_without_a_wildcard_of_its_exact_grant_is_refused() {
    let both = set("xi8qz.fleet.test,*.xi8qz.fleet.test");
    let policy = CsrPolicy::device().with_grant(NameGrant::exact(&both));
    let of = |names: &[&str]| with_names(&names.iter().map(|name| dns(name)).collect::<Vec<_>>());
    assert_eq!(code(&of(&[NAME, "*.xi8qz.fleet.test"]), &policy), None);
    assert_eq!(code(&of(&[NAME]), &policy), Some(Code::NameNotGranted));
    assert_eq!(code(&of(&["*.xi8qz.fleet.test"]), &policy), Some(Code::NameNotGranted));
    let csr = VerifiedCsr::parse(&of(&[NAME]), &CsrPolicy::device()).unwrap();
    assert_eq!(csr.require_identifiers(&both).unwrap_err().code(), Code::NameNotGranted);
}

/// A set has at most 100 identifiers, independent of the policy.
#[test]
fn more_than_a_hundred_names_are_refused_by_any_policy() {
    let of = |count: usize| {
        with_names(&(0..count).map(|number| dns(&format!("d{number}.test"))).collect::<Vec<_>>())
    };
    let policy = CsrPolicy::device().with_max_names(1000);
    assert_eq!(code(&of(100), &policy), None);
    assert_eq!(code(&of(101), &policy), Some(Code::SanTooMany));
}

#[test]
fn grants_of_each_kind_are_applied() {
    let [own, base] = [NAME, "fleet.test"].map(set);
    let [own_wildcard, base_wildcard] = ["*.xi8qz.fleet.test", "*.fleet.test"].map(set);
    let grant = NameGrant::exact(&own).and_optional(&own_wildcard).and_subtree("fleet.test".parse().unwrap());
    let policy = |grant: &NameGrant| CsrPolicy::device().with_max_names(4).with_grant(grant.clone());
    let of = |names: &[&str]| with_names(&names.iter().map(|name| dns(name)).collect::<Vec<_>>());

    let csr =
        VerifiedCsr::parse(&of(&["*.XI8QZ.fleet.test", NAME, "b.fleet.test"]), &policy(&grant)).unwrap();
    assert_eq!(csr.identifiers(), &set("*.xi8qz.fleet.test,b.fleet.test,xi8qz.fleet.test"));
    assert!(csr.require_identifiers(csr.identifiers()).is_ok());
    let hosts = set("b.fleet.test,xi8qz.fleet.test");
    assert_eq!(csr.require_identifiers(&hosts).unwrap_err().code(), Code::WildcardNotGranted);
    assert!(format!("{csr:?}").contains("*.xi8qz.fleet.test"));

    for (names, expected) in [
        (&[NAME][..], None),
        (&["b.fleet.test"], Some(Code::NameNotGranted)),
        (&[NAME, "fleet.test"], Some(Code::NameNotGranted)),
        (&[NAME, "a.b.fleet.test"], None),
        (&[NAME, "evilfleet.test"], Some(Code::NameNotGranted)),
        (&[NAME, "*.fleet.test"], Some(Code::WildcardNotGranted)),
        (&[NAME, "*.b.fleet.test"], Some(Code::WildcardNotGranted)),
        (&[NAME, "*.xi8qz.fleet.test", "*.xi8qz.fleet.test"], Some(Code::SanDuplicate)),
        (&[NAME, "*.-.fleet.test"], Some(Code::NameMalformed)),
        (&[NAME, "*xi8qz.fleet.test"], Some(Code::WildcardNotGranted)),
        (&[NAME, "a.fleet.test", "b.fleet.test", "c.fleet.test"], None),
        (&[NAME, "a.fleet.test", "b.fleet.test", "c.fleet.test", "d.fleet.test"], Some(Code::SanTooMany)),
    ] {
        assert_eq!(code(&of(names), &policy(&grant)), expected, "{names:?}");
    }

    // Without a subtree, the grant sets the maximum; exact names are required, optional ones are not.
    let two = NameGrant::exact(&own).and_exact(&base).and_optional(&base_wildcard);
    let strict = CsrPolicy::device().with_max_names(1).with_grant(two);
    assert_eq!(code(&of(&[NAME, "fleet.test"]), &strict), None);
    assert_eq!(code(&of(&[NAME, "fleet.test", "*.fleet.test"]), &strict), None);
    assert_eq!(code(&of(&[NAME, "*.fleet.test"]), &strict), Some(Code::NameNotGranted));
    assert_eq!(code(&of(&[NAME, "fleet.test", "*.fleet.test", "b.test"]), &strict), Some(Code::SanTooMany));
    let overlapping = NameGrant::exact(&own).and_optional(&own).and_optional(&base);
    let strict_too = CsrPolicy::device().with_grant(overlapping);
    assert_eq!(code(&of(&[NAME, "fleet.test", "b.test"]), &strict_too), Some(Code::SanTooMany));
    let star_in_cn = with_subject(&[cn("*.fleet.test")]);
    assert_eq!(code(&star_in_cn, &strict), Some(Code::CommonNameMismatch));
}

#[test]
fn grants_of_the_same_names_in_any_order_are_equal() {
    let [one, other] = ["a.fleet.test", "b.fleet.test"].map(set);
    let both = NameGrant::exact(&set("b.fleet.test,a.fleet.test,b.fleet.test"));
    assert_eq!(NameGrant::exact(&other).and_exact(&one).and_exact(&other), both);
    let any = NameGrant::optional(&one).and_optional(&other);
    assert_eq!(NameGrant::optional(&other).and_optional(&one).and_optional(&other), any);
    assert_ne!(any, both);

    let subtree = CsrPolicy::device().with_grant(NameGrant::subtree("a.fleet.test".parse().unwrap()));
    assert_eq!(code(&with_names(&[dns("x.a.fleet.test")]), &subtree), None);
    assert_eq!(code(&with_names(&[dns("a.fleet.test")]), &subtree), Some(Code::NameNotGranted));
    assert_eq!(
        code(&with_names(&[dns("x.a.fleet.test"), dns("y.a.fleet.test")]), &subtree),
        Some(Code::SanTooMany)
    );
}

#[test]
fn wildcard_has_at_most_ten_labels_and_may_be_the_common_name() {
    let of = |base: &str| {
        let name = format!("*.{base}");
        let bytes = csr(|parts| {
            parts.subject = sequence(&[cn(&name.to_ascii_uppercase())]);
            parts.attributes = vec![request(&[san(&[dns(&name)])])];
        });
        code(&bytes, &CsrPolicy::device().with_grant(NameGrant::exact(&set(&name))))
    };
    assert_eq!(of("a.b.c.d.e.f.g.fleet.test"), None);
    assert_eq!(of("a.b.c.d.e.f.g.h.fleet.test"), Some(Code::NameMalformed));
}

/// Rule 16.
#[test]
fn blocked_keys_are_refused() {
    #[derive(Debug)]
    struct Unreachable;
    impl KeyBlocklist for Unreachable {
        fn contains(&self, _spki_sha256: &[u8; 32]) -> Result<bool, BlocklistUnavailable> {
            Err(BlocklistUnavailable::because("no answer"))
        }
    }
    let good = csr(|_| ());
    let sha256 = *VerifiedCsr::parse(&good, &CsrPolicy::device()).unwrap().spki_sha256();
    let list = |hashes: &[[u8; 32]]| Arc::new(hashes.iter().copied().collect::<BlockedKeys>());
    let with = |lists: Vec<Arc<dyn KeyBlocklist>>| {
        let policy = lists.into_iter().fold(CsrPolicy::device(), CsrPolicy::with_blocklist);
        VerifiedCsr::parse(&good, &policy).map(|_| ())
    };
    let refused =
        |result: Result<(), CsrRefusal>| result.map_err(|refusal| (refusal.code(), refusal.is_temporary()));

    assert_eq!(refused(with(vec![list(&[]), list(&[[0; 32]])])), Ok(()));
    assert_eq!(refused(with(vec![list(&[]), list(&[[0; 32], sha256])])), Err((Code::KeyBlocked, false)));
    let unavailable = Err((Code::KeyCheckUnavailable, true));
    assert_eq!(refused(with(vec![Arc::new(Unreachable)])), unavailable);
    assert_eq!(refused(with(vec![list(&[]), Arc::new(Unreachable)])), unavailable);
    // The lists are not queried for a sender without the key.
    let unsigned = csr(|parts| parts.signature = Some(vec![0]));
    let policy = CsrPolicy::device().with_blocklist(Arc::new(Unreachable));
    assert_eq!(code(&unsigned, &policy), Some(Code::BadSignature));
}

/// Rules 17 and 18.
#[test]
fn keys_in_another_use_are_refused() {
    let policy = CsrPolicy::device();
    let csr = VerifiedCsr::parse(&csr(|_| ()), &policy).unwrap();
    let other = KeyPair::generate(KeyKind::P256).unwrap();
    let own = KEY.spki_der();
    let refusal = |known: &KnownKeys, policy: &CsrPolicy| {
        csr.require_key(known, policy).err().map(|refusal| refusal.code())
    };
    type Adder = fn(KnownKeys, &[u8]) -> KnownKeys;
    let adders: [(Adder, CsrRefusalCode); 4] = [
        (KnownKeys::with_other_device, Code::KeyReused),
        (KnownKeys::with_identity, Code::KeyIsIdentity),
        (KnownKeys::with_account, Code::KeyIsAccount),
        (KnownKeys::with_previous, Code::KeyNotRotated),
    ];
    let rotating = CsrPolicy::device().with_new_key_each_time(true);
    for (with, code) in adders {
        let known = with(with(KnownKeys::new(), other.spki_der()), own);
        assert_eq!(refusal(&known, &rotating), Some(code));
        assert_eq!(refusal(&known, &policy), Some(code).filter(|code| *code != Code::KeyNotRotated));
        assert_eq!(refusal(&with(KnownKeys::new(), other.spki_der()), &rotating), None);
    }
    assert_eq!(refusal(&KnownKeys::new(), &rotating), None);
    let unavailable = csr.require_key(&KnownKeys::unavailable(), &policy).unwrap_err();
    assert!(unavailable.is_temporary());
}

/// Rule 31.
#[test]
fn bytes_changed_after_the_gate_are_detected() {
    let policy = CsrPolicy::device();
    let checked = VerifiedCsr::parse(&csr(|_| ()), &policy).unwrap();
    let other = VerifiedCsr::parse(&with_names(&[dns("b.fleet.test")]), &policy).unwrap();
    checked.require_sha256(checked.sha256()).unwrap();
    assert_eq!(other.require_sha256(checked.sha256()).unwrap_err().code(), Code::InternalMismatch);
}

#[test]
fn refusals_of_keys_name_the_allowed_kinds() {
    let refusal = |bytes: &[u8], policy: &CsrPolicy| VerifiedCsr::parse(bytes, policy).unwrap_err();
    let rsa = csr(|parts| parts.spki = rsa_spki(&modulus(1024), &[1, 0, 1]));
    let device = refusal(&rsa, &CsrPolicy::device());
    assert_eq!(device.to_string(), "RSA keys are not allowed; make a new key: P-256 or P-384.");
    let by_choice = refusal(&rsa, &CsrPolicy::device().with_keys(&[KeyKind::Rsa2048]));
    assert!(by_choice.to_string().ends_with("; make a new key: RSA-2048."), "{by_choice}");
    assert_eq!((by_choice.code(), by_choice.field()), (Code::KeySizeNotAllowed, "subjectPKInfo"));
}

/// Weak keys that only arithmetic detects, signed by their owners.
#[test]
fn weak_keys_are_refused_with_their_weakness() {
    let policy = CsrPolicy::device().with_keys(&KeyKind::ALL);
    for (bytes, expected) in [
        (&include_bytes!("../../../tests/corpus/hostile/13-factor-751.der")[..], Code::KeyWeak),
        (include_bytes!("../../../tests/corpus/hostile/14-close-2048.der"), Code::KeyClosePrimes),
        (include_bytes!("../../../tests/corpus/hostile/15-roca.der"), Code::KeyRoca),
    ] {
        assert_eq!(code(bytes, &policy), Some(expected));
    }
}

#[test]
fn codes_are_unique() {
    let mut codes = CsrRefusalCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>();
    assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), CsrRefusalCode::ALL.len());
}
