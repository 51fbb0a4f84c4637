//! The corpus: each file gets the answer that its row has, whatever is cut off or changed.

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

/// What the gate says, as the index writes it.
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
fn every_good_file_passes() {
    let rows = rows("good");
    assert!(rows.len() >= 30, "{} good files", rows.len());
    assert!(rows.iter().all(|row| row.expected == "ok"));
    assert_eq!(other_answers(&rows), [""; 0]);
    for row in rows {
        let csr = row.judge(&row.policy(), &row.bytes).unwrap();
        let again = row.judge(&row.policy(), csr.der()).unwrap();
        assert_eq!(meaning(&again), meaning(&csr), "{}", row.file);
        // Rule 31: the bytes that go to the CA are the ones that came.
        again.require_sha256(csr.sha256()).unwrap();
        if row.bytes[0] == 0x30 {
            assert_eq!(csr.der(), row.bytes, "{}", row.file);
        }
    }
}

#[test]
fn every_hostile_file_is_refused_by_its_code() {
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
    // 10 is a rule of what is taken; 31 and 32 are no rules about bytes.
    let expected = (1..=30).filter(|rule| *rule != 10).collect::<BTreeSet<_>>();
    assert_eq!(rules, expected, "each rule has its files");
}

/// Rule 10: key and signature are read each on its own.
#[test]
fn the_hash_says_nothing_about_the_curve() {
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
        // Of PEM the line end after the last line can be missing, and text after it.
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
fn every_good_file_with_one_octet_changed_is_refused_or_means_the_same() {
    for row in rows("good") {
        let (der, policy) = (der(&row), row.policy());
        let before = meaning(&VerifiedCsr::parse(&der, &policy).unwrap());
        // RSA signatures are verified each time that the change is in one; fewer kinds of change do for these.
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
