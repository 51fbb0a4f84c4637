//! A list of blocked keys in memory.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{BlocklistUnavailable, KeyBlocklist};
use crate::{X509Error, X509ErrorKind};

/// A list of blocked keys in memory, 32 octets each.
///
/// The file is text with one key per line: 64 hexadecimal digits, the SHA-256 of the key's DER SubjectPublicKeyInfo.
/// Text after them, lines that begin with `#` and empty lines are ignored. The hashes in Boulder's blocked keys file
/// have the same form.
///
/// ```
/// use fleetcert_x509::{BlockedKeys, KeyBlocklist};
///
/// let text = format!("# found in firmware\n{} gateway 1.0\n", "5b".repeat(32));
/// let list = BlockedKeys::read(text.as_bytes())?;
/// assert!(list.contains(&[0x5b; 32])?);
/// assert!(!list.contains(&[0; 32])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BlockedKeys {
    /// Hashes, sorted.
    hashes: Vec<[u8; 32]>,
}

/// Maximum keys. All public lists together have fewer for one size.
const MAX_KEYS: usize = 1_000_000;
const MAX_LINE: u64 = 1024;

impl BlockedKeys {
    /// Reads a list of at most a million keys from a file.
    ///
    /// # Errors
    /// [`X509ErrorKind::Malformed`] if the file cannot be read or a line does not begin with a hash;
    /// [`X509ErrorKind::TooLarge`] for too many keys, or a line of more than 1024 octets. A list is never accepted in
    /// part.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, X509Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| {
            X509Error::malformed(format!("the list {} cannot be read", path.display())).because(error)
        })?;
        Self::read(file)
    }

    /// Reads a list from a text.
    ///
    /// # Errors
    /// As for [`from_file`](Self::from_file).
    pub fn read(text: impl Read) -> Result<Self, X509Error> {
        let mut text = BufReader::new(text);
        let mut hashes = Vec::new();
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let length = text.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line).map_err(|error| {
                X509Error::malformed("the list of blocked keys cannot be read").because(error)
            })?;
            if length == 0 {
                break;
            }
            if length as u64 > MAX_LINE {
                return Err(too_large(&format!("line {number} is longer than {MAX_LINE} octets")));
            }
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let hash = hash(line).ok_or_else(|| {
                X509Error::malformed(format!(
                    "line {number} of the list does not begin with a SHA-256 in hexadecimal"
                ))
            })?;
            if hashes.len() == MAX_KEYS {
                return Err(too_large(&format!("more than {MAX_KEYS} keys")));
            }
            hashes.push(hash);
        }
        Ok(hashes.into_iter().collect())
    }

    /// Returns the number of different keys.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

impl FromIterator<[u8; 32]> for BlockedKeys {
    fn from_iter<I: IntoIterator<Item = [u8; 32]>>(hashes: I) -> Self {
        let mut hashes = hashes.into_iter().collect::<Vec<_>>();
        hashes.sort_unstable();
        hashes.dedup();
        Self { hashes }
    }
}

impl KeyBlocklist for BlockedKeys {
    fn contains(&self, spki_sha256: &[u8; 32]) -> Result<bool, BlocklistUnavailable> {
        Ok(self.hashes.binary_search(spki_sha256).is_ok())
    }
}

impl fmt::Debug for BlockedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockedKeys({})", self.hashes.len())
    }
}

/// Returns the hash at the beginning of a line, followed by a space or by nothing.
fn hash(line: &[u8]) -> Option<[u8; 32]> {
    let (digits, rest) = line.split_at_checked(64)?;
    if rest.first().is_some_and(|octet| !octet.is_ascii_whitespace()) {
        return None;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut hash = [0; 32];
    for (octet, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

fn too_large(what: &str) -> X509Error {
    X509Error::new(X509ErrorKind::TooLarge, format!("the list of blocked keys is too large: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_with_comments_and_blanks_is_read() {
        let (one, other) = ("0123456789abcdef".repeat(4), "FEDCBA9876543210".repeat(4));
        let text = format!("\n# a list\r\n{other}\tof firmware\r\n  {one}\n{one} again");
        let list = BlockedKeys::read(text.as_bytes()).unwrap();
        assert_eq!((list.len(), list.is_empty()), (2, false));
        assert!(
            list.contains(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4).try_into().unwrap())
                .unwrap()
        );
        assert!(
            list.contains(&[0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10].repeat(4).try_into().unwrap())
                .unwrap()
        );
        assert!(!list.contains(&[0; 32]).unwrap());
        assert!(BlockedKeys::read(&b""[..]).unwrap().is_empty());
    }

    #[test]
    fn list_with_an_invalid_line_is_rejected() {
        let good = "5b".repeat(32);
        for bad in ["5b", &good[1..], &format!("{good}5"), &format!("{}g", &good[1..]), &format!("{good}\n-")]
        {
            assert_eq!(
                BlockedKeys::read(bad.as_bytes()).unwrap_err().kind(),
                X509ErrorKind::Malformed,
                "{bad}"
            );
        }
        let long = format!("{good} {}", " ".repeat(1024 - 65));
        assert_eq!(BlockedKeys::read(long.as_bytes()).unwrap().len(), 1);
        let long = format!("{long} ");
        assert_eq!(BlockedKeys::read(long.as_bytes()).unwrap_err().kind(), X509ErrorKind::TooLarge);
        assert_eq!(BlockedKeys::from_file("/nonexistent/list").unwrap_err().kind(), X509ErrorKind::Malformed);
    }

    #[test]
    fn list_over_a_limit_is_rejected() {
        let line = format!("{}\n", "5b".repeat(32));
        let full = std::io::Read::take(Endless(line.as_bytes(), 0), line.len() as u64 * MAX_KEYS as u64);
        assert_eq!(BlockedKeys::read(full).unwrap().len(), 1);
        let refused = BlockedKeys::read(Endless(line.as_bytes(), 0)).unwrap_err();
        assert_eq!(refused.kind(), X509ErrorKind::TooLarge);
    }

    /// The same line repeated forever.
    struct Endless<'a>(&'a [u8], usize);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            for octet in buffer.iter_mut() {
                *octet = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }
}
