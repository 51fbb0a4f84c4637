//! A list in memory, read from a file.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{BlocklistUnavailable, KeyBlocklist};
use crate::{X509Error, X509ErrorKind};

/// A list of blocked keys in memory, 32 octets each.
///
/// The file is text, a key on each line: 64 hexadecimal digits, the SHA-256 of the key's DER SubjectPublicKeyInfo.
/// Text after them, lines that begin with `#` and empty lines are for people. The hashes in Boulder's blocked keys
/// file are the same ones.
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
    /// Sorted.
    hashes: Vec<[u8; 32]>,
}

/// A million keys are more than all lists that are public have together for one size.
const MAX_KEYS: usize = 1_000_000;
const MAX_LINE: u64 = 1024;

impl BlockedKeys {
    /// The list in a file, at most a million keys.
    ///
    /// # Errors
    /// [`X509ErrorKind::Malformed`] for a file that cannot be read, or has a line that is no hash;
    /// [`X509ErrorKind::TooLarge`] for more keys, or a line of more than 1024 octets. A list that was read in part
    /// is no list.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, X509Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| {
            X509Error::malformed(format!("the list {} cannot be read", path.display())).because(error)
        })?;
        Self::read(file)
    }

    /// The list in this text.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
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
                return Err(too_large(&format!("it has more than {MAX_KEYS} keys")));
            }
            hashes.push(hash);
        }
        Ok(hashes.into_iter().collect())
    }

    /// So many keys, each counted once.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
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

/// The hash at the beginning of a line; a space follows, or nothing.
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
    fn a_list_as_people_write_it() {
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
    fn a_list_in_part_is_none() {
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
    fn a_list_is_bounded() {
        let line = format!("{}\n", "5b".repeat(32));
        let full = std::io::Read::take(Endless(line.as_bytes(), 0), line.len() as u64 * MAX_KEYS as u64);
        assert_eq!(BlockedKeys::read(full).unwrap().len(), 1);
        let refused = BlockedKeys::read(Endless(line.as_bytes(), 0)).unwrap_err();
        assert_eq!(refused.kind(), X509ErrorKind::TooLarge);
    }

    /// The same line for ever.
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
