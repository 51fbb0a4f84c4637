//! PEM: keys and CSRs in text. A key survives a round trip.
#![no_main]

use fleetcert_x509::{KeyPair, SigningKey, fuzzing};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzing::pem_blocks(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = KeyPair::from_pem(text) {
        let written = key.to_pkcs8_pem().expect("a key that was read can be written");
        assert_eq!(KeyPair::from_pem(&written).expect("and read again").spki_der(), key.spki_der());
    }
});
