//! The check for private keys: no message has a place for one, so a sender of one has made a mistake that must
//! come to light at once.

use crate::{ProtocolError, ProtocolErrorKind};

/// Text in the PEM of every kind of private key; then its base64 at each of the three alignments, without the
/// characters that depend on their neighbours.
const SIGNS: [&[u8]; 4] = [b"PRIVATE KEY", b"UFJJVkFURSBL", b"SVZBVEUgS0VZ", b"UklWQVRFIEtF"];

/// Refuses octets that hold a private key in PEM, plain or in base64. It catches mistakes and is no filter: an escaped
/// or encrypted key passes.
pub(crate) fn refuse(octets: &[u8]) -> Result<(), ProtocolError> {
    if SIGNS.iter().any(|sign| octets.windows(sign.len()).any(|window| window == *sign)) {
        return Err(sent("in PEM"));
    }
    Ok(())
}

pub(crate) fn sent(how: &str) -> ProtocolError {
    let why = format!(
        "{how}; a private key must never leave its device: make a new one, and send only a certificate request"
    );
    ProtocolError::new(ProtocolErrorKind::PrivateKeySent, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    #[test]
    fn private_key_is_found_plain_and_in_base64_at_each_alignment() {
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
