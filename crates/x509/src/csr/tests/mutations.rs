//! Five million mutations of the corpus: none panics, and none that is not canonical passes.
//!
//! Most mutations are checked without the signature, which would refuse all of them. For this the test is inside the
//! crate.

use std::fs;
use std::path::Path;

use super::super::parse::CertificationRequest;
use super::super::{CsrRefusal, input, rules};
use crate::der::{Reader, encode, tag};
use crate::key::PublicKey;
use crate::{CsrPolicy, KeyKind, NameGrant, VerifiedCsr};

const SEED: u64 = 0x0c5f_2986_0000_0001;
const UNSIGNED: u64 = 4_800_000;
const SIGNED: u64 = 200_000;

/// A small generator (xorshift64*) with reproducible mutations.
struct RandomNumbers(u64);

impl RandomNumbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }
}

/// Octets with a meaning in DER, in names, or at the edge of a number.
const SPECIAL_OCTETS: [u8; 24] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x84,
    0x86, 0x87, 0xa0, 0xff, b'*', b'.', b'-',
];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut RandomNumbers) {
    let at = random.below(bytes.len());
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes[at] = SPECIAL_OCTETS[random.below(SPECIAL_OCTETS.len())],
        3 => bytes.insert(at, SPECIAL_OCTETS[random.below(SPECIAL_OCTETS.len())]),
        4 => drop(bytes.remove(at)),
        5 => bytes.truncate(at),
        // A length that is one more or one less.
        6 => bytes[at] = bytes[at].wrapping_add(if random.below(2) == 0 { 1 } else { 0xff }),
        // A piece of itself, or of another document, over it or into it.
        7 => {
            let from = random.below(bytes.len());
            let piece = bytes[from..].iter().copied().take(random.below(40)).collect::<Vec<_>>();
            bytes.splice(at..at, piece);
        }
        _ => {
            let from = random.below(other.len());
            let length = random.below(80).min(other.len() - from).min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&other[from..from + length]);
        }
    }
    if bytes.is_empty() {
        bytes.push(tag::SEQUENCE);
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let files =
        index.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').next().unwrap());
    let files = files.map(|file| fs::read(folder.join(file)).unwrap());
    // Small documents, so that a mutation hits what is checked; of PEM, the DER inside.
    let ders = files.filter_map(|bytes| input::document(&bytes).ok().map(std::borrow::Cow::into_owned));
    ders.filter(|der| der.len() < 1500).collect()
}

fn policies() -> [CsrPolicy; 3] {
    let wildcard = "*.xi8qz.fleet.test".parse().unwrap();
    [
        CsrPolicy::device().with_keys(&KeyKind::ALL),
        CsrPolicy::lets_encrypt(),
        CsrPolicy::device().with_grant(NameGrant::optional(&wildcard)),
    ]
}

/// Runs all rules except those of the key and the signature.
fn unsigned(der: &[u8], policy: &CsrPolicy) -> Result<usize, CsrRefusal> {
    let request = CertificationRequest::parse(der)?;
    rules::identifiers(&request, policy).map(|identifiers| identifiers.len())
}

/// Returns the same elements, encoded again by our writer.
fn written_again(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(bytes);
    let mut written = Vec::new();
    while !reader.is_empty() {
        let element = reader.any().unwrap();
        let inner = if tag::is_constructed(element.tag) {
            written_again(element.content)
        } else {
            element.content.to_vec()
        };
        written.extend(encode(element.tag, &[&inner]));
    }
    written
}

#[test]
fn mutations_neither_panic_nor_pass_unless_canonical() {
    println!("seed {SEED:#x}, {UNSIGNED} without and {SIGNED} with the signature");
    let corpus = corpus();
    assert!(corpus.len() > 200);
    let policies = policies();
    let mut random = RandomNumbers(SEED);
    let mut bytes = Vec::new();
    let (mut passed, mut keys) = (0u64, 0u64);
    for round in 0..UNSIGNED + SIGNED {
        bytes.clear();
        bytes.extend_from_slice(&corpus[random.below(corpus.len())]);
        let other = random.below(corpus.len());
        for _ in 0..1 + random.below(3) {
            mutate(&mut bytes, &corpus[other], &mut random);
        }
        let policy = &policies[random.below(policies.len())];
        if round >= UNSIGNED {
            let _ = VerifiedCsr::parse(&bytes, policy);
            continue;
        }
        let Ok(count) = unsigned(&bytes, policy) else { continue };
        passed += 1;
        assert!((1..=100).contains(&count), "round {round}: {count} names");
        assert_eq!(written_again(&bytes), bytes, "round {round}: not canonical");
        // Points cost a hundred times as much as everything else.
        if passed.is_multiple_of(16) {
            let request = CertificationRequest::parse(&bytes).unwrap();
            keys += u64::from(PublicKey::parse(request.spki).is_ok());
        }
    }
    println!("{passed} passed all but key and signature; of a sixteenth of these, {keys} keys were valid");
    assert!(passed > UNSIGNED / 100 && keys > 0, "too few mutations pass: {passed}, {keys}");
}
