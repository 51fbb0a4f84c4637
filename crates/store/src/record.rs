//! What is stored.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A named set of records. The name is part of a program, never of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(&'static str);

impl Collection {
    /// The collection called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The number of the transaction that wrote a record last.
///
/// It grows with every transaction of the whole store and never comes again, also when a record is deleted and
/// made anew. So it serves as the fence of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(crate) i64);

impl Version {
    /// The version of this number. For those who write a [`Store`](crate::Store): a caller has only those that a
    /// store gave him.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number, as a database keeps it.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// One stored record.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key, unique in its collection.
    pub key: String,
    /// The transaction that wrote it last.
    pub version: Version,
    /// When it wants to be claimed, to the millisecond; `None` for never.
    pub due: Option<SystemTime>,
    /// What it holds.
    pub value: Vec<u8>,
}

impl fmt::Debug for Record {
    /// Shows the length of the value, not the value: it may hold what no log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("due", &self.due)
            .field("value_len", &self.value.len())
            .finish()
    }
}

/// Milliseconds since 1970, as the databases keep time; times out of reach are brought to the nearest end.
/// For those who write a [`Store`](crate::Store).
pub fn to_millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    }
}

/// The time that [`to_millis`] kept; what a foreign row holds beyond the range of time becomes 1970.
/// For those who write a [`Store`](crate::Store).
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
        fn times_come_back(millis in -100_000_000_000_000i64..100_000_000_000_000) {
            prop_assert_eq!(to_millis(from_millis(millis)), millis);
        }

        #[test]
        fn no_row_panics(millis: i64) {
            from_millis(millis);
        }
    }
}
