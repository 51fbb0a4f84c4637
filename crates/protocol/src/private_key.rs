//! No message has a place for a private key; who sends one has misunderstood, and must be told at once.

use crate::{ProtocolError, ProtocolErrorKind};

/// What stands in the PEM of every kind of private key; then what its base64 holds wherever it begins, without the
/// characters that depend on its neighbours.
const SIGNS: [&[u8]; 4] = [b"PRIVATE KEY", b"UFJJVkFURSBL", b"SVZBVEUgS0VZ", b"UklWQVRFIEtF"];

/// Refuses octets that hold a private key in PEM, plain or in base64. A warning for the honest, not a filter: what
/// is escaped or encrypted passes.
pub(crate) fn refuse(octets: &[u8]) -> Result<(), ProtocolError> {
    if SIGNS.iter().any(|sign| octets.windows(sign.len()).any(|window| window == *sign)) {
        return Err(sent("it stands there in PEM"));
    }
    Ok(())
}

pub(crate) fn sent(how: &str) -> ProtocolError {
    let why =
        format!("{how}; it must never leave its device: make a new one, and send a certificate request only");
    ProtocolError::new(ProtocolErrorKind::PrivateKeySent, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    #[test]
    fn plain_and_in_base64_wherever_it_begins() {
        for kind in ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "] {
            for before in 0..4 {
                let pem = format!("{}-----BEGIN {kind}PRIVATE KEY-----\nMAA=\n", "\n".repeat(before));
                for text in [pem.clone(), STANDARD.encode(&pem), URL_SAFE_NO_PAD.encode(&pem)] {
                    let error = refuse(text.as_bytes()).unwrap_err();
                    assert_eq!(error.kind(), ProtocolErrorKind::PrivateKeySent, "{text}");
                }
            }
        }
        for harmless in ["", "PRIVATE", "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE REQUEST-----"] {
            assert!(refuse(harmless.as_bytes()).is_ok());
            assert!(refuse(STANDARD.encode(harmless).as_bytes()).is_ok());
        }
    }
}
