//! Transactions: checks and writes.

use std::time::SystemTime;

use crate::{Collection, StoreError, StoreErrorKind, Version};

/// Checks and writes that take effect together or not at all.
///
/// Builder methods add one check, write or deletion each. No record may appear twice.
///
/// ```
/// use fleetcert_store::{Collection, Expect, Transaction};
///
/// const DEVICES: Collection = Collection::new("device");
/// const LABELS: Collection = Collection::new("label");
/// let enrol = Transaction::new()
///     .put(DEVICES, "1", Expect::Absent, b"xi8qz".to_vec(), None)
///     .put(LABELS, "xi8qz", Expect::Absent, b"1".to_vec(), None);
/// assert_eq!(enrol.writes().len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    writes: Vec<Write>,
}

/// One check or write.
#[derive(Clone)]
pub struct Write {
    /// Collection of the record.
    pub collection: Collection,
    /// Key of the record.
    pub key: String,
    /// State that the record must have.
    pub expect: Expect,
    /// Change to make.
    pub action: Action,
}

/// The state that a record must have for the transaction to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The record does not exist.
    Absent,
    /// The record was last written by this transaction.
    Version(Version),
    /// Any state.
    Any,
}

/// The change that a transaction makes to a record.
#[derive(Clone)]
pub enum Action {
    /// No change: only the expectation is checked.
    Check,
    /// The record is created or replaced.
    Put {
        /// New value.
        value: Vec<u8>,
        /// Time from which the record can be claimed; `None` for never.
        due: Option<SystemTime>,
    },
    /// The record is deleted, if it exists.
    Delete,
}

impl Transaction {
    /// Maximum writes of one transaction.
    pub const MAX_WRITES: usize = 256;
    /// Maximum octets of a key.
    pub const MAX_KEY: usize = 512;
    /// Maximum octets of a value.
    pub const MAX_VALUE: usize = 1 << 20;

    /// Returns an empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check: the record must match `expect`.
    pub fn check(self, collection: Collection, key: impl Into<String>, expect: Expect) -> Self {
        self.with(collection, key.into(), expect, Action::Check)
    }

    /// Adds a write: the record gets `value` and the time `due`.
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

    /// Returns the checks and writes in order, for implementers of a [`Store`](crate::Store).
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Checks the limits, for implementers of a [`Store`](crate::Store).
    ///
    /// # Errors
    /// [`StoreErrorKind::InvalidInput`] over a limit, or if a record appears twice.
    pub fn require_bounds(&self) -> Result<(), StoreError> {
        let invalid = |why: &'static str| Err(StoreError::new(StoreErrorKind::InvalidInput, why));
        if self.writes.len() > Self::MAX_WRITES {
            return invalid("the transaction has more than 256 writes");
        }
        for (index, write) in self.writes.iter().enumerate() {
            if write.key.is_empty() || write.key.len() > Self::MAX_KEY {
                return invalid("a key must have 1 to 512 octets");
            }
            if matches!(&write.action, Action::Put { value, .. } if value.len() > Self::MAX_VALUE) {
                return invalid("a value is larger than 1 MiB");
            }
            let same = |other: &Write| other.collection == write.collection && other.key == write.key;
            if self.writes[..index].iter().any(same) {
                return invalid("the transaction names a record twice");
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
    /// Shows the action without its value, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Check => "Check",
            Self::Put { .. } => "Put",
            Self::Delete => "Delete",
        })
    }
}
