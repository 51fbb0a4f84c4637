//! Records, their collections and versions.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A named set of records. The name is a constant of the program, never input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(&'static str);

impl Collection {
    /// Returns the collection called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The number of the transaction that last wrote a record.
///
/// It increases with every transaction of the whole store and is never reused, even if a record is deleted and created
/// again. This makes it the fence of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(crate) i64);

impl Version {
    /// Returns the version with this number, for implementers of a [`Store`](crate::Store). Callers use only versions
    /// that a store returned.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number, as a database stores it.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// One stored record.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Key, unique in the collection.
    pub key: String,
    /// Transaction that last wrote the record.
    pub version: Version,
    /// Time from which the record can be claimed, in milliseconds precision; `None` for never.
    pub due: Option<SystemTime>,
    /// Value.
    pub value: Vec<u8>,
}

impl fmt::Debug for Record {
    /// Shows the length of the value instead of the value, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("due", &self.due)
            .field("value_len", &self.value.len())
            .finish()
    }
}

/// Returns milliseconds since 1970, as databases store times. A time out of range becomes the nearest end of the
/// range. For implementers of a [`Store`](crate::Store).
pub fn to_millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    }
}

/// Returns the time that [`to_millis`] converted. A number beyond the range of `SystemTime` becomes 1970. For
/// implementers of a [`Store`](crate::Store).
pub fn from_millis(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if millis < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_survive_a_round_trip(millis in -100_000_000_000_000i64..100_000_000_000_000) {
            prop_assert_eq!(to_millis(from_millis(millis)), millis);
        }

        #[test]
        fn arbitrary_numbers_do_not_panic(millis: i64) {
            from_millis(millis);
        }
    }
}
