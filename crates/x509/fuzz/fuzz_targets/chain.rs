//! Chains as a CA, or an attacker in its place, may send them: in PEM, and a certificate in DER.
#![no_main]

use fleetcert_x509::Chain;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(chain) = Chain::from_pem(bytes) {
        let again = Chain::from_pem(chain.to_pem().as_bytes()).expect("what was written is read");
        assert_eq!(again, chain);
    }
    let _ = Chain::from_certificates(vec![bytes.to_vec().into()]);
});
