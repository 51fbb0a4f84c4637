//! What the walk lets through is written again by our writer to the same octets.
#![no_main]

use fleetcert_x509::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(written) = fuzzing::written_again(bytes) {
        assert_eq!(written, bytes);
    }
});
