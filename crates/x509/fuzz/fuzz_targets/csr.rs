//! The gate, and its rules without the signature, with a policy of each kind.
#![no_main]

use fleetcert_x509::{CsrPolicy, KeyKind, NameGrant, VerifiedCsr, fuzzing};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let grant = NameGrant::optional(&"*.xi8qz.fleet.test".parse().expect("a name"));
    let policies = [
        CsrPolicy::device().with_keys(&KeyKind::ALL),
        CsrPolicy::lets_encrypt(),
        CsrPolicy::device().with_grant(grant),
    ];
    for policy in policies {
        fuzzing::rules_without_signature(bytes, &policy);
        if let Ok(csr) = VerifiedCsr::parse(bytes, &policy) {
            let again = VerifiedCsr::parse(csr.der(), &policy).expect("what passed passes again");
            assert!(again == csr);
        }
    }
});
