//! What is asked of a store at once.

use std::time::SystemTime;

use crate::{Collection, StoreError, StoreErrorKind, Version};

/// Checks and writes that are made together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    writes: Vec<Write>,
}

/// One check or write.
#[derive(Clone)]
pub struct Write {
    /// Where.
    pub collection: Collection,
    /// Which record.
    pub key: String,
    /// In which state the record must be.
    pub expect: Expect,
    /// What happens to it.
    pub action: Action,
}

/// In which state a record must be for a transaction to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is none.
    Absent,
    /// It is there, last written by this transaction.
    Version(Version),
    /// Whatever it is.
    Any,
}

/// What happens to a record.
#[derive(Clone)]
pub enum Action {
    /// Nothing: the expectation alone counts.
    Check,
    /// It is made, or replaced.
    Put {
        /// What it holds from now on.
        value: Vec<u8>,
        /// When it wants to be claimed.
        due: Option<SystemTime>,
    },
    /// It is deleted; deleting what is not there is no error.
    Delete,
}

impl Transaction {
    /// The most writes of one transaction.
    pub const MAX_WRITES: usize = 256;
    /// The most octets of a key.
    pub const MAX_KEY: usize = 512;
    /// The most octets of a value.
    pub const MAX_VALUE: usize = 1 << 20;

    /// A transaction that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check: the record must be as expected.
    pub fn check(self, collection: Collection, key: impl Into<String>, expect: Expect) -> Self {
        self.with(collection, key.into(), expect, Action::Check)
    }

    /// Adds a write: the record holds `value` and is due at `due`.
    pub fn put(
        self,
        collection: Collection,
        key: impl Into<String>,
        expect: Expect,
        value: Vec<u8>,
        due: Option<SystemTime>,
    ) -> Self {
        self.with(collection, key.into(), expect, Action::Put { value, due })
    }

    /// Adds a deletion.
    pub fn delete(self, collection: Collection, key: impl Into<String>, expect: Expect) -> Self {
        self.with(collection, key.into(), expect, Action::Delete)
    }

    fn with(mut self, collection: Collection, key: String, expect: Expect, action: Action) -> Self {
        self.writes.push(Write { collection, key, expect, action });
        self
    }

    /// Its checks and writes, in order. For those who write a [`Store`](crate::Store).
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Refuses what is over the bounds. For those who write a [`Store`](crate::Store).
    ///
    /// # Errors
    /// [`StoreErrorKind::InvalidInput`] above a bound, or when one record is named twice.
    pub fn require_bounds(&self) -> Result<(), StoreError> {
        let invalid = |why: &'static str| Err(StoreError::new(StoreErrorKind::InvalidInput, why));
        if self.writes.len() > Self::MAX_WRITES {
            return invalid("a transaction has at most 256 writes");
        }
        for (index, write) in self.writes.iter().enumerate() {
            if write.key.is_empty() || write.key.len() > Self::MAX_KEY {
                return invalid("a key has 1 to 512 octets");
            }
            if matches!(&write.action, Action::Put { value, .. } if value.len() > Self::MAX_VALUE) {
                return invalid("a value has at most 1 MiB");
            }
            let same = |other: &Write| other.collection == write.collection && other.key == write.key;
            if self.writes[..index].iter().any(same) {
                return invalid("a transaction names each record once");
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let action = match &self.action {
            Action::Check => "check",
            Action::Put { .. } => "put",
            Action::Delete => "delete",
        };
        write!(f, "{action} {}/{} if {:?}", self.collection, self.key, self.expect)
    }
}

impl std::fmt::Debug for Action {
    /// Names the action and shows no value: it may hold what no log should.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Check => "Check",
            Self::Put { .. } => "Put",
            Self::Delete => "Delete",
        })
    }
}
