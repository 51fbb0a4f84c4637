//! Records and their values.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The types of records that devices of a fleet zone have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// An IPv4 address (RFC 1035 section 3.4.1).
    A,
    /// An IPv6 address (RFC 3596).
    Aaaa,
    /// Text (RFC 1035 section 3.3.14).
    Txt,
}

/// One value of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordData {
    /// The value of an A record.
    A(Ipv4Addr),
    /// The value of an AAAA record.
    Aaaa(Ipv6Addr),
    /// The value of a TXT record.
    Txt(TxtValue),
}

impl RecordData {
    /// The type of record that holds this value.
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Txt(_) => RecordType::Txt,
        }
    }
}

/// All values of one type at one name; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Time for which a resolver may cache the set.
    pub ttl: Ttl,
    /// Values without duplicates.
    pub values: BTreeSet<RecordData>,
}

/// A TTL (time to live) in seconds, at most 2^31 - 1 (RFC 2181 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub struct Ttl(u32);

impl Ttl {
    /// TTL zero: no caching.
    pub const ZERO: Self = Self(0);
    /// TTL of challenge records: short, because a resolver that caches an old value fails the next validation.
    pub const CHALLENGE: Self = Self(1);
    /// TTL of addresses: a device that moved is reachable again within a minute.
    pub const ADDRESS: Self = Self(60);

    /// Returns the TTL of `seconds`.
    ///
    /// # Errors
    /// [`ValueError::TtlTooLong`] above 2^31 - 1.
    pub const fn from_secs(seconds: u32) -> Result<Self, ValueError> {
        if seconds > i32::MAX as u32 { Err(ValueError::TtlTooLong) } else { Ok(Self(seconds)) }
    }

    /// Returns the number of seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = ValueError;

    fn try_from(seconds: u32) -> Result<Self, ValueError> {
        Self::from_secs(seconds)
    }
}

/// The text of one TXT record, 1 to 1,024 octets; on the wire it is split into strings of 255.
///
/// Any octet is allowed, since a server may answer with anything; `Display` escapes characters that cannot be printed.
///
/// ```
/// use fleetcert_dns::TxtValue;
///
/// let value: TxtValue = "v=spf1 -all".parse()?;
/// assert_eq!(value.as_bytes(), b"v=spf1 -all");
/// assert!(!value.is_dns01());
/// assert_eq!(TxtValue::new(&[b'a'; 300])?.strings().count(), 2);
/// # Ok::<(), fleetcert_dns::ValueError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxtValue(Arc<[u8]>);

impl TxtValue {
    /// Maximum octets of a value. A dns-01 value has 43.
    pub const MAX_LEN: usize = 1024;

    /// Returns the value of these octets.
    ///
    /// # Errors
    /// [`ValueError::EmptyTxt`] or [`ValueError::TxtTooLong`].
    pub fn new(octets: &[u8]) -> Result<Self, ValueError> {
        match octets.len() {
            0 => Err(ValueError::EmptyTxt),
            1..=Self::MAX_LEN => Ok(Self(octets.into())),
            _ => Err(ValueError::TxtTooLong),
        }
    }

    /// Returns all octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether the text is a dns-01 value: 43 characters of base64url, the digest of RFC 8555 section 8.4.
    pub fn is_dns01(&self) -> bool {
        let base64url = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        self.0.len() == 43 && self.0.iter().all(base64url)
    }

    /// Returns the character-strings of RFC 1035 section 3.3: parts of at most 255 octets.
    pub fn strings(&self) -> impl Iterator<Item = &[u8]> {
        self.0.chunks(255)
    }
}

impl FromStr for TxtValue {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for TxtValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for TxtValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxtValue({self})")
    }
}

/// The addresses of one name, IPv4 and IPv6 without duplicates; at most sixteen. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addresses {
    v4: BTreeSet<Ipv4Addr>,
    v6: BTreeSet<Ipv6Addr>,
}

impl Addresses {
    /// Maximum addresses of one name.
    pub const MAX: usize = 16;

    /// Returns the set of these addresses.
    ///
    /// # Errors
    /// [`ValueError::TooManyAddresses`] above [`MAX`](Self::MAX) different ones.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, ValueError> {
        let mut set = Self::default();
        for address in addresses {
            match address {
                IpAddr::V4(v4) => set.v4.insert(v4),
                IpAddr::V6(v6) => set.v6.insert(v6),
            };
            if set.v4.len() + set.v6.len() > Self::MAX {
                return Err(ValueError::TooManyAddresses);
            }
        }
        Ok(set)
    }

    /// Returns the IPv4 addresses, for the A record.
    pub fn v4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.v4.iter().copied()
    }

    /// Returns the IPv6 addresses, for the AAAA record.
    pub fn v6(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.v6.iter().copied()
    }

    /// Returns all addresses, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.v4().map(IpAddr::V4).chain(self.v6().map(IpAddr::V6))
    }
}

/// The error for a value that a record cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A TXT value without octets.
    #[error("a TXT value must have at least one octet")]
    EmptyTxt,
    /// A TXT value above [`TxtValue::MAX_LEN`].
    #[error("a TXT value must have at most 1024 octets")]
    TxtTooLong,
    /// A TTL above 2^31 - 1 seconds.
    #[error("a TTL must have at most 2147483647 seconds")]
    TtlTooLong,
    /// More than [`Addresses::MAX`] addresses at one name.
    #[error("a name must have at most 16 addresses")]
    TooManyAddresses,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_split_into_strings_and_joined_again() {
        let value = TxtValue::new(&[b'a'; 600]).unwrap();
        assert_eq!(value.strings().map(<[u8]>::len).collect::<Vec<_>>(), [255, 255, 90]);
        assert_eq!(value.strings().collect::<Vec<_>>().concat(), value.as_bytes());
        assert_eq!(TxtValue::new(&[b'a'; 1025]), Err(ValueError::TxtTooLong));
        assert_eq!("".parse::<TxtValue>(), Err(ValueError::EmptyTxt));
    }

    #[test]
    fn dns01_value_is_43_characters_of_base64url() {
        let is_dns01 = |text: &str| text.parse::<TxtValue>().unwrap().is_dns01();
        assert!(is_dns01("gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sA"));
        assert!(!is_dns01("gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9s"));
        assert!(!is_dns01("gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sAA"));
        assert!(!is_dns01("gfj9Xq+Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sA"));
    }

    #[test]
    fn display_escapes_control_characters() {
        assert_eq!(TxtValue::new(b"a\n\x1b").unwrap().to_string(), r"a\n\x1b");
    }

    #[test]
    fn duplicate_addresses_are_removed() {
        let one: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(Addresses::new([one, one]).unwrap().iter().count(), 1);
        let many = (0..17).map(|last| IpAddr::from([10, 0, 0, last]));
        assert_eq!(Addresses::new(many), Err(ValueError::TooManyAddresses));
    }

    #[test]
    fn ttl_over_the_maximum_is_rejected() {
        assert!(Ttl::from_secs(2_147_483_647).is_ok());
        assert_eq!(Ttl::from_secs(2_147_483_648), Err(ValueError::TtlTooLong));
    }
}
