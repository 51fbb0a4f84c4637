//! OpenSSL and the gate read the good files of the CSR corpus alike: names, subject, key, and the signature.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fleetcert_tests::Fault;
use fleetcert_tests::openssl::{self, CsrForm};
use fleetcert_x509::{CsrPolicy, KeyKind, NameGrant, VerifiedCsr};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/x509/tests/corpus")
}

/// A policy that takes all the good files: what they differ in is not the question here.
fn policy() -> CsrPolicy {
    let base = || "fleet.test".parse().unwrap();
    let wildcard = "*.xi8qz.fleet.test".parse().unwrap();
    CsrPolicy::lets_encrypt()
        .with_keys(&KeyKind::ALL)
        .with_max_names(100)
        .with_grant(NameGrant::subtree(base()).and_optional(&wildcard))
}

#[test]
fn openssl_reads_the_good_files_as_the_gate_does() -> Result<(), Fault> {
    let index = fs::read_to_string(corpus().join("index.tsv")).unwrap();
    let files =
        index.lines().filter_map(|line| line.split('\t').next()).filter(|file| file.starts_with("good/"));
    let mut compared = 0;
    for file in files {
        let path = corpus().join(file);
        let bytes = fs::read(&path).unwrap();
        let csr = VerifiedCsr::parse(&bytes, &policy()).unwrap_or_else(|refusal| panic!("{file}: {refusal}"));
        let form = if file.ends_with(".pem") { CsrForm::Pem } else { CsrForm::Der };
        let read = openssl::read_csr(&path, form)?;

        let names = csr.identifiers().iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(read.names, names, "{file}: names");
        assert_eq!(read.spki, csr.spki(), "{file}: key");
        let bits = match csr.key_kind() {
            KeyKind::P256 => "(256 bit)",
            KeyKind::P384 => "(384 bit)",
            KeyKind::Rsa2048 => "(2048 bit)",
            KeyKind::Rsa3072 => "(3072 bit)",
            _ => "(4096 bit)",
        };
        assert!(read.text.contains(&format!("Public-Key: {bits}")), "{file}: {bits} in {}", read.text);
        if let Some(common_name) = &read.common_name {
            assert!(names.contains(&common_name.to_ascii_lowercase()), "{file}: {common_name}");
        }
        compared += 1;
    }
    assert!(compared >= 30, "{compared} files");
    Ok(())
}

#[test]
fn openssl_finds_a_bad_signature_where_the_gate_does() {
    let path = corpus().join("hostile/08-name-changed.der");
    let refusal = VerifiedCsr::parse(&fs::read(&path).unwrap(), &policy()).unwrap_err();
    assert_eq!(refusal.code().as_str(), "csr_bad_signature");
    assert!(openssl::read_csr(&path, CsrForm::Der).is_err());
}
