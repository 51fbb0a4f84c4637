//! Passphrases and their two encodings.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{X509Error, X509ErrorKind};

/// A passphrase that all readers encode as the same octets.
pub(super) struct Passphrase<'a>(&'a SecretString);

/// Maximum characters of a passphrase.
const MAX_LENGTH: usize = 128;

impl<'a> Passphrase<'a> {
    pub(super) fn new(text: &'a SecretString) -> Result<Self, X509Error> {
        let octets = text.expose_secret().as_bytes();
        if octets.is_empty() || octets.len() > MAX_LENGTH {
            return Err(X509Error::new(
                X509ErrorKind::Unsupported,
                "the passphrase must have 1 to 128 characters",
            ));
        }
        // OpenSSL and Java encode other characters differently.
        if octets.iter().any(|octet| !(0x20..0x7f).contains(octet)) {
            return Err(X509Error::new(
                X509ErrorKind::Unsupported,
                "the passphrase must have only printable ASCII characters: readers encode others differently",
            ));
        }
        Ok(Self(text))
    }

    /// Returns the encoding for PBES2.
    pub(super) fn octets(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// Returns the encoding for the key derivation of RFC 7292 (appendix B.1): two octets per character and two zeros
    /// at the end.
    pub(super) fn bmp(&self) -> Zeroizing<Vec<u8>> {
        let mut bmp = Zeroizing::new(Vec::with_capacity(2 * self.octets().len() + 2));
        for octet in self.octets() {
            bmp.extend([0, *octet]);
        }
        bmp.extend([0, 0]);
        bmp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_passphrases_are_rejected() {
        let of = |text: &str| {
            Passphrase::new(&SecretString::from(text)).map(|passphrase| passphrase.bmp().to_vec())
        };
        assert_eq!(of("a ~").unwrap(), [0, b'a', 0, b' ', 0, b'~', 0, 0]);
        assert!(of(&"x".repeat(128)).is_ok());
        for bad in ["", "a\nb", "a\0", "\x7f", "gr\u{fc}n", &"x".repeat(129)] {
            let error = of(bad).unwrap_err();
            assert_eq!(error.kind(), X509ErrorKind::Unsupported, "{bad:?}");
            assert!(bad.is_empty() || !format!("{error:?}").contains(bad));
        }
    }
}
