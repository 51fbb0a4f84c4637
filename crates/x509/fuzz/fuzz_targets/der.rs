//! Strict DER: documents that pass the check are written again to the same octets.
#![no_main]

use fleetcert_x509::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(written) = fuzzing::written_again(bytes) {
        assert_eq!(written, bytes);
    }
});
