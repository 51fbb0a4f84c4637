//! The corpus: each file gets the expected answer, and truncated or changed files are refused.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[path = "corpus/rows.rs"]
#[allow(dead_code, reason = "who made a file is for the table")]
mod corpus;

use std::collections::BTreeSet;

use corpus::{Row, rows};
use fleetcert_names::IdentifierSet;
use fleetcert_x509::VerifiedCsr;

fn meaning(csr: &VerifiedCsr) -> (IdentifierSet, Vec<u8>) {
    (csr.identifiers().clone(), csr.spki().to_vec())
}

fn der(row: &Row) -> Vec<u8> {
    VerifiedCsr::parse(&row.bytes, &row.policy()).unwrap().der().to_vec()
}

/// Returns the answer of the gate, as the index writes it.
fn answer(row: &Row) -> String {
    match row.judge(&row.policy(), &row.bytes) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => refusal.code().to_string(),
    }
}

fn other_answers(rows: &[Row]) -> Vec<String> {
    let answers = rows.iter().map(|row| (row, answer(row)));
    answers
        .filter(|(row, answer)| *answer != row.expected)
        .map(|(row, answer)| format!("{} ({}): {answer} instead of {}", row.file, row.what, row.expected))
        .collect()
}

#[test]
fn each_good_file_passes() {
    let rows = rows("good");
    assert!(rows.len() >= 30, "{} good files", rows.len());
    assert!(rows.iter().all(|row| row.expected == "ok"));
    assert_eq!(other_answers(&rows), [""; 0]);
    for row in rows {
        let csr = row.judge(&row.policy(), &row.bytes).unwrap();
        let again = row.judge(&row.policy(), csr.der()).unwrap();
        assert_eq!(meaning(&again), meaning(&csr), "{}", row.file);
        // Rule 31: the bytes for the CA are the ones that were received.
        again.require_sha256(csr.sha256()).unwrap();
        if row.bytes[0] == 0x30 {
            assert_eq!(csr.der(), row.bytes, "{}", row.file);
        }
    }
}

#[test]
fn each_hostile_file_is_refused_with_its_code() {
    let rows = rows("hostile");
    assert!(rows.len() >= 120, "{} hostile files", rows.len());
    assert_eq!(other_answers(&rows), [""; 0]);
    let mut rules = BTreeSet::new();
    for row in rows {
        let refusal = row.judge(&row.policy(), &row.bytes).unwrap_err();
        let sentence = refusal.to_string();
        assert!(
            sentence.is_ascii() && sentence.len() < 400 && sentence.ends_with('.'),
            "{}: {sentence}",
            row.file
        );
        assert!(!sentence.contains(|character: char| character.is_control()), "{}: {sentence:?}", row.file);
        assert!(!refusal.field().is_empty() && !refusal.is_temporary());
        rules.insert(row.file.strip_prefix("hostile/").unwrap()[..2].parse::<u8>().unwrap());
    }
    // Rule 10 is about accepted files; 31 and 32 are not about bytes.
    let expected = (1..=30).filter(|rule| *rule != 10).collect::<BTreeSet<_>>();
    assert_eq!(rules, expected, "each rule has its files");
}

/// Rule 10: key and signature are parsed independently.
#[test]
fn hash_is_independent_of_the_curve() {
    use fleetcert_x509::KeyKind;

    for (file, kind) in [
        ("good/openssl-p256-sha384.pem", KeyKind::P256),
        ("good/openssl-p256-sha512.pem", KeyKind::P256),
        ("good/openssl-p384-sha256.pem", KeyKind::P384),
    ] {
        let row = rows("good").into_iter().find(|row| row.file == file).unwrap();
        assert_eq!(row.judge(&row.policy(), &row.bytes).unwrap().key_kind(), kind, "{file}");
    }
}

#[test]
fn every_prefix_of_every_good_file_is_refused() {
    for row in rows("good") {
        let (der, policy) = (der(&row), row.policy());
        for end in 0..der.len() {
            assert!(
                VerifiedCsr::parse(&der[..end], &policy).is_err(),
                "{}: the first {end} octets",
                row.file
            );
        }
        // In PEM, the line end after the last line, and text after it, can be missing.
        let text = row.bytes.trim_ascii_end();
        if text.ends_with(b"-----") {
            for end in 0..text.len() {
                assert!(
                    VerifiedCsr::parse(&text[..end], &policy).is_err(),
                    "{}: the first {end} octets",
                    row.file
                );
            }
        }
    }
}

#[test]
fn good_file_with_a_changed_octet_is_refused_or_harmless() {
    for row in rows("good") {
        let (der, policy) = (der(&row), row.policy());
        let before = meaning(&VerifiedCsr::parse(&der, &policy).unwrap());
        // RSA signatures are verified for each change in one; fewer kinds of change are enough for these.
        let changes: &[u8] = if der.len() > 500 { &[0x01] } else { &[0x01, 0x20, 0x80, 0xff] };
        for at in 0..der.len() {
            for change in changes {
                let mut changed = der.clone();
                changed[at] ^= change;
                if let Ok(csr) = VerifiedCsr::parse(&changed, &policy) {
                    assert_eq!(meaning(&csr), before, "{}: octet {at} xor {change:02x}", row.file);
                }
            }
        }
    }
}
