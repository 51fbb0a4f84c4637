//! TSIG keys.

mod error;
mod parser;

use std::fmt;
use std::str::FromStr;

use fleetcert_names::DomainName;
use hickory_proto::rr::Name;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use error::{TsigKeyError, TsigKeyErrorKind};

/// A secret shared with a server, with its name and algorithm (RFC 8945 section 2).
///
/// The secret is wiped when the last owner is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct TsigKey {
    name: DomainName,
    algorithm: TsigAlgorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// The supported algorithms. MD5, SHA-1 and truncated forms are not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

impl TsigKey {
    /// Minimum octets of a secret: 128 bits. Key generators make 32 and more.
    pub const MIN_SECRET_LEN: usize = 16;
    /// Maximum octets of a secret.
    pub const MAX_SECRET_LEN: usize = 1024;

    /// Returns a key.
    ///
    /// # Errors
    /// [`TsigKeyErrorKind::SecretLength`] outside [`MIN_SECRET_LEN`](Self::MIN_SECRET_LEN) to
    /// [`MAX_SECRET_LEN`](Self::MAX_SECRET_LEN).
    pub fn new(name: DomainName, algorithm: TsigAlgorithm, secret: &[u8]) -> Result<Self, TsigKeyError> {
        if !(Self::MIN_SECRET_LEN..=Self::MAX_SECRET_LEN).contains(&secret.len()) {
            return Err(TsigKeyErrorKind::SecretLength.into());
        }
        Ok(Self { name, algorithm, secret: Zeroizing::new(secret.to_vec()) })
    }

    /// Parses a key file with one key, in the form of BIND (`tsig-keygen`) or Knot (`keymgr -t`, or a `knot.conf` with
    /// one key), or a line as for `nsupdate -y`: `hmac-sha256:name:secret`.
    ///
    /// # Errors
    /// [`TsigKeyError`] with the line. It never contains a part of the text.
    ///
    /// ```
    /// use fleetcert_dns_wire::TsigKey;
    ///
    /// let bind = TsigKey::parse(
    ///     r#"key "ddns" {
    ///         algorithm hmac-sha256;
    ///         secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ==";
    ///     };"#,
    /// )?;
    /// let knot = TsigKey::parse(
    ///     "key:\n- id: ddns\n  algorithm: hmac-sha256\n  \
    ///      secret: c2VjcmV0IG9mIHRoZSBkb2NzIQ==\n",
    /// )?;
    /// let line = TsigKey::parse("hmac-sha256:ddns:c2VjcmV0IG9mIHRoZSBkb2NzIQ==")?;
    /// assert!(bind == knot && knot == line);
    /// # Ok::<(), fleetcert_dns_wire::TsigKeyError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TsigKeyError> {
        parser::parse(text)
    }

    /// Returns the name by which both sides know the key.
    pub fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> TsigAlgorithm {
        self.algorithm
    }

    /// Returns the MAC over `octets` in full length.
    pub(crate) fn mac(&self, octets: &[u8]) -> Vec<u8> {
        self.algorithm
            .to_wire()
            .mac_data(&self.secret, octets)
            .expect("the codec supports the three algorithms")
    }
}

/// Compares all three parts; the secrets in constant time.
impl PartialEq for TsigKey {
    fn eq(&self, other: &Self) -> bool {
        let same_secret = bool::from(self.secret.ct_eq(&other.secret));
        self.name == other.name && self.algorithm == other.algorithm && same_secret
    }
}

impl Eq for TsigKey {}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl FromStr for TsigKey {
    type Err = TsigKeyError;

    fn from_str(text: &str) -> Result<Self, TsigKeyError> {
        Self::parse(text)
    }
}

impl TsigAlgorithm {
    /// Returns the name of RFC 8945 section 6.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// Returns the octets of a full MAC.
    pub(crate) fn mac_len(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    pub(crate) fn to_name(self) -> Name {
        Name::from_labels([self.as_str()]).expect("the name of an algorithm is one short label")
    }

    fn to_wire(self) -> hickory_proto::rr::rdata::tsig::TsigAlgorithm {
        use hickory_proto::rr::rdata::tsig::TsigAlgorithm as Wire;
        match self {
            Self::HmacSha256 => Wire::HmacSha256,
            Self::HmacSha384 => Wire::HmacSha384,
            Self::HmacSha512 => Wire::HmacSha512,
        }
    }
}

impl FromStr for TsigAlgorithm {
    type Err = TsigKeyError;

    fn from_str(text: &str) -> Result<Self, TsigKeyError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512]
            .into_iter()
            .find(|algorithm| text.eq_ignore_ascii_case(algorithm.as_str()))
            .ok_or_else(|| TsigKeyErrorKind::UnsupportedAlgorithm.into())
    }
}

impl fmt::Display for TsigAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
