//! Files made by another library, each with one defect.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::SHA256;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair as RcgenKey,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use fleetcert_x509::{Chain, KeyKind, KeyPair, Roots};

use crate::entry::{InventoryEntry, InventoryKey};
use crate::inventory::Inventory;
use crate::state::ChainState;

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn day(count: u64) -> SystemTime {
    start() + Duration::from_secs(count * 24 * 60 * 60)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

fn key() -> RcgenKey {
    RcgenKey::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// A root, an intermediate and a leaf of 90 days.
struct World {
    root: Certificate,
    middle: Certificate,
    leaf: Certificate,
}

fn world_with(change: fn(&mut CertificateParams), leaf_key: &RcgenKey) -> World {
    let (root_key, middle_key) = (key(), key());
    let root_params = params("the root");
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let mut middle_params = params("the middle");
    change(&mut middle_params);
    let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(middle_params, middle_key);
    let mut leaf = CertificateParams::new(vec!["b.fleet.test".into(), "a.fleet.test".into()]).unwrap();
    (leaf.not_before, leaf.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 4, 1));
    let leaf = leaf.signed_by(leaf_key, &middle_issuer).unwrap();
    World { root, middle, leaf }
}

fn world() -> World {
    world_with(|_| (), &key())
}

fn pem_of(certificates: &[&Certificate]) -> Vec<u8> {
    certificates.iter().map(|one| one.pem()).collect::<String>().into_bytes()
}

/// Returns the state of the first entry of a file with these certificates.
fn state(roots: Option<&World>, certificates: &[&Certificate]) -> ChainState {
    let roots = roots.map(|world| {
        Roots::from_certificates(vec![CertificateDer::from(world.root.der().to_vec())]).unwrap()
    });
    let mut inventory = Inventory::new(roots);
    inventory.add("file.pem", &pem_of(certificates));
    inventory.entries()[0].chain().clone()
}

#[test]
fn entry_describes_its_chain() {
    let world = world();
    let mut inventory = Inventory::new(None);
    let key = KeyPair::generate(KeyKind::P256).unwrap().to_pkcs8_pem().unwrap();
    let text = [key.as_bytes(), b"text around\n", &pem_of(&[&world.leaf, &world.middle])].concat();
    inventory.add("haproxy.pem", &text);
    let [entry] = inventory.entries() else { panic!("{inventory:?}") };
    assert_eq!((entry.file(), entry.position()), ("haproxy.pem", 0));
    assert_eq!(entry.names(), ["a.fleet.test", "b.fleet.test"]);
    assert_eq!((entry.issuer(), entry.key()), ("the middle", &InventoryKey::Known(KeyKind::P256)));
    assert_eq!((entry.ends(), entry.days_left(day(80))), (day(90), 10));
    assert_eq!(entry.chain(), &ChainState::Open { issuer: "the root".to_owned() });
    assert_eq!(&entry.sha256()[..], aws_lc_rs::digest::digest(&SHA256, world.leaf.der()).as_ref());
    assert_eq!((entry.duplicate_of(), inventory.is_cut_off()), (None, false));
    assert!(inventory.unreadable().is_empty() && inventory.without_certificate().is_empty());
}

#[test]
fn incomplete_chains_are_described() {
    let (world, stranger) = (world(), world());
    let missing = |position, issuer: &str| ChainState::MissingIssuer { position, issuer: issuer.to_owned() };
    let broken = |position, issuer: &str| ChainState::BrokenLink { position, issuer: issuer.to_owned() };
    let (leaf, middle, root) = (&world.leaf, &world.middle, &world.root);

    assert_eq!(state(None, &[leaf, middle]), ChainState::Open { issuer: "the root".to_owned() });
    assert_eq!(state(None, &[leaf, middle, root]), ChainState::Complete);
    assert_eq!(state(None, &[leaf]), missing(0, "the middle"));
    assert_eq!(state(None, &[leaf, root]), missing(0, "the middle"));
    assert_eq!(state(None, &[leaf, root, middle]), ChainState::Disordered);
    assert_eq!(state(None, &[leaf, &stranger.middle]), broken(0, "the middle"));
    assert_eq!(state(None, &[leaf, middle, &stranger.root]), broken(1, "the root"));
    assert_eq!(state(None, &[root]), ChainState::SelfSigned);
    assert_eq!(state(None, &[middle]), ChainState::Open { issuer: "the root".to_owned() });

    let known = Some(&world);
    assert_eq!(state(known, &[leaf, middle]), ChainState::Complete);
    assert_eq!(state(known, &[leaf, middle, root]), ChainState::Complete);
    assert_eq!(state(known, &[leaf]), missing(0, "the middle"));
    assert_eq!(state(known, &[root]), ChainState::Complete);
    let theirs = [&stranger.leaf, &stranger.middle, &stranger.root];
    assert_eq!(state(known, &theirs), ChainState::UnknownRoot { root: "the root".to_owned() });
    assert_eq!(state(known, &theirs[..2]), broken(1, "the root"));
    assert_eq!(state(known, &theirs[2..]), ChainState::SelfSigned);
    // The root is identified by its name and by its key.
    let other = world_with(|params| params.distinguished_name.push(DnType::CommonName, "other"), &key());
    assert_eq!(state(known, &[&other.middle]), broken(0, "the root"));

    for state in [ChainState::Complete, ChainState::Open { issuer: String::new() }] {
        assert!(state.can_be_served());
    }
    for state in [ChainState::SelfSigned, ChainState::Disordered, ChainState::Endless, missing(0, "")] {
        assert!(!state.can_be_served());
    }
}

/// Like old roots, whose own signature is by SHA-1: here the signature is invalid.
#[test]
fn root_is_recognised_without_its_own_signature() {
    let world = world();
    let mut root = world.root.der().to_vec();
    *root.last_mut().unwrap() ^= 1;
    let root = CertificateDer::from(root);
    let chain = [world.leaf.der().clone(), world.middle.der().clone(), root.clone()];
    for (roots, alone, whole) in [
        (None, ChainState::SelfSigned, ChainState::Complete),
        (
            Some(Roots::from_certificates(vec![root.clone()]).unwrap()),
            ChainState::Complete,
            ChainState::Complete,
        ),
    ] {
        let mut inventory = Inventory::new(roots);
        inventory.add("root.der", &root);
        let pem = Chain::from_certificates(chain.to_vec()).unwrap().to_pem();
        inventory.add("chain.pem", pem.as_bytes());
        assert_eq!((inventory.entries()[0].chain(), inventory.entries()[1].chain()), (&alone, &whole));
    }
}

/// The chain of a root that another root has cross-signed: trusting the first is enough.
#[test]
fn cross_signed_root_completes_the_chain() {
    let world = world();
    let roots = Roots::from_certificates(vec![world.middle.der().clone()]).unwrap();
    for certificates in [&[&world.leaf][..], &[&world.leaf, &world.middle]] {
        let mut inventory = Inventory::new(Some(roots.clone()));
        inventory.add("chain.pem", &pem_of(certificates));
        assert_eq!(inventory.entries()[0].chain(), &ChainState::Complete);
    }
}

/// Two CAs that signed each other, with no root above them.
#[test]
fn circle_of_issuers_ends() {
    let (one_key, other_key) = (key(), key());
    let (one_params, other_params) = (params("one"), params("other"));
    let other = other_params.signed_by(&other_key, &Issuer::from_params(&one_params, &one_key)).unwrap();
    let one = one_params.signed_by(&one_key, &Issuer::from_params(&other_params, &other_key)).unwrap();
    assert_eq!(state(None, &[&one, &other]), ChainState::Endless);
    let mut inventory = Inventory::new(None);
    inventory.add("circle.pem", &pem_of(&[&one, &other]));
    assert_eq!(inventory.entries().len(), 1);
}

#[test]
fn bundle_has_an_entry_for_each_root() {
    let worlds = [world(), world(), world()];
    let roots = worlds.iter().map(|world| &world.root).collect::<Vec<_>>();
    let mut inventory = Inventory::new(None);
    inventory.add("ca-bundle.pem", &pem_of(&roots));
    let positions = inventory.entries().iter().map(InventoryEntry::position).collect::<Vec<_>>();
    assert_eq!(positions, [0, 1, 2]);
    assert_eq!(inventory.entries()[0].names(), ["the root"]);
}

#[test]
fn duplicate_refers_to_the_first_file() {
    let world = world();
    let mut inventory = Inventory::new(None);
    inventory.add("fullchain.pem", &pem_of(&[&world.leaf, &world.middle]));
    inventory.add("cert.pem", &pem_of(&[&world.leaf]));
    inventory.add("cert.der", world.leaf.der());
    inventory.add("fresh.pem", &pem_of(&[&world_with(|_| (), &key()).leaf]));
    let duplicates = inventory.entries().iter().map(InventoryEntry::duplicate_of).collect::<Vec<_>>();
    assert_eq!(duplicates, [None, Some("fullchain.pem"), Some("fullchain.pem"), None]);
    assert_eq!(inventory.ending_within(day(100), 0).count(), 2);
}

#[test]
fn expiring_certificates_are_counted_once() {
    let mut inventory = Inventory::new(None);
    inventory.add("leaf.pem", &pem_of(&[&world().leaf]));
    let within = |at, days| inventory.ending_within(at, days).count();
    let second = Duration::from_secs(1);
    assert_eq!((within(day(90), 0), within(day(90) + second, 0)), (0, 1));
    assert_eq!((within(day(60), 30), within(day(60) + second, 30), within(day(60), 31)), (0, 1, 1));

    let early = world_with(|params| params.not_after = date_time_ymd(2026, 2, 1), &key());
    inventory = Inventory::new(None);
    inventory.add("chain.pem", &pem_of(&[&early.leaf, &early.middle]));
    assert_eq!(inventory.entries()[0].ends(), day(31));
    let table = inventory.table(day(0), 0);
    assert!(table.contains("its issuer expires earlier; its own expiry is 2026-04-01"), "{table}");
}

#[test]
fn unreadable_files_are_listed_with_their_reason() {
    let world = world();
    let good = pem_of(&[&world.leaf, &world.middle]);
    let mut inventory = Inventory::new(None);
    inventory.add("cut-off.pem", &good[..good.len() - 30]);
    inventory.add(
        "half.pem",
        &[&b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"[..], &good].concat(),
    );
    inventory.add("large.pem", &vec![b' '; 1024 * 1024 + 1]);
    inventory.add_unreadable("locked.pem", "Permission denied");
    inventory
        .add("many.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(1001).as_bytes());
    let said = inventory.unreadable().iter().map(|one| format!("{}: {}", one.file(), one.reason()));
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            "cut-off.pem: a PEM block has no end",
            "half.pem: certificate 0: the data is not a certificate",
            "large.pem: the file is larger than 1 MiB",
            "locked.pem: Permission denied",
            "many.pem: the file has more than 1000 PEM blocks",
        ]
    );
    // The certificate beside the unreadable one is not lost, and keeps its position.
    let [entry] = inventory.entries() else { panic!("{inventory:?}") };
    assert_eq!((entry.file(), entry.position()), ("half.pem", 1));

    let key = key().serialize_pem();
    for file in [&b""[..], b"\xff\xfe", b"0", b"0\x82\x01\x00", key.as_bytes()] {
        inventory.add("other", file);
    }
    assert_eq!(inventory.without_certificate().len(), 5);
}

#[test]
fn keys_of_all_kinds_are_described() {
    let leaf_key = |key: &RcgenKey| {
        let mut inventory = Inventory::new(None);
        inventory.add("file", &pem_of(&[&world_with(|_| (), key).leaf]));
        inventory.entries()[0].key().to_string()
    };
    assert_eq!(leaf_key(&key()), "P-256");
    assert_eq!(leaf_key(&RcgenKey::generate_for(&PKCS_ED25519).unwrap()), "Ed25519");
    assert_eq!(leaf_key(&RcgenKey::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap()), "P-521");
    assert_eq!(InventoryKey::of(None, b"nonsense"), InventoryKey::Other("unknown".to_owned()));
}

#[test]
fn table_lists_certificates_by_expiry() {
    let world = world();
    let mut inventory = Inventory::new(None);
    inventory.add("/etc/ssl/a/very/long/path/fullchain.pem", &pem_of(&[&world.leaf, &world.middle]));
    inventory.add("cert\n\x1b[31m.pem", &pem_of(&[&world.leaf]));
    inventory.add("roots.pem", &pem_of(&[&world.root]));
    inventory.add_unreadable("locked.pem", &"x".repeat(200));
    let table = inventory.table(day(85), 30);
    let expected = "\
EXPIRES       DAYS KEY      CHAIN        NAMES                   ISSUER         FILE
2026-04-01     5 ! P-256    open         a.fleet.test +1         the middle     ..path/fullchain.pem
2026-04-01     5 ! P-256    incomplete   a.fleet.test +1         the middle     cert\\n\\u{1b}[31m.pem
";
    assert!(table.starts_with(&expected[..expected.find("2026").unwrap()]), "{table}");
    for line in expected.lines() {
        assert!(table.contains(line), "{line}\nis not in\n{table}");
    }
    assert!(table.contains("the issuer \"the middle\" of certificate 0 of the chain is missing"), "{table}");
    assert!(table.contains("the same certificate is in /etc/ssl/a/very/long/path/fullchain.pem"), "{table}");
    assert!(table.ends_with(
        "2 certificates: 0 expired, 1 more end within 30 days; 1 file unreadable, 0 without a certificate\n"
    ), "{table}");
    assert!(
        table
            .lines()
            .all(|line| line.len() <= 100 && line.bytes().all(|octet| (0x20..0x7f).contains(&octet)))
    );
    let expired = inventory.table(day(91), 0);
    assert!(expired.contains("2026-04-01    -1 !"), "{expired}");
    assert!(expired.contains("1 expired, 0 more end within 0 days"), "{expired}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, name: String, warn: u32, seconds in 0u64..1 << 40) {
        let mut inventory = Inventory::new(None);
        inventory.add(&name, &bytes);
        inventory.add(&name, &[&b"-----BEGIN CERTIFICATE-----\n"[..], &bytes].concat());
        inventory.add_unreadable(&name, &name);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        prop_assert!(inventory.table(now, warn).lines().all(|line| line.len() <= 100 && line.is_ascii()));
        prop_assert_eq!(inventory.entries().len(), 0);
    }
}
