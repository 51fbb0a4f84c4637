//! What a passphrase may be, and its two forms.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{X509Error, X509ErrorKind};

/// A passphrase that all readers take for the same octets.
pub(super) struct Passphrase<'a>(&'a SecretString);

/// Longer than any reader's field for it.
const MAX_LENGTH: usize = 128;

impl<'a> Passphrase<'a> {
    pub(super) fn new(text: &'a SecretString) -> Result<Self, X509Error> {
        let octets = text.expose_secret().as_bytes();
        if octets.is_empty() || octets.len() > MAX_LENGTH {
            return Err(X509Error::new(
                X509ErrorKind::Unsupported,
                "the passphrase should have 1 to 128 characters",
            ));
        }
        // OpenSSL and Java differ in how they read all others.
        if octets.iter().any(|octet| !(0x20..0x7f).contains(octet)) {
            return Err(X509Error::new(
                X509ErrorKind::Unsupported,
                "the passphrase should be of printable ASCII characters: readers differ about all others",
            ));
        }
        Ok(Self(text))
    }

    /// As PBES2 takes it.
    pub(super) fn octets(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// As the key derivation of RFC 7292 takes it (appendix B.1): two octets a character and two zeros at the end.
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
    fn what_a_passphrase_may_be() {
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
