//! Changes of a zone.

use std::collections::HashMap;

use fleetcert_names::DomainName;

use crate::{Addresses, Ttl, TxtValue};

/// One change to one zone.
///
/// TXT values are added and removed individually and never replaced: two orders may have a value each at the same
/// name, and neither may touch the other's. Addresses are replaced as a whole, because a device reports its current
/// addresses, not the difference.
///
/// Every change is idempotent: adding an existing value or removing a missing one does nothing and is not an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Adds the value to the TXT values of the name. Other values stay. If the set has another TTL, a server may keep
    /// either.
    AddTxt {
        /// Owner name.
        name: DomainName,
        /// Value to add.
        value: TxtValue,
        /// Time to live.
        ttl: Ttl,
    },
    /// Removes the value from the TXT values of the name. Other values stay.
    RemoveTxt {
        /// Owner name.
        name: DomainName,
        /// Value to remove.
        value: TxtValue,
    },
    /// Replaces the A and AAAA records of the name, both at once. Without addresses of a kind, its records are
    /// removed.
    SetAddresses {
        /// Owner name.
        name: DomainName,
        /// All addresses of the name.
        addresses: Addresses,
        /// Time to live.
        ttl: Ttl,
    },
}

impl Change {
    /// Returns the owner name.
    pub fn name(&self) -> &DomainName {
        match self {
            Self::AddTxt { name, .. } | Self::RemoveTxt { name, .. } | Self::SetAddresses { name, .. } => {
                name
            }
        }
    }
    /// Returns the subject of the change: one text of a name, or, with `None`, the addresses of the name. Of two
    /// changes with the same subject, the later one wins.
    ///
    /// ```
    /// use fleetcert_dns::Change;
    ///
    /// let (name, value) = ("a.fleet.test".parse()?, "1".parse()?);
    /// let change = Change::RemoveTxt { name, value };
    /// let (name, value) = change.subject();
    /// assert_eq!(name.as_str(), "a.fleet.test");
    /// assert_eq!(value.map(|value| value.as_bytes()), Some(&b"1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subject(&self) -> (&DomainName, Option<&TxtValue>) {
        match self {
            Self::AddTxt { name, value, .. } | Self::RemoveTxt { name, value } => (name, Some(value)),
            Self::SetAddresses { name, .. } => (name, None),
        }
    }
    /// Returns the changes of all lists in order, without those that repeat the last one of their subject. A single
    /// list stays as it is.
    pub(crate) fn merged<'a>(mut lists: impl ExactSizeIterator<Item = &'a [Self]>) -> Vec<Self> {
        if lists.len() == 1 {
            return lists.next().unwrap_or_default().to_vec();
        }
        let mut last = HashMap::new();
        let is_new = |change: &&'a Self| last.insert(change.subject(), *change) != Some(*change);
        lists.flatten().filter(is_new).cloned().collect()
    }

    /// Returns the octets of the change in a DNS UPDATE message without compression: owner name, and type, class, TTL
    /// and length of the data (RFC 1035 section 3.2.1).
    pub(crate) fn wire_octets(&self) -> usize {
        let record = |data: usize| self.name().as_str().len() + 2 + 10 + data;
        match self {
            Self::AddTxt { value, .. } | Self::RemoveTxt { value, .. } => {
                record(value.as_bytes().len() + value.strings().count())
            }
            // Two deletions precede the addresses (RFC 2136 section 2.5.2).
            Self::SetAddresses { addresses, .. } => {
                2 * record(0) + addresses.v4().count() * record(4) + addresses.v6().count() * record(16)
            }
        }
    }
}
